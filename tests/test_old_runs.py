"""Run folders that version 0.1.0 wrote are still read (tests/data/runs-0.1.0 says how they began).

Every test works on a copy. The folders store class paths of the package as it was laid out then,
so these tests also show that moving a class breaks no run.
"""

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from seq2seq.layers.cache import nbytes
from seq2seq.settings.config_files import model_settings
from seq2seq.settings.plugins import upgrade
from seq2seq.text.batching import pad
from seq2seq.text.special_ids import SpecialIds
from seq2seq.training.former_defaults import written_out
from seq2seq.training.resume import differences
from seq2seq.translation.translator import Translator, run_search

SPECIAL = SpecialIds()
EOS, PAD = SPECIAL.eos, SPECIAL.pad

FIXTURES = Path(__file__).parent / "data" / "runs-0.1.0"
FINISHED = ("rnn", "bahdanau", "transformer")
ATTENTIVE = ("bahdanau", "transformer")
TESTS = ("examples", "test_agreement")
SENTENCE = "The little girl did not see him."
# The command that was interrupted, as in the README beside the runs.
INTERRUPTED = (
    "train name=interrupted data=files data.root=corpus data.source=en data.target=fr "
    "model=rnn model.dim=16 model.embedding=8 model.readout_dim=16 model.dropout=0.1 "
    "tokenizer.vocab_size=120 tokenizer.normalization=identity train.max_epochs=null "
    "train.max_steps=160 train.validate_every=40 train.log_every=10 train.batch_tokens=200 "
    "train.learning_rate=3e-2 train.warmup_steps=20 trainer.accelerator=cpu trainer.threads=1"
)


@pytest.fixture
def runs(tmp_path):
    """Copies of all runs, where a command started in the test's folder finds them."""
    shutil.copytree(FIXTURES, tmp_path / "runs", ignore=shutil.ignore_patterns("corpus", "*.md"))
    shutil.copytree(FIXTURES / "corpus", tmp_path / "corpus")
    return tmp_path / "runs"


def read(path):
    return path.read_text("utf-8")


def numbers(tree, path=""):
    """The measured numbers of stored scores, by their place; speed and machine are left out."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key not in ("seconds", "sentences_per_second", "config", "machine", "versions"):
                yield from numbers(value, f"{path}.{key}")
    elif isinstance(tree, list):
        for number, value in enumerate(tree):
            yield from numbers(value, f"{path}.{number}")
    elif isinstance(tree, float):
        yield path, tree


def test_the_fixtures_are_complete():
    """No ignore file keeps part of them out of a checkout or a source distribution."""
    for name in FINISHED:
        for part in ("config.yaml", "run.json", "tokenizer.model", "model.safetensors"):
            assert (FIXTURES / name / part).is_file()
        for test in TESTS:
            assert (FIXTURES / name / "hyps" / test / "hypothesis.txt").is_file()
    assert len(list((FIXTURES / "interrupted" / "state").iterdir())) == 2
    assert sum(path.stat().st_size for path in FIXTURES.rglob("*")) < 1_000_000


@pytest.mark.parametrize("name", FINISHED)
def test_an_old_run_translates_to_the_same_text(runs, command, name):
    for test in TESTS:
        stored = FIXTURES / name / "hyps" / test
        source = (stored / "source.txt").read_bytes()
        answer = command("translate", runs / name, "--beam", 5, stdin=source)
        assert answer.status == 0, answer
        assert answer.out == read(stored / "hypothesis.txt")
        assert answer.out.strip()


@pytest.mark.parametrize("name", FINISHED)
def test_an_old_run_is_evaluated_to_the_same_scores(runs, command, name):
    old = json.loads(read(runs / name / "scores.json"))
    answer = command("evaluate", runs / name, *(word for t in TESTS for word in ("--test", t)))
    assert answer.status == 0, answer
    new = json.loads(read(runs / name / "scores.json"))
    assert list(new) == list(old) == list(TESTS)
    for test in TESTS:
        found = dict(numbers(new[test]))
        expected = dict(numbers(old[test]))
        assert expected.keys() <= found.keys()  # keys may be added, never lost
        assert {key: found[key] for key in expected} == pytest.approx(expected, rel=1e-4)
        assert (
            new[test]["bleu"]["signature"].split("|version")[0]
            == (old[test]["bleu"]["signature"].split("|version")[0])
        )


@pytest.mark.parametrize("name", ATTENTIVE)
def test_an_old_run_is_aligned(runs, command, name):
    drawn = ("--test", "examples", "--lines", "1", "--reference")
    for words in (("--source", SENTENCE), drawn):
        answer = command("align", runs / name, *words, "--out", "heatmap.png")
        assert answer.status == 0, answer
        assert (runs.parent / "heatmap.png").stat().st_size
    words = ("export-alignment", runs / name, "--test", "test_agreement", "--out", "links.align")
    answer = command(*words)
    assert answer.status == 0, answer
    assert len(read(runs.parent / "links.align").splitlines()) == 40


def test_an_old_alignment_is_scored_against_its_stored_gold(runs, process):
    """In a process of its own, which checks no types: much faster."""
    done = process("score-alignment", "runs/transformer", "--test", "examples", cwd=runs.parent)
    out, err = done.communicate()
    assert done.returncode == 0, err
    assert "AER" in out


def test_old_runs_are_compared(runs, command):
    """From what they store alone: scores, translations and attention."""
    answer = command("compare", *(runs / name for name in FINISHED), "--out", "comparison")
    assert answer.status == 0, answer
    report = json.loads(read(runs.parent / "comparison" / "report.json"))
    assert set(report["tests"]) == set(TESTS)
    page = read(runs.parent / "comparison" / "report.html")
    assert all(name in page for name in FINISHED)


def test_an_old_interrupted_run_goes_on_by_the_same_command(runs, command):
    before = read(runs / "interrupted" / "log.jsonl")
    answer = command(*INTERRUPTED.split())
    assert answer.status == 0, answer
    info = json.loads(read(runs / "interrupted" / "run.json"))
    assert (info["status"], info["steps"]) == ("finished", 160)
    log = read(runs / "interrupted" / "log.jsonl")
    assert log.startswith(before)  # it went on and did not begin again
    answer = command("evaluate", runs / "interrupted")
    assert answer.status == 0, answer
    assert not list(runs.glob("interrupted?*"))  # nothing was moved aside


def test_a_change_to_an_old_interrupted_run_is_refused(runs, command):
    command(*INTERRUPTED.split(), "model.dim=24").must_refuse("model.dim", "16", "24")


@pytest.mark.parametrize(
    ("name", "ending", "fields"),
    [
        ("tsv", ".tsv", {}),
        ("jsonl", ".jsonl", {f"{x}_field": f"translation.{x}" for x in ("source", "target")}),
    ],
)
def test_names_that_are_left_out_now_are_those_of_old_runs(name, ending, fields):
    """Version 0.1.0 stored the default names of files and fields, which null stands for now."""
    sides = {"name": name, "source": "source", "target": "target"}
    names = {"train": f"train{ending}", "validation": f"validation{ending}"}
    names |= {"tests": [f"test{ending}"], **fields}
    given = {"data": sides | dict.fromkeys(names)}
    stored = {"data": sides | names}
    assert differences(written_out(stored), written_out(given)) == {}
    given["data"]["train"] = "other"
    assert list(differences(written_out(stored), written_out(given))) == ["data.train"]


def test_a_model_key_that_an_old_run_lacks_has_its_old_value(runs):
    """Neither the key as it is now nor another cache is a change; another architecture is one."""
    stored = upgrade(yaml.safe_load(read(runs / "transformer" / "config.yaml")))
    assert "positions" not in stored["model"]
    former = {"activation_dropout": None, "attention_init": "xavier"}  # `with_former_defaults`
    now = model_settings("transformer") | former | stored["model"]

    def changes(**model):
        return list(differences(written_out(stored), written_out(stored | {"model": now | model})))

    assert changes() == changes(cross_attention_cache="source") == []
    assert changes(positions="rope") == ["model.positions"]


def test_the_cache_of_the_source_changes_no_number_of_an_old_run(runs):
    """The weights of a trained run, with keys and values of each layer cached and without."""
    translator = Translator(runs / "transformer", device="cpu")
    model, tokenizers = translator.model, translator.tokenizers
    lines = read(FIXTURES / "transformer" / "hyps" / "examples" / "source.txt").splitlines()[:8]
    src = pad([[*row, EOS] for row in tokenizers.source.encode(lines)], SPECIAL)
    search = run_search(translator.run)
    found, sizes, steps = [], [], []
    for kind in ("keys", "source"):
        model.cross_attention_cache = kind
        memory = model.encode(src, src != PAD)
        state, logits = model.start(memory), []
        for token in torch.randint(
            4, 100, (6, len(lines)), generator=torch.Generator().manual_seed(1)
        ):
            step = model.step(token, memory, state)
            state = step.state
            logits.append(step.logits)
        steps.append(torch.stack(logits))
        sizes.append(nbytes(memory.source))
        found.append(search(model, src, src != PAD, attention=True))
    torch.testing.assert_close(*steps, atol=1e-4, rtol=1e-4)
    layers = len(model.decoder)
    assert sizes == [2 * layers * src.numel() * model.dim * 4, src.numel() * model.dim * 4]
    for keys, source in zip(*found, strict=True):
        assert [one.tokens for one in keys] == [one.tokens for one in source]
        assert [one.score for one in keys] == pytest.approx([one.score for one in source], abs=1e-4)
        torch.testing.assert_close(keys[0].attention, source[0].attention, atol=1e-4, rtol=1e-3)
