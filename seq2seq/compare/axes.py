"""Scores of systems along an axis, such as source length.

The axes are: the length of the source sentence, the training-text frequency of its rarest word, the
distance between a subject and the verb that agrees with it, and that between a pronoun and its
antecedent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy import ndarray

from seq2seq.compare.quality import Measured, as_one
from seq2seq.compare.significance import Resampling, interval_ends
from seq2seq.compare.systems import Spread, System
from seq2seq.errors import UserError
from seq2seq.scoring.breakdown import (
    agreement_of,
    distance_label,
    length_bucket,
    length_label,
)
from seq2seq.scoring.formulas import percent
from seq2seq.scoring.metrics import Statistics
from seq2seq.text.agreement import Agreement, read_agreements
from seq2seq.text.pronoun import read_pronouns
from seq2seq.text.word_counts import rarest

Curve = dict[str, float]  # bin -> value
Band = dict[str, tuple[float, float]]  # bin -> interval

MIN_SENTENCES = 20  # bins with fewer sentences are left out of curves
FREQUENCY_BINS = {  # lowest training-text count of each bin -> name of the bin
    0: "0",
    1: "1",
    2: "2\N{EN DASH}9",
    10: "10\N{EN DASH}99",
    100: "100\N{EN DASH}999",
    1000: "1,000 or more",
}
# Key, title, x label, y label and note of the axes of distances
AGREEMENTS = (
    "agreement",
    "Agreement by distance",
    "words between subject and verb",
    "verbs that agree, %",
)
PRONOUNS = (
    "pronoun",
    "Pronouns by distance",
    "words between antecedent and pronoun",
    "right pronouns, %",
)
TWO_NOUNS = (
    'In each sentence "it" could refer to two nouns, one of each gender: its antecedent is the '
    "subject of the first clause if it is a subject, and the object if it is an object. Always "
    "choosing the nearer one, the first one or one gender gives 50 %."
)


@dataclass(frozen=True)
class Point:
    """One system in one bin: mean and deviation over its seeds, and the 95 % interval."""

    value: Spread
    low: float
    high: float


@dataclass(frozen=True)
class Axis:
    """Scores along an axis.

    Attributes:
        key: short name, used in file names.
        title: title of its table.
        x: label of the x axis.
        y: label of the y axis.
        places: names of the bins, in order.
        lines: number of sentences in each bin.
        points: for each system, one point per bin.
        note: what a reader of its table needs to know; may be empty.
    """

    key: str
    title: str
    x: str
    y: str
    places: list[str]
    lines: list[int]
    points: dict[str, list[Point]]
    note: str = ""


def axes(
    systems: Sequence[System],
    measured: Measured,
    *,
    sources: Sequence[str],
    outputs: Mapping[str, Sequence[str]],
    counts: Mapping[str, int] | None,
    folder: Path | None,
) -> list[Axis]:
    """Score the systems along every axis on which the test set has more than one bin.

    Args:
        systems: the systems.
        measured: the sentence statistics of each run and metric.
        sources: the source sentences.
        outputs: the translations of each run.
        counts: frequency of each source word in the training text; None if unknown.
        folder: folder of the test set, which may hold a file of agreements or pronouns; None
            without a folder.
    """
    bleu = {name: statistics["bleu"] for name, statistics in measured.items()}
    lengths = [length_bucket(source) for source in sources]
    names = {n: length_label(n) for n in sorted(set(lengths))}
    labels = ("length", "BLEU by source length", "words in the source sentence", "BLEU")
    result = [axis(labels, names, lengths, systems, bleu)]
    if counts is not None:
        title = "BLEU by frequency of the rarest source word"
        rare = [max(n for n in FREQUENCY_BINS if n <= rarest(line, counts)) for line in sources]
        labels = ("rarity", title, "frequency of the rarest source word in training", "BLEU")
        result.append(axis(labels, FREQUENCY_BINS, rare, systems, bleu))
    agreements = folder and read_agreements(folder)
    pronouns = folder and read_pronouns(folder)
    forms = [known and known.agreement for known in pronouns] if pronouns else None
    for labels, known, note in ((AGREEMENTS, agreements, ""), (PRONOUNS, forms, TWO_NOUNS)):
        if known:
            check_lines(known, sources, labels[0], folder)
            distances = [-1 if one is None else one.distance for one in known]
            names = {distance: distance_label(distance) for distance in sorted({*distances} - {-1})}
            correct = {name: agreeing(lines, known) for name, lines in outputs.items()}
            found = axis(labels, names, distances, systems, correct)
            result.append(replace(found, note=note))
    return [one for one in result if len(one.places) > 1]


def check_lines(
    known: Sequence[object], sources: Sequence[str], what: str, folder: Path | None
) -> None:
    """Check that a file of gold forms has one line per sentence.

    Raises:
        UserError: it has not.
    """
    if len(known) != len(sources):
        raise UserError(f"{folder} has {len(sources)} sources and {len(known)} lines of {what}s")


def agreeing(lines: Sequence[str], agreements: Sequence[Agreement | None]) -> Statistics:
    """Count, for each sentence, whether its form is right."""
    correct = [
        known is not None and agreement_of(line, known) == "right"
        for line, known in zip(lines, agreements, strict=True)
    ]
    counts = np.stack([np.array(correct, np.float64), np.ones(len(correct))], axis=1)
    return Statistics(counts, percent, "agreement")


def axis(
    labels: tuple[str, str, str, str],
    names: Mapping[int, str],
    at: Sequence[int],
    systems: Sequence[System],
    measured: Mapping[str, Statistics],
) -> Axis:
    """Score all systems in each bin.

    Args:
        labels: key, title, x label and y label.
        names: bin number -> name, in order; bins with the same name are merged.
        at: bin number of each sentence; sentences with other numbers are left out.
        systems: the systems.
        measured: the statistics of each run.
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
            low, high = interval_ends(draws.resampled(as_one(seeds)))
            values = Spread.of([seed.score for seed in seeds])
            points[system.name].append(Point(values, low, high))
    return Axis(*labels, list(places), [len(rows) for rows in places.values()], points)


def at_rows(system: Statistics, rows: ndarray) -> Statistics:
    """Return the statistics of the given sentences only."""
    return system._replace(sentences=system.sentences[rows])


def curves_of(axis: Axis) -> tuple[dict[str, Curve], dict[str, Band]]:
    """Return values and intervals by system and bin, without bins of too few sentences."""
    enough = [lines >= MIN_SENTENCES for lines in axis.lines]
    curves: dict[str, Curve] = {}
    bands: dict[str, Band] = {}
    for name, points in axis.points.items():
        kept = [
            (place, point)
            for place, point, keep in zip(axis.places, points, enough, strict=True)
            if keep
        ]
        curves[name] = {place: point.value.mean for place, point in kept}
        bands[name] = {place: (point.low, point.high) for place, point in kept}
    return curves, bands
