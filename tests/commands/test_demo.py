"""A small demo: its report has all figures and scores."""

import json
import re
from pathlib import Path

import pytest

from seq2seq.commands.demo import DEMO_MODELS, change
from seq2seq.compare import axes, significance
from seq2seq.corpora import controlled

QUICK = (
    *("data.pairs=60", "data.max_distance=3", "tokenizer.vocab_size=180", "train.max_steps=2"),
    *("model.dim=16", "train.validate_every=2", "search.max_length=20", "trainer.accelerator=cpu"),
)


@pytest.mark.parametrize(
    "given",
    ["model=rnn", "data=tsv", "name=x", "runs_dir=x", "seed=3", "++fresh=true", "experiment=speed"],
)
def test_what_the_demo_sets_itself_is_refused(command, given) -> None:
    key = given.strip("+").partition("=")[0]
    command("demo", given).must_refuse(given, f"demo does not take {key}: ")
    assert not Path("runs").exists()


def test_every_configuration_is_checked_before_the_first_model_is_trained(command) -> None:
    command("demo", "model.heads=2").must_refuse("model.heads")
    command("demo", "model.readout_dim=3").must_refuse("model.readout_dim")
    command("demo", "train.max_steps=0").must_refuse("train.max_steps")
    assert not Path("runs").exists()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controlled, "HELD_OUT", 8)
    monkeypatch.setattr(controlled, "EACH_LONG", 2)
    monkeypatch.setattr(controlled, "EACH_DISTANCE", 2)
    monkeypatch.setattr(axes, "MIN_SENTENCES", 1)
    monkeypatch.setattr(significance, "RESAMPLES", 20)
    monkeypatch.setattr(significance, "TRIALS", 20)


def test_the_report_has_all_figures_and_scores(small, command) -> None:
    told = command("demo", "--out", "shown", *QUICK)
    assert told.status == 0, told
    page = Path("shown/report.md").read_text("utf-8")
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", page)
    assert len(pictures) == len(set(pictures)) == 2 + 3
    for name in [*pictures, "comparison/report.md", "comparison/report.html"]:
        assert (Path("shown") / name).is_file(), name
    for name in DEMO_MODELS:
        stored = json.loads(Path(f"shown/{name}/scores.json").read_text("utf-8"))
        assert f"| {name} |" in page
        assert f"{stored['test']['bleu']['score']:.1f}" in page
        assert ("alignment" in stored["test"]) == (name != "rnn")
    assert [f"{i} of 4: {name}" in told.err for i, name in enumerate(DEMO_MODELS, 1)] == [True] * 4
    for line in told.err.splitlines():  # the first model says nothing about the time of the others
        assert ("min left" in line) == any(f"{i} of 4: " in line for i in (3, 4)), line
    assert "wrote shown/report.md" in told.err


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        (90.0, 50.0, "falls from 90.0 to 50.0"),
        (50.0, 54.0, "rises from 50.0 to 54.0"),
        (90.0, 88.0, "hardly changes from 90.0 to 88.0"),
    ],
)
def test_a_change_of_bleu_is_described_in_words(first, last, said) -> None:
    assert change(first, last) == said


def test_a_demo_of_short_sentences_and_distances_has_a_report(small, command) -> None:
    words = ("data.max_words=9", "data.max_distance=0", *(w for w in QUICK if "distance" not in w))
    told = command("demo", "--out", "short", *words)
    assert told.status == 0, told
    page = Path("short/report.md").read_text("utf-8")
    assert "training sentences have at most 9 words" in page
    assert "agreement by distance" not in page and "directly before them." in page
