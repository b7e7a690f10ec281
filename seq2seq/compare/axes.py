"""Where systems differ: their scores along an axis of the sentences.

By length of the source, by how rare its rarest word is in the training text, by the distance over
which a word agrees with another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seq2seq.compare.quality import Measured, as_one
from seq2seq.compare.significance import Resampling, ends
from seq2seq.compare.systems import Spread, System
from seq2seq.errors import UserError
from seq2seq.scoring.breakdown import BUCKET, agreement_of
from seq2seq.scoring.details import span
from seq2seq.scoring.metrics import Statistics
from seq2seq.text.agreement import Agreement, read_agreements
from seq2seq.text.word_counts import rarest

Curve = dict[str, float]  # a value at each place
Band = dict[str, tuple[float, float]]  # an interval at each place

FEWEST = 20  # sentences of a place that are worth a point of a curve
RARE = {  # counts in the training text from which a place of the axis begins
    0: "0",
    1: "1",
    2: "2\N{EN DASH}9",
    10: "10\N{EN DASH}99",
    100: "100\N{EN DASH}999",
    1000: "1,000 or more",
}


@dataclass(frozen=True)
class Point:
    """One system at one place: over its seeds, and its 95 % interval as one."""

    value: Spread
    low: float
    high: float


@dataclass(frozen=True)
class Axis:
    """Scores along an axis.

    Attributes:
        key: short, for file names.
        title: of its table.
        x: what the places are.
        y: what the values are.
        places: in order.
        lines: how many sentences there are at each.
        points: of each system, at each place.
    """

    key: str
    title: str
    x: str
    y: str
    places: list[str]
    lines: list[int]
    points: dict[str, list[Point]]


def axes(
    systems: Sequence[System],
    measured: Measured,
    *,
    sources: Sequence[str],
    outputs: Mapping[str, Sequence[str]],
    counts: Mapping[str, int] | None,
    folder: Path | None,
) -> list[Axis]:
    """All axes that the test set and the runs allow, if it has more than one place on them.

    Args:
        systems: the systems.
        measured: what metrics counted.
        sources: the source sentences.
        outputs: the translations of every run.
        counts: how often source words are in the training text; None if unknown.
        folder: of the test set, where the agreements are if there are any; None if there is none.
    """
    bleu = {name: found["bleu"] for name, found in measured.items()}
    lengths = [max(0, len(source.split()) - 1) // BUCKET for source in sources]
    names = {n: f"{n * BUCKET + 1}\N{EN DASH}{(n + 1) * BUCKET}" for n in sorted(set(lengths))}
    words = ("length", "BLEU by length of the source", "words of the source sentence", "BLEU")
    found = [axis(words, names, lengths, systems, bleu)]
    if counts is not None:
        title = "BLEU by the rarest word of the source"
        rare = [max(n for n in RARE if n <= rarest(line, counts)) for line in sources]
        words = ("rarity", title, "times the rarest source word was trained on", "BLEU")
        found.append(axis(words, RARE, rare, systems, bleu))
    if agreements := folder and read_agreements(folder):
        if len(agreements) != len(sources):
            raise UserError(
                f"{folder} has {len(sources)} sources and {len(agreements)} lines of agreements"
            )
        distances = [-1 if known is None else known.distance for known in agreements]
        names = {distance: span(distance) for distance in sorted({*distances} - {-1})}
        title, x = "Agreement by distance", "words between subject and verb"
        words = ("agreement", title, x, "verbs that agree, %")
        right = {name: agreeing(lines, agreements) for name, lines in outputs.items()}
        found.append(axis(words, names, distances, systems, right))
    return [one for one in found if len(one.places) > 1]


def agreeing(lines: Sequence[str], agreements: Sequence[Agreement | None]) -> Statistics:
    """Whether the word that should agree does, sentence by sentence."""
    right = [
        known is not None and agreement_of(line, known) == "right"
        for line, known in zip(lines, agreements, strict=True)
    ]
    counts = np.stack([np.array(right, np.float64), np.ones(len(right))], axis=1)
    return Statistics(counts, percent, "agreement")


def percent(sums: Float[ndarray, "*many 2"]) -> Float[ndarray, "*many"]:
    """How many of all, in percent."""
    return 100 * sums[..., 0] / sums[..., 1]


def axis(
    words: tuple[str, str, str, str],
    names: Mapping[int, str],
    at: Sequence[int],
    systems: Sequence[System],
    measured: Mapping[str, Statistics],
) -> Axis:
    """Score all systems at each place.

    Args:
        words: key, title, and what is along x and y.
        names: of the places in order; places of one name are one.
        at: the place of each sentence; what is none of them is left out.
        systems: the systems.
        measured: what is scored, of every run.
    """
    places = {
        name: np.flatnonzero([names.get(one) == name for one in at]) for name in names.values()
    }
    places = {name: rows for name, rows in places.items() if len(rows)}
    points: dict[str, list[Point]] = {system.name: [] for system in systems}
    for rows in places.values():
        draws = Resampling(len(rows))
        for system in systems:
            seeds = [at_rows(measured[run.name], rows) for run in system.runs]
            low, high = ends(draws.resampled(as_one(seeds)))
            values = Spread.of([seed.score for seed in seeds])
            points[system.name].append(Point(values, low, high))
    return Axis(*words, list(places), [len(rows) for rows in places.values()], points)


def at_rows(system: Statistics, rows: ndarray) -> Statistics:
    """The same for some of the sentences."""
    return system._replace(sentences=system.sentences[rows])


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
