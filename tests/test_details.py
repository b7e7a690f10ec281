"""Tables and curves beyond one number: what is in the scores is shown, what is not is a dash."""

from pathlib import Path
from typing import Any

import pytest

from seq2seq import details, plot
from seq2seq.compare import Comparison, Run, TestSet
from seq2seq.run import RunFolder


def buckets(*bleus: float, lines: int = 50) -> list[dict[str, Any]]:
    return [
        {
            "from": 10 * i + 1,
            "to": 10 * i + 10,
            "lines": lines,
            "bleu": float(bleu),
            "exact_match": 0.0,
        }
        for i, bleu in enumerate(bleus)
    ]


def agreement(*rights: int) -> dict[str, Any]:
    """Of 40 pairs at each distance, so many right."""
    entries = [
        {"distance": i, "right": right, "wrong": 39 - right, "missing": 1}
        for i, right in enumerate(rights)
    ]
    return {"score": 50.0, "by_distance": entries}


def comparison(**scores: dict[str, Any]) -> tuple[Comparison, TestSet]:
    test = TestSet("test", [], [])
    runs = [
        Run(name, RunFolder(Path(name), {}, {}), {"test": stored})
        for name, stored in scores.items()
    ]
    return Comparison(runs, "en", "fr", [test], set(), []), test


def test_a_table_has_a_row_for_every_run_and_a_dash_for_what_is_not_known() -> None:
    known = {
        "exact_match": {"score": 62.71},
        "agreement": agreement(30),
        "alignment": {"aer": 0.0976},
    }
    tables = list(details.tables(*comparison(rnn={"exact_match": {"score": 3}}, new=known)))
    assert [table.head for table in tables] == [["run", "exact match %", "agreement %", "AER"]]
    assert tables[0].rows == [["rnn", "3.0", "-", "-"], ["new", "62.7", "50.0", "0.098"]]


def test_scores_of_an_older_version_have_no_further_tables() -> None:
    assert list(details.tables(*comparison(old={"bleu": {"score": 1}}))) == []


def test_bleu_by_length_names_every_bucket_and_its_lines() -> None:
    tables = list(
        details.tables(
            *comparison(a={"by_length": buckets(90, 80.04, lines=7)}, b={"by_length": buckets(50)})
        )
    )
    assert tables[0].head == ["run", "1\N{EN DASH}10", "11\N{EN DASH}20"]
    assert tables[0].rows == [["a", "90.0 (7)", "80.0 (7)"], ["b", "50.0 (50)", "-"]]


def test_distances_of_two_and_more_are_taken_together_by_fives() -> None:
    points = details.distances({"agreement": agreement(40, 20, *[10] * 4, *[0] * 5)})
    assert [point.place for point in points] == ["0", "1", "2\N{EN DASH}5", "6\N{EN DASH}10"]
    assert [point.lines for point in points] == [40, 40, 160, 200]
    assert [point.value for point in points] == pytest.approx([100, 50, 25, 0])


def test_curves_leave_out_buckets_of_few_lines(tmp_path: Path, monkeypatch) -> None:
    drawn = {}
    monkeypatch.setattr(plot, "curves", lambda curves, path, **_: drawn.update({path: curves}))
    of = buckets(90, 80, lines=details.FEWEST) + buckets(1, 2, 3, lines=details.FEWEST - 1)[2:]
    found, _ = comparison(a={"by_length": of}, b={"by_length": of})
    assert details.figures(found, tmp_path) == [tmp_path / "length-test.png"]
    curve = {"1\N{EN DASH}10": 90, "11\N{EN DASH}20": 80}
    assert drawn == {tmp_path / "length-test.png": {"a": curve, "b": curve}}


def test_one_point_is_no_curve(tmp_path: Path) -> None:
    found, _ = comparison(a={"by_length": buckets(90)})
    assert details.figures(found, tmp_path) == []


@pytest.mark.parametrize("ending", plot.FORMATS)
def test_curves_are_drawn_in_every_format(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"curves{ending}"
    plot.curves({"a $x$": {"1": 3.0, "2": 4.0}, "b": {"2": 90.0}}, path, x="words", y="BLEU")
    assert path.stat().st_size > 1000
