"""Stored scores along an axis: BLEU by length, agreement by distance."""

from typing import Any, NamedTuple

GROUP = 5  # number of distances per point, above 1


class Point(NamedTuple):
    """A value at a position of the axis, and the number of lines or verbs it is measured on."""

    place: str
    value: float
    lines: int


def lengths(scores: dict[str, Any]) -> list[Point]:
    """Return BLEU by source length."""
    return [
        Point(f"{bucket['from']}\N{EN DASH}{bucket['to']}", bucket["bleu"], bucket["lines"])
        for bucket in scores.get("by_length", [])
    ]


def distances(scores: dict[str, Any]) -> list[Point]:
    """Return agreement in percent at distances of 0, 1, 2-5, 6-10 and so on."""
    spans: dict[str, list[int]] = {}
    for entry in scores.get("agreement", {}).get("by_distance", []):
        counts = spans.setdefault(span(entry["distance"]), [0, 0])
        counts[0] += entry["right"]
        counts[1] += entry["right"] + entry["wrong"] + entry["missing"]
    return [Point(name, 100 * right / total, total) for name, (right, total) in spans.items()]


def span(distance: int) -> str:
    """Return the label of the group of a distance, such as 6-10."""
    if distance < 2:
        return str(distance)
    last = -(-distance // GROUP) * GROUP
    return f"{max(2, last - GROUP + 1)}\N{EN DASH}{last}"
