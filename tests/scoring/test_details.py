"""Stored scores along an axis: what is in them is a point, what is not is none."""

from pathlib import Path
from typing import Any

import pytest

from seq2seq.plots import curves, figure
from seq2seq.scoring import details


def agreement(*rights: int) -> dict[str, Any]:
    """Of 40 pairs at each distance, so many right."""
    entries = [
        {"distance": i, "right": right, "wrong": 39 - right, "missing": 1}
        for i, right in enumerate(rights)
    ]
    return {"score": 50.0, "by_distance": entries}


def test_scores_of_an_older_version_have_no_points() -> None:
    assert details.lengths({"bleu": {"score": 1}}) == details.distances({}) == []


def test_bleu_by_length_names_every_bucket_and_its_lines() -> None:
    bucket = {"from": 11, "to": 20, "lines": 7, "bleu": 80.04, "exact_match": 0.0}
    assert details.lengths({"by_length": [bucket]}) == [("11\N{EN DASH}20", 80.04, 7)]


def test_distances_of_two_and_more_are_taken_together_by_fives() -> None:
    points = details.distances({"agreement": agreement(40, 20, *[10] * 4, *[0] * 5)})
    assert [point.place for point in points] == ["0", "1", "2\N{EN DASH}5", "6\N{EN DASH}10"]
    assert [point.lines for point in points] == [40, 40, 160, 200]
    assert [point.value for point in points] == pytest.approx([100, 50, 25, 0])


@pytest.mark.parametrize("ending", figure.FORMATS)
def test_curves_are_drawn_in_every_format(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"curves{ending}"
    series = {"a $x$": {"1": 3.0, "2": 4.0}, "b": {"2": 90.0}}
    curves.curves(series, path, x="words", y="BLEU", bands={"b": {"2": (80.0, 95.0)}})
    assert path.stat().st_size > 1000
    lines = [("a", [0.5, 1.0], [3.0, 4.0]), ("a", [0.6], [3.5]), ("<b>", [], [])]
    curves.validation_curves(lines, path, x="minutes", y="BLEU")
    assert path.stat().st_size > 1000
