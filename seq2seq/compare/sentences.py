"""Sentences on which one system is furthest ahead of another, by sentence chrF."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seq2seq.compare.quality import Measured
from seq2seq.compare.systems import System

MAX_SHOWN = 5  # sentences per pair of systems and direction


class SentencePair(NamedTuple):
    """A line number, counted from 1, and the chrF of both systems, means over seeds."""

    line: int
    better: float
    worse: float


def by_sentence(measured: Measured) -> dict[str, Float[ndarray, " lines"]]:
    """Return chrF of every sentence of every run, from 0 to 100."""
    return {
        name: np.asarray(metrics["chrf"].formula(metrics["chrf"].sentences), np.float64)
        for name, metrics in measured.items()
    }


def largest_differences(
    better: System, worse: System, scores: Mapping[str, Float[ndarray, " lines"]]
) -> list[SentencePair]:
    """Return the sentences on which `better` is furthest ahead of `worse`.

    Args:
        better: the system whose advantage is measured.
        worse: the system that it is compared with.
        scores: chrF of every sentence of every run.
    """
    ours, theirs = (np.mean([scores[run.name] for run in s.runs], axis=0) for s in (better, worse))
    order = np.argsort(theirs - ours, kind="stable")[:MAX_SHOWN]
    rows = [int(row) for row in order if ours[row] > theirs[row]]
    return [SentencePair(row + 1, float(ours[row]), float(theirs[row])) for row in rows]


def shown_pairs(systems: Sequence[System]) -> list[tuple[System, System]]:
    """Return the pairs to show in detail: all of up to 3 systems, else the first with the rest."""
    if len(systems) <= 3:
        return [(a, b) for i, a in enumerate(systems) for b in systems[i + 1 :]]
    return [(systems[0], other) for other in systems[1:]]
