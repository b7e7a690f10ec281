"""Draw the curves of a comparison as PNG and SVG figures."""

from collections.abc import Mapping
from pathlib import Path

from seq2seq.compare.axes import Curve, curves_of
from seq2seq.compare.calibration import ideal
from seq2seq.compare.comparison import Comparison
from seq2seq.plots import curves
from seq2seq.scoring.calibration import KINDS

ENDINGS = (".png", ".svg")
PROBABILITY, RIGHT = "probability of the token, %", "right tokens, %"


def draw(comparison: Comparison, out: Path) -> list[Path]:
    """Draw learning curves, reliability, and every axis with two points or more; return paths."""
    drawn = []
    for test in comparison.tests:
        for axis in test.axes:
            points, bands = curves_of(axis)
            if not is_drawn(points):
                continue
            for ending in ENDINGS:
                path = out / f"{axis.key}-{test.name}{ending}"
                top = 100.0 if axis.y.endswith("%") else None
                curves.curves(points, path, x=axis.x, y=axis.y, top=top, bands=bands)
                drawn.append(path)
        for kind, of_systems in test.reliability.items():
            if not any(of_systems.values()):
                continue
            for ending in ENDINGS:
                path = out / f"reliability_{kind}-{test.name}{ending}"
                curves.curves(
                    of_systems, path, x=PROBABILITY, y=f"{RIGHT}, {KINDS[kind]}", ideal=ideal()
                )
                drawn.append(path)
    if comparison.validation_curves:
        lines = [(one.system, one.minutes, one.bleu) for one in comparison.validation_curves]
        for ending in ENDINGS:
            path = out / f"training{ending}"
            curves.validation_curves(lines, path, x="minutes of training", y="validation BLEU")
            drawn.append(path)
    return drawn


def is_drawn(points: Mapping[str, Curve]) -> bool:
    """Whether the curves of an axis are drawn: not if one has fewer than two points."""
    return all(len(curve) > 1 for curve in points.values())
