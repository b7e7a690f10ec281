"""What scores say beyond one number: by length, by distance, of whole sentences and alignments.

For every test set of a comparison: tables, and curves of those that run along an axis.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from seq2seq import plot
from seq2seq.compare import Comparison, Run, TestSet, section

FEWEST = 20  # lines of a bucket that are worth a point of a curve

SINGLE = {"exact_match": "exact match %", "agreement": "agreement %", "alignment": "AER"}


class Details(NamedTuple):
    """A table: its title, the heads of its columns, a row for each run."""

    title: str
    head: list[str]
    rows: list[list[str]]


def tables(comparison: Comparison, test: TestSet) -> Iterator[Details]:
    """All tables that the stored scores of a test set allow."""
    runs = comparison.runs
    stored = [run.scores[test.name] for run in runs]
    keys = [key for key in SINGLE if any(key in scores for scores in stored)]
    if keys:
        rows = [[run.name, *(single(run.scores[test.name], key) for key in keys)] for run in runs]
        yield Details("Whole sentences and words", ["run", *(SINGLE[key] for key in keys)], rows)
    for title, read in (
        ("BLEU by length of the source in words (number of lines)", lengths),
        ("Agreement in % by distance in words (number of sentences)", distances),
    ):
        points = {run.name: read(run.scores[test.name]) for run in runs}
        places = list(dict.fromkeys(point.place for of in points.values() for point in of))
        if len(places) > 1:
            rows = []
            for name, of in points.items():
                values = {point.place: f"{point.value:.1f} ({point.lines})" for point in of}
                rows.append([name, *(values.get(place, "-") for place in places)])
            yield Details(title, ["run", *places], rows)


def single(scores: dict[str, Any], key: str) -> str:
    """One number of a test set; "-" where there is none."""
    value = section(scores, key).get("aer" if key == "alignment" else "score")
    if not isinstance(value, int | float):
        return "-"
    return f"{value:.3f}" if key == "alignment" else f"{value:.1f}"


class Point(NamedTuple):
    """A value at a place of an axis, and how many lines it was measured on."""

    place: str
    value: float
    lines: int


def lengths(scores: dict[str, Any]) -> list[Point]:
    """BLEU of every bucket of source lengths."""
    return [
        Point(f"{bucket['from']}\N{EN DASH}{bucket['to']}", bucket["bleu"], bucket["lines"])
        for bucket in scores.get("by_length", [])
    ]


def distances(scores: dict[str, Any]) -> list[Point]:
    """Agreement at distances of 0 and 1, then five at a time."""
    spans: dict[str, list[int]] = {}
    for entry in section(scores, "agreement").get("by_distance", []):
        distance = entry["distance"]
        last = -(-distance // 5) * 5
        name = str(distance) if distance < 2 else f"{max(2, last - 4)}\N{EN DASH}{last}"
        counts = spans.setdefault(name, [0, 0])
        counts[0] += entry["right"]
        counts[1] += entry["right"] + entry["wrong"] + entry["missing"]
    return [Point(name, 100 * right / total, total) for name, (right, total) in spans.items()]


def figures(comparison: Comparison, out: Path) -> list[Path]:
    """Draw BLEU by length, as figure 2 of Bahdanau et al. 2014, and agreement by distance."""
    drawn = []
    for test in comparison.tests:
        for kind, read, x, y in (
            ("length", lengths, "words of the source sentence", "BLEU"),
            ("agreement", distances, "words between subject and verb", "verbs that agree, %"),
        ):
            curves = {run.name: of_run(run, test, read) for run in comparison.runs}
            if all(len(curve) > 1 for curve in curves.values()):
                path = out / f"{kind}-{test.name}.png"
                plot.curves(curves, path, x=x, y=y)
                drawn.append(path)
    return drawn


def of_run(
    run: Run, test: TestSet, read: Callable[[dict[str, Any]], list[Point]]
) -> dict[str, float]:
    """The points of one run's curve, those of too few lines left out."""
    points = read(run.scores[test.name])
    return {point.place: point.value for point in points if point.lines >= FEWEST}
