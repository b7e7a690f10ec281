"""Runs of a masked language model through the commands, and searches that do not fit a model."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from seq2seq.compare import compare
from seq2seq.errors import UserError
from seq2seq.runs.weights import read_weights
from seq2seq.search.mask_predict import MaskPredict
from seq2seq.settings import config_files, train_arguments
from seq2seq.translation.translator import Translator


def search_of(*words: str) -> dict[str, Any]:
    return train_arguments.config(["name=a", *words]).search


def test_a_model_has_its_natural_search_unless_another_is_given(tmp_path: Path):
    assert search_of("model=encoder_only")["name"] == "mask_predict"
    assert search_of("model=transformer")["name"] == "beam"
    assert search_of("search.rounds=4", "model=encoder_only", "search.lengths=3")["rounds"] == 4
    given = search_of("model=encoder_only", "search=mask_predict", "search.rounds=2")
    assert (given["rounds"], given["lengths"]) == (2, 5)
    [first, second] = train_arguments.members(["model=rnn,encoder_only"], sweep=True)
    assert [one.config.search["name"] for one in (first, second)] == ["beam", "mask_predict"]


def test_an_experiment_may_choose_the_model(tmp_path: Path):
    (tmp_path / "experiment").mkdir()
    for name, search in (("plain", ""), ("own", "  - override /search: mask_predict\n")):
        text = f"# @package _global_\ndefaults:\n  - override /model: encoder_only\n{search}"
        (tmp_path / "experiment" / f"{name}.yaml").write_text(text + "search: {rounds: 3}\n")
        with config_files.user_folder(tmp_path):
            found = search_of(f"experiment={name}")
        assert (found["name"], found["rounds"]) == ("mask_predict", 3)


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["model=encoder_only", "search=beam"], ["autoregressive", "use search=mask_predict"]),
        (["model=encoder_only", "search=greedy"], ["autoregressive", "use search=mask_predict"]),
        (["model=encoder_only", "search=sample"], ["search=sample", "use search=mask_predict"]),
        (["search=mask_predict"], ["model=bahdanau", "use search=beam"]),
        (["model=rnn", "search=mask_predict"], ["masked language model", "use search=beam"]),
        (["-m", "model=encoder_only,rnn", "search=mask_predict"], ["model=rnn", "search=beam"]),
        (["model=encoder_only", "search.beam=3"], ["'search.beam'", "search=beam"]),
        (["model=encoder_only", "search.rounds=0"], ["search.rounds=0 must be at least 1"]),
        (["model=encoder_only", "search.lengths=0"], ["search.lengths=0 must be at least 1"]),
    ],
)
def test_a_search_that_does_not_fit_is_refused_before_training(command, tmp_path, words, parts):
    command("train", *words).must_refuse(*parts)
    assert not (tmp_path / "runs").exists()


def test_a_run_goes_through_every_command(command: Callable[..., Any], fit: Callable[..., Path]):
    run = fit("encoder_only", "search.lengths=2")
    source = "two cats see trees"
    assert command("translate", run, stdin=f"{source}\n\n").out.count("\n") == 2
    lines = command("translate", run, "--n-best", 3, stdin=f"{source}\n").out.splitlines()
    assert 1 < len(lines) <= 3
    assert all(line.startswith("0 ||| ") for line in lines)
    for words in (["--beam", 3], ["--sample"]):
        command("translate", run, *words, stdin=source).must_refuse("search=mask_predict")
        for name in ("evaluate", "align"):
            if words == ["--beam", 3]:
                more = ["--source", source] if name == "align" else []
                command(name, run, *words, *more).must_refuse("search=mask_predict")
    assert command("evaluate", run).status == 0
    [scores] = json.loads((run / "scores.json").read_text()).values()
    assert "perplexity" not in scores
    assert scores["pseudo_perplexity"]["score"] > 1
    assert scores["search"]["kind"] == "MaskPredict"
    for words in ([], ["--target", "zwei Katzen sehen Bäume"]):
        assert command("align", run, "--source", source, *words).status == 0
    other = fit("rnn", name="other")
    command("evaluate", other)
    found = command("compare", run, other, "--out", run.parent / "report")
    assert found.status == 0
    assert "pseudo-perplexity" in found.out
    assert any(note.startswith("Pseudo-perplexity") for note in compare([run, other]).notes)


@pytest.mark.parametrize(
    ("model", "key", "other"),
    [
        ("encoder_only", "validation_pseudo_perplexity", "validation_perplexity"),
        ("rnn", "validation_perplexity", "validation_pseudo_perplexity"),
        ("word_for_word", "validation_perplexity", "validation_pseudo_perplexity"),
    ],
)
def test_the_log_names_the_kind_of_perplexity(fit, model, key, other):
    log = (fit(model) / "log.jsonl").read_text("utf-8")
    [*_, last] = [
        entry for entry in map(json.loads, log.splitlines()) if "validation_loss" in entry
    ]
    assert last[key] == pytest.approx(math.exp(last["validation_loss"]))
    assert other not in log


def test_a_run_whose_log_has_the_older_name_is_compared(command, fit):
    run = fit("encoder_only", "train.max_steps=4", "train.validate_every=2")
    log = run / "log.jsonl"
    log.write_text(log.read_text("utf-8").replace("pseudo_perplexity", "perplexity"), "utf-8")
    assert command("evaluate", run).status == 0
    other = fit("rnn", name="other")
    assert command("evaluate", other).status == 0
    assert command("compare", run, other, "--out", run.parent / "report").status == 0


def test_rounds_and_lengths_replace_those_of_the_run(command, fit):
    run = fit("encoder_only", "search.lengths=2", "search.rounds=3")
    for words, expected in (
        ([], (3, 2)),
        (["--rounds", 1], (1, 2)),
        (["--lengths", 4], (3, 4)),
        (["--rounds", 5, "--lengths", 1], (5, 1)),
    ):
        assert command("evaluate", run, *words).status == 0
        [scores] = json.loads((run / "scores.json").read_text()).values()
        assert (scores["search"]["rounds"], scores["search"]["lengths"]) == expected
        found = command("translate", run, *words, stdin="two cats see trees\n")
        assert (found.status, found.out.count("\n")) == (0, 1), found
    translator = Translator(run, rounds=7)
    assert (translator.search.rounds, translator.search.lengths) == (7, 2)
    with pytest.raises(UserError, match=r"search\.rounds=0 must be at least 1"):
        Translator(run, rounds=0)
    lines = command("translate", run, "--lengths", 1, "--n-best", 3, stdin="two cats\n").out
    assert 1 < len(lines.splitlines()) <= 3


def test_rounds_and_lengths_are_refused_for_other_searches(command, fit):
    run = fit("rnn", name="other")
    for option in ("--rounds", "--lengths"):
        for words in ([], ["--beam", 2]):
            for name in ("translate", "evaluate"):
                command(name, run, option, 3, *words, stdin="two cats\n").must_refuse(
                    f"a number of {option[2:]} (3) has no effect on search=", "mask_predict"
                )
    masked = fit("encoder_only")
    command("evaluate", masked, "--beam", 2, "--rounds", 3).must_refuse("a beam size (2)")


def test_a_run_with_a_search_of_another_kind_is_refused(command, fit):
    run = fit("encoder_only")
    with pytest.raises(UserError, match="no effect on search=mask_predict"):
        Translator(run, beam=4)
    stored = yaml.safe_load((run / "config.yaml").read_text())
    stored["search"] = config_files.search_settings("beam")
    (run / "config.yaml").write_text(yaml.safe_dump(stored))
    command("translate", run, stdin="two cats\n").must_refuse("use search=mask_predict")
    command("evaluate", run).must_refuse("use search=mask_predict")


def test_another_search_of_a_trained_run(fit):
    run = fit("encoder_only")
    sizes = {"max_length": 20, "length_ratio": 2.0, "length_extra": 5}
    translator = Translator(run, search=MaskPredict(rounds=2, lengths=3, **sizes))
    [group] = translator.n_best(["two cats see trees"], 3)
    assert len({len(one.target_pieces) for one in group}) == len(group) > 1


def test_a_forced_target_has_its_pseudo_log_likelihood(fit):
    translator = Translator(fit("encoder_only"))
    pairs = [("two cats see trees", "zwei Katzen sehen Bäume"), ("five dogs", "fünf Hunde heute")]
    together = list(translator.force(pairs))
    for pair, forced in zip(pairs, together, strict=True):
        [alone] = translator.force([pair])
        assert forced.log_probability == pytest.approx(alone.log_probability, abs=1e-4)
        rows, columns = len(forced.target_pieces), len(forced.source_pieces)
        assert forced.attention.shape[2:] == (rows, columns)
        torch.testing.assert_close(forced.attention.sum(-1), torch.ones(1, 2, rows))


def test_a_resumed_training_draws_the_same_masks(fit):
    whole = fit("encoder_only", "train.max_steps=8", "train.schedule=constant", name="whole")
    fit("encoder_only", "train.max_steps=5", "train.schedule=constant", name="parts")
    parts = fit("encoder_only", "train.max_steps=8", "train.schedule=constant", name="parts")
    first, second = (read_weights(run / "model.safetensors") for run in (whole, parts))
    assert all(torch.equal(first[name], second[name]) for name in first)
