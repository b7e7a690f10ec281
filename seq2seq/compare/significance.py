"""Significance tests: paired bootstrap, paired approximate randomization, Holm correction.

Both tests are those of sacreBLEU (`--paired-bs` and `--paired-ar`), with the same random draws,
formulas and p-values, for all pairs of systems at once. A system is given by its sentence
statistics.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt, UInt8
from numpy import ndarray

from seq2seq.scoring.metrics import Statistics, bootstrap_generator, bootstrap_seed

RESAMPLES = 1000  # of the bootstrap
TRIALS = 10_000  # of approximate randomization

# Resamples or trials that are drawn and multiplied at once, which bounds the memory on large test
# sets. A multiple of 32: numpy draws 32 coins from one number, and a new number at each call.
ONCE = 128


class Interval(NamedTuple):
    """A score on the whole test set and its 95 % bootstrap interval, as in sacreBLEU."""

    score: float
    low: float
    high: float


class Resampling:
    """Random draws on one test set, the same for every system.

    Args:
        lines: number of lines of the test set.
    """

    def __init__(self, lines: int) -> None:
        self.lines = lines

    @cached_property
    def counts(self) -> UInt[ndarray, "resamples lines"]:
        """How often each sentence occurs in each bootstrap resample."""
        generator = bootstrap_generator()
        counts = np.empty((RESAMPLES, self.lines), np.uint16 if self.lines < 1 << 16 else np.uint32)
        for row in counts:
            draw = generator.choice(self.lines, size=self.lines, replace=True)
            row[:] = np.bincount(draw, minlength=self.lines)
        return counts

    @property
    def coins(self) -> Bool[ndarray, "trials lines"]:
        """For each trial and sentence, whether the systems keep their own translations."""
        return np.unpackbits(self._packed_coins, axis=1, count=self.lines).astype(bool)

    @cached_property
    def _packed_coins(self) -> UInt8[ndarray, "trials bytes"]:
        """The bits of `coins`, which need an eighth of the memory."""
        generator = bootstrap_generator()
        drawn = (
            generator.integers(2, size=(min(ONCE, TRIALS - start), self.lines), dtype=bool)
            for start in range(0, TRIALS, ONCE)
        )
        return np.concatenate([np.packbits(part, axis=1) for part in drawn])

    def resampled(self, system: Statistics) -> Float[ndarray, " resamples"]:
        """Return the score on every bootstrap resample, in float32 as in sacreBLEU."""
        parts = (self.counts[i : i + ONCE] for i in range(0, RESAMPLES, ONCE))
        sums = np.concatenate([part.astype(float) @ system.sentences for part in parts])
        sums = sums.astype(np.float32)
        return np.asarray(system.formula(sums), np.float64)

    def interval(self, system: Statistics) -> Interval:
        """Return the score and its 95 % bootstrap interval."""
        return Interval(system.score, *interval_ends(self.resampled(system)))

    def bootstrap(self, systems: Sequence[Statistics]) -> Float[ndarray, "systems systems"]:
        """Return the p-value of each pair by paired bootstrap resampling (Koehn 2004)."""
        resampled = [self.resampled(system) for system in systems]
        values = np.ones((len(systems), len(systems)))
        for row, column in pairs(len(systems)):
            gaps = np.abs(resampled[row] - resampled[column])
            values[row, column] = p(gaps - gaps.mean(), systems[row].score - systems[column].score)
        return np.minimum(values, values.T)

    def randomised(self, systems: Sequence[Statistics]) -> Float[ndarray, "systems systems"]:
        """Return the p-value of each pair by approximate randomization (Riezler and Maxwell 2005).

        In each trial, the two systems swap their translations of each sentence with probability
        1/2.
        """
        totals = [system.sentences.sum(0) for system in systems]
        kept = [self.kept(system.sentences) for system in systems]
        values = np.ones((len(systems), len(systems)))
        for row, column in pairs(len(systems)):
            ours = kept[row] + totals[column] - kept[column]
            theirs = totals[row] + totals[column] - ours
            gaps = np.abs(systems[row].formula(ours) - systems[row].formula(theirs))
            values[row, column] = p(gaps, systems[row].score - systems[column].score)
        return np.minimum(values, values.T)

    def kept(self, sentences: Float[ndarray, "lines numbers"]) -> Float[ndarray, "trials numbers"]:
        """Return, for every trial, the sum over the sentences that are not swapped."""
        parts = (self._packed_coins[i : i + ONCE] for i in range(0, TRIALS, ONCE))
        unpacked = (np.unpackbits(part, axis=1, count=self.lines) for part in parts)
        return np.concatenate([part.astype(float) @ sentences for part in unpacked])


def pairs(count: int) -> list[tuple[int, int]]:
    """Return all pairs (i, j) with i < j < count."""
    return [(row, column) for row in range(count) for column in range(row + 1, count)]


def interval_ends(scores: Float[ndarray, " resamples"]) -> tuple[float, float]:
    """Return the 95 % interval that sacreBLEU prints as mean and half-width."""
    ordered = np.sort(scores)
    cut = len(ordered) // 40  # 2.5 % on each side
    half = (ordered[-cut - 1] - ordered[cut]) / 2
    return float(ordered.mean() - half), float(ordered.mean() + half)


def p(gaps: Float[ndarray, " draws"], observed: float) -> float:
    """Return how often a difference under the null hypothesis exceeds the observed one.

    For an observed difference of 0, as between equal outputs, this is 1, where sacreBLEU reports
    its smallest p-value.
    """
    if not observed:
        return 1.0
    return (int((gaps > abs(observed)).sum()) + 1) / (len(gaps) + 1)


def holm(values: Sequence[float]) -> list[float]:
    """Correct the p-values of a family of tests (Holm 1979)."""
    corrected, least = [0.0] * len(values), 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        least = max(least, min(1.0, (len(values) - rank) * values[place]))
        corrected[place] = least
    return corrected


def signature(of_metric: str, kind: str, draws: int) -> str:
    """Insert `bs` or `ar` draws and their seed into a metric's signature, as sacreBLEU does."""
    references, _, rest = of_metric.partition("|")
    return f"{references}|{kind}:{draws}|seed:{bootstrap_seed()}|{rest}"
