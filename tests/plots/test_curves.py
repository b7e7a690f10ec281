"""Curves over an axis, as figures."""

from pathlib import Path

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
