"""The curves of a comparison as pictures, PNG for looking and SVG for papers."""

from pathlib import Path

from seq2seq import plot
from seq2seq.compare.axes import FEWEST, Axis
from seq2seq.compare.comparison import Comparison

ENDINGS = (".png", ".svg")


def draw(comparison: Comparison, out: Path) -> list[Path]:
    """Draw every axis that has a curve, and the course of the trainings; return the paths."""
    drawn = []
    for test in comparison.tests:
        for axis in test.axes:
            curves, bands = curves_of(axis)
            if not all(len(curve) > 1 for curve in curves.values()):
                continue
            for ending in ENDINGS:
                path = out / f"{axis.key}-{test.name}{ending}"
                top = 100 if axis.y == "%" else None
                plot.curves(curves, path, x=axis.x, y=axis.y, top=top, bands=bands)
                drawn.append(path)
    if comparison.courses:
        lines = [(one.system, one.minutes, one.bleu) for one in comparison.courses]
        for ending in ENDINGS:
            path = out / f"training{ending}"
            plot.courses(lines, path, x="minutes of training", y="BLEU of the validation")
            drawn.append(path)
    return drawn


Curve = dict[str, float]
Band = dict[str, tuple[float, float]]


def curves_of(axis: Axis) -> tuple[dict[str, Curve], dict[str, Band]]:
    """Values and intervals by place and system, those of too few sentences left out."""
    worth = [lines >= FEWEST for lines in axis.lines]
    curves: dict[str, Curve] = {}
    bands: dict[str, Band] = {}
    for name, points in axis.points.items():
        kept = [
            (place, point)
            for place, point, enough in zip(axis.places, points, worth, strict=True)
            if enough
        ]
        curves[name] = {place: point.value.mean for place, point in kept}
        bands[name] = {place: (point.low, point.high) for place, point in kept}
    return curves, bands
