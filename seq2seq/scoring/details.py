"""What stored scores say along an axis: BLEU by length, agreement by distance."""

from typing import Any, NamedTuple

FIVES = 5  # distances beyond the first two are taken together by so many


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
    for entry in scores.get("agreement", {}).get("by_distance", []):
        counts = spans.setdefault(span(entry["distance"]), [0, 0])
        counts[0] += entry["right"]
        counts[1] += entry["right"] + entry["wrong"] + entry["missing"]
    return [Point(name, 100 * right / total, total) for name, (right, total) in spans.items()]


def span(distance: int) -> str:
    """The place of a distance."""
    if distance < 2:
        return str(distance)
    last = -(-distance // FIVES) * FIVES
    return f"{max(2, last - FIVES + 1)}\N{EN DASH}{last}"
