"""Calibration and the share of the source in a comparison: tables, curves, files, old runs."""

import csv
import json
from pathlib import Path

import pytest
from made_runs import BAD, GOOD, TEST, add_probabilities, edit_json, make_run, shown

from seq2seq.compare import compare
from seq2seq.compare.axes import curves_of
from seq2seq.compare.calibration import MIN_TOKENS, Bin, Calibrated, calibrations, pooled
from seq2seq.compare.report import tables, write
from seq2seq.compare.report.page import page
from seq2seq.errors import UserError
from seq2seq.runs.word_scores import FILE

pytestmark = pytest.mark.usefixtures("few_resamples")
LONG = [f"{line} " * 3 if n < 4 else line for n, line in enumerate(GOOD)]
SOURCES = [f"dog {n} runs over the meadow" + " ." * (12 * (n % 2)) for n in range(24)]


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Two seeds with scores, and an old run without."""
    made = [
        make_run(tmp_path / f"good-{seed}", LONG, sources=SOURCES, seed=seed) for seed in (1, 2)
    ]
    for run, share in zip(made, (0.5, 0.75), strict=True):
        add_probabilities(run, share=share)
    return [*made, make_run(tmp_path / "old", BAD, sources=SOURCES, model={"dim": 1})]


def test_the_share_is_shown_by_length_and_position(runs: list[Path]) -> None:
    found = {axis.key: axis for axis in compare(runs).tests[0].axes}
    by_length, by_position = (found[f"source_share_by_{key}"] for key in ("length", "position"))
    stored = json.loads((runs[0] / "scores.json").read_text("utf-8"))[TEST]["source_share"]
    other = json.loads((runs[1] / "scores.json").read_text("utf-8"))[TEST]["source_share"]
    assert list(by_length.points) == list(by_position.points) == ["good"]  # not the old run
    assert by_length.places == ["1\N{EN DASH}10", "11\N{EN DASH}20"]
    assert by_length.lines == [12, 12]
    for point, *own in zip(
        by_length.points["good"], stored["by_length"], other["by_length"], strict=True
    ):
        mean = sum(one["share"] for one in own) / 2
        assert point.value.mean == pytest.approx(mean)
        assert point.low <= mean <= point.high
    # Positions from 11 on are in four sentences only
    assert by_position.places == ["1\N{EN DASH}5", "6\N{EN DASH}10"]
    assert by_position.lines == [24, 24]
    shares = [point.value.mean for point in by_position.points["good"]]
    assert shares == pytest.approx([0.8 * 62.5, 62.5])
    assert curves_of(by_position)[0]["good"] == dict(zip(by_position.places, shares, strict=True))


def test_one_system_of_old_runs_has_no_axis(runs: list[Path]) -> None:
    keys = {axis.key for axis in compare(runs[2:]).tests[0].axes}
    assert keys == {"length"}
    comparison = compare(runs[2:])
    titles = {table.title for table in tables.optional(comparison, comparison.tests[0])}
    assert not titles & {"Calibration", "Share of the source"}


def test_tables_have_means_over_seeds_and_dashes_for_old_runs(runs: list[Path]) -> None:
    comparison = compare(runs)
    found = {table.title: table for table in tables.optional(comparison, comparison.tests[0])}
    shares = found["Share of the source"]
    assert shares.head == ["system", "share %", "maybe invented %"]
    words = sum(len(line.split()) for line in LONG)
    shared = [100 * share * (words - 24) / words for share in (0.5, 0.75)]
    assert shares.rows[0][1].startswith(f"{sum(shared) / 2:.1f} ")
    assert shares.rows[0][2].startswith(f"{100 * 24 / words:.1f} ")
    assert shares.rows[1] == ["old", "-", "-"]
    calibration = found["Calibration"]
    assert calibration.rows[0][0] == "good" and calibration.rows[1] == ["old", *["-"] * 6]
    score = calibrations(comparison.runs[0], TEST)["output"].score
    place = calibration.head.index("ECE own")
    assert calibration.rows[0][place] == f"{score:.1f} \N{PLUS-MINUS SIGN} 0.0"
    text = shown(comparison)
    assert all(len(line.rstrip()) <= 80 for line in text.splitlines())


def test_every_form_has_them(runs: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    written = {path.name for path in write.write(compare(runs), out)}
    for name in ("source_share_by_position", "reliability_reference", "reliability_output"):
        assert {f"{name}-{TEST}.png", f"{name}-{TEST}.svg"} <= written
    with (out / "tables" / "calibration.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["run"], row["tokens_of"]) for row in rows} == {
        (name, kind) for name in ("good-1", "good-2") for kind in ("reference", "output")
    }
    assert sum(float(row["tokens"]) for row in rows) == 800
    measures = (out / "tables" / "measures.csv").read_text("utf-8")
    assert "ECE own" in measures and "maybe invented %" in measures
    record = json.loads((out / "report.json").read_text("utf-8"))["tests"][TEST]
    assert set(record["calibration"]) == set(record["source_share"]) == {"good-1", "good-2"}
    text = (out / "report.md").read_text("utf-8")
    assert "### Calibration" in text and "reliability_output" in text


def test_the_page_has_the_words_and_reliability(runs: list[Path]) -> None:
    data = page(compare(runs))["tests"][0]
    curves = [curve for curve in data["curves"] if "ideal" in curve]
    assert len(curves) == 2
    assert [series["name"] for series in curves[0]["series"]] == ["good"]
    assert curves[0]["series"][0]["y"] == pytest.approx([50] * 10, abs=5)
    assert set(data["probabilities"]) == {"good-1", "good-2"}
    words, probabilities, shares, invented = data["probabilities"]["good-2"][5]
    assert words == LONG[5].split()
    assert probabilities == [2, *[37] * (len(words) - 1)]
    assert shares == [0, *[75] * (len(words) - 1)]
    assert invented == [0]


def test_without_shares_there_are_probabilities(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", GOOD)
    add_probabilities(run, hidden=False)
    comparison = compare([run])
    assert "source_share_by_length" not in {axis.key for axis in comparison.tests[0].axes}
    (line, *_) = page(comparison)["tests"][0]["probabilities"]["run"]
    assert line[2:] == [None, []]


def test_probabilities_given_other_tokens_are_named(runs: list[Path]) -> None:
    edit_json(runs[0] / "scores.json", TEST, "calibration", "given", value="all other tokens")
    assert "good-1: p is given all other tokens" in " ".join(shown(compare(runs)).split())


def test_other_bins_are_not_compared(runs: list[Path]) -> None:
    edit_json(runs[1] / "scores.json", TEST, "calibration", "signature", value="ece|bins:20")
    with pytest.raises(UserError, match=r"calibration on .* was computed with different settings"):
        compare(runs)


def test_scores_of_older_translations_are_refused(runs: list[Path]) -> None:
    file = runs[0] / "hyps" / TEST / FILE
    file.write_text(file.read_text("utf-8").replace('"words"', '"word"', 3), "utf-8")
    with pytest.raises(UserError, match="line 2, cannot be read as scores of words"):
        compare(runs)


def test_bins_are_pooled_by_their_tokens_and_small_ones_left_out() -> None:
    few = MIN_TOKENS / 2 - 1
    runs = [
        Calibrated(0.0, 0.0, 0.0, tokens, [Bin(0.1, tokens, 5.0, right), Bin(0.2, few, 15.0, 50.0)])
        for tokens, right in ((10.0, 0.0), (30.0, 100.0))
    ]
    assert pooled(runs) == {"0\N{EN DASH}10": 75.0}
