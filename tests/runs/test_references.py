"""Test sets with several references, which `evaluate --reference` stores in the run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sacrebleu
from untrained_runs import GERMAN, make_run, write_test_set

SECOND = ["ein Mann auf einem Pferd", "zwei Hunde laufen über das Gras", "eine Katze sitzt da"]
THIRD = ["der Mann reitet", "Hunde laufen", "die Katze sitzt"]


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    return [
        write_test_set(make_run(tmp_path / name, model))
        for name, model in (("one", "bahdanau"), ("two", "transformer"))
    ]


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    for name, lines in (("second", SECOND), ("third", THIRD)):
        (tmp_path / f"{name}.de").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return [f"test={tmp_path / name}.de" for name in ("second", "third")]


def scores_of(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "scores.json").read_text())["test"]
    return found


def test_all_references_are_scored_as_sacrebleu_does_and_stay_in_the_run(
    runs: list[Path], files: list[str], command: Callable[..., Any]
) -> None:
    run, *_ = runs
    options = [word for file in files for word in ("--reference", file)]
    for more in (options, []):  # the second time they are in the run
        answer = command("evaluate", run, *more)
        assert answer.status == 0, answer.err
        found = scores_of(run)
        lines = (run / "hyps" / "test" / "hypothesis.txt").read_text("utf-8").splitlines()
        sides = [GERMAN, SECOND, THIRD]
        assert found["bleu"]["score"] == pytest.approx(sacrebleu.corpus_bleu(lines, sides).score)
        assert found["chrf"]["score"] == pytest.approx(sacrebleu.corpus_chrf(lines, sides).score)
        assert found["ter"]["score"] == pytest.approx(
            sacrebleu.corpus_ter(lines, sides).score, abs=1e-6
        )
        for metric in ("bleu", "bleu_lowercase", "chrf", "ter"):
            assert "nrefs:3" in found[metric]["signature"]
    assert command("evaluate", run, *options[:2]).status == 0  # replaces both
    assert "nrefs:2" in scores_of(run)["bleu"]["signature"]
    assert not (run / "hyps" / "test" / "reference.3.txt").exists()


def test_runs_with_the_same_references_are_compared(
    runs: list[Path], files: list[str], command: Callable[..., Any], few_resamples: None
) -> None:
    second, third = files
    assert command("evaluate", runs[0], "--reference", second).status == 0
    assert command("evaluate", runs[1]).status == 0
    command("compare", *runs).must_refuse("'test'", "reference SHA-256")
    assert command("evaluate", runs[1], "--reference", second).status == 0
    hyps = Path("outside.txt")
    hyps.write_text("".join(f"{line}\n" for line in SECOND), "utf-8")
    for more, count in (([], 2), (["--reference", third], 3)):
        answer = command("compare", *runs, "--hyps", f"outside={hyps}", *more, "--out", f"c{count}")
        assert answer.status == 0, answer.err
        report = Path(f"c{count}/report.md").read_text("utf-8")
        assert f"use all {count} references of test" in report
        assert f"nrefs:{count}" in report
        assert f"nrefs:{5 - count}" not in report
    answer = command("push", runs[0], "me/one", "--license", "mit", "--dry-run", "card")
    assert answer.status == 0, answer.err
    assert "nrefs:2" in Path("card/README.md").read_text("utf-8")
    assert Path("card/hyps/test/reference.2.txt").is_file()


def test_changed_references_are_refused(
    runs: list[Path], files: list[str], command: Callable[..., Any]
) -> None:
    assert command("evaluate", runs[0], "--reference", files[0]).status == 0
    further = runs[0] / "hyps" / "test" / "reference.2.txt"
    text = further.read_text("utf-8")
    further.write_text(text.replace("Pferd", "Esel"), "utf-8")
    command("compare", runs[0]).must_refuse("reference.2.txt", "has changed")
    further.write_text(text.partition("\n")[0] + "\n", "utf-8")
    command("evaluate", runs[0]).must_refuse("reference.2.txt has 1 lines")
    further.unlink()
    command("compare", runs[0]).must_refuse("has changed")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("nowhere.de", "TEST=FILE"),
        ("test=nowhere.de", "no file 'nowhere.de'"),
        ("dev=second.de", "'dev'"),
        ("test=short.de", "1 lines"),
    ],
)
def test_references_that_do_not_fit_are_refused_before_translating(
    value: str, message: str, runs: list[Path], files: list[str], command: Callable[..., Any]
) -> None:
    Path("short.de").write_text("ein Mann\n", "utf-8")
    command("evaluate", runs[0], "--reference", value).must_refuse(message)
    assert not (runs[0] / "scores.json").exists()
    assert not list(runs[0].glob("hyps/*/reference.2.txt"))
