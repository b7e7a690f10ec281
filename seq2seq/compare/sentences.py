"""The sentences on which one system beats another most, by sentence chrF."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seq2seq.compare.quality import Measured
from seq2seq.compare.systems import System

MOST = 5  # shown of a pair of systems, each way


class Beaten(NamedTuple):
    """A sentence, its line counted from 1, and how both systems fare on it over their seeds."""

    line: int
    better: float
    worse: float


def by_sentence(measured: Measured) -> dict[str, Float[ndarray, " lines"]]:
    """chrF of every sentence of every run, from 0 to 100."""
    return {
        name: np.asarray(found["chrf"].formula(found["chrf"].sentences), np.float64)
        for name, found in measured.items()
    }


def beaten(
    better: System, worse: System, scores: Mapping[str, Float[ndarray, " lines"]]
) -> list[Beaten]:
    """The sentences on which one system is ahead of another most.

    Args:
        better: the system that is ahead.
        worse: the other.
        scores: of every sentence of every run.
    """
    ours, theirs = (np.mean([scores[run.name] for run in s.runs], axis=0) for s in (better, worse))
    order = np.argsort(theirs - ours, kind="stable")[:MOST]
    rows = [int(row) for row in order if ours[row] > theirs[row]]
    return [Beaten(row + 1, float(ours[row]), float(theirs[row])) for row in rows]


def shown_pairs(systems: Sequence[System]) -> list[tuple[System, System]]:
    """The pairs to look into: all of three systems; of more, the first with each other one."""
    if len(systems) <= 3:
        return [(a, b) for i, a in enumerate(systems) for b in systems[i + 1 :]]
    return [(systems[0], other) for other in systems[1:]]
