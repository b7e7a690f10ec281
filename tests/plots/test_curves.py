"""Curves over an axis, as figures."""

from pathlib import Path
from typing import Any

import pytest

from seq2seq.plots import curves, figure


@pytest.mark.parametrize("ending", figure.FORMATS)
def test_curves_are_drawn_in_every_format(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"curves{ending}"
    series = {"a $x$": {"1": 3.0, "2": 4.0}, "b": {"2": 90.0}}
    curves.curves(series, path, x="words", y="BLEU", bands={"b": {"2": (80.0, 95.0)}})
    assert path.stat().st_size > 1000
    lines = [("a", [0.5, 1.0], [3.0, 4.0]), ("a", [0.6], [3.5]), ("<b>", [], [])]
    curves.validation_curves(lines, path, x="minutes", y="BLEU")
    assert path.stat().st_size > 1000


def test_the_same_data_give_the_same_picture_and_other_data_another(tmp_path: Path) -> None:
    values = {"1": 3.0, "2": 4.0}

    def drawn(series: dict[str, dict[str, float]], **more: Any) -> bytes:
        path = tmp_path / "curves.png"
        curves.curves(series, path, x="words", y="BLEU", **more)
        return path.read_bytes()

    def drawn_over_time(*ys: float) -> bytes:
        path = tmp_path / "validation.png"
        curves.validation_curves([("a", [0.5, 1.0], ys)], path, x="minutes", y="BLEU")
        return path.read_bytes()

    first = drawn({"a": values})
    assert drawn({"a": values}) == first
    band = {"a": {"1": (1.0, 20.0), "2": (2.0, 30.0)}}
    others = [
        drawn({"a": {**values, "2": 40.0}}),
        drawn({"a": values, "b": {"2": 90.0}}),
        drawn({"b": values}),
        drawn({"a": values}, top=None),
        drawn({"a": values}, ideal={"1": 5.0, "2": 6.0}),
        drawn({"a": values}, bands=band),
        drawn({"a": values}, bands={"a": {**band["a"], "2": (2.0, 50.0)}}),
    ]
    assert len({first, *others}) == 1 + len(others)
    assert drawn_over_time(3.0, 4.0) == drawn_over_time(3.0, 4.0) != drawn_over_time(3.0, 4.5)
