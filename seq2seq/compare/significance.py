"""Is a difference more than chance? Paired bootstrap, paired approximate randomisation, Holm.

Both tests are those of sacreBLEU (`--paired-bs` and `--paired-ar`): its draws, its formulas and its
p, of all pairs of many systems at once. A system is given by its statistics, sentence by sentence.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from seq2seq.scoring.metrics import Statistics, bootstrap_generator, bootstrap_seed

RESAMPLES = 1000
TRIALS = 10_000

ONCE = 1000  # trials at a time, which bounds the memory of long test sets


class Interval(NamedTuple):
    """A score on the whole test set, and its 95 % bootstrap interval as sacreBLEU has it."""

    score: float
    low: float
    high: float


class Resampling:
    """The draws of one test set, the same for every system on it.

    Args:
        lines: of the test set.
    """

    def __init__(self, lines: int) -> None:
        self.lines = lines

    @cached_property
    def counts(self) -> Float[ndarray, "resamples lines"]:
        """How often each bootstrap resample has each sentence."""
        draws = bootstrap_generator().choice(self.lines, size=(RESAMPLES, self.lines), replace=True)
        return np.stack([np.bincount(draw, minlength=self.lines) for draw in draws]).astype(float)

    @cached_property
    def coins(self) -> Bool[ndarray, "trials lines"]:
        """For each trial and sentence, heads or tails."""
        return bootstrap_generator().integers(2, size=(TRIALS, self.lines), dtype=bool)

    def resampled(self, system: Statistics) -> Float[ndarray, " resamples"]:
        """The score on every bootstrap resample, in the precision of sacreBLEU."""
        sums = (self.counts @ system.sentences).astype(np.float32)
        return np.asarray(system.formula(sums), np.float64)

    def interval(self, system: Statistics) -> Interval:
        """The score, and where the middle 95 % of the resamples lie around their mean."""
        return Interval(system.score, *ends(self.resampled(system)))

    def bootstrap(self, systems: Sequence[Statistics]) -> Float[ndarray, "systems systems"]:
        """p of each pair by paired bootstrap resampling (Koehn 2004)."""
        resampled = [self.resampled(system) for system in systems]
        found = np.ones((len(systems), len(systems)))
        for row, column in pairs(len(systems)):
            gaps = np.abs(resampled[row] - resampled[column])
            found[row, column] = p(gaps - gaps.mean(), systems[row].score - systems[column].score)
        return np.minimum(found, found.T)

    def randomised(self, systems: Sequence[Statistics]) -> Float[ndarray, "systems systems"]:
        """p of each pair by paired approximate randomisation (Riezler and Maxwell 2005).

        In each trial a coin for each sentence decides whether the two exchange their translations.
        """
        totals = [system.sentences.sum(0) for system in systems]
        kept = [self.kept(system.sentences) for system in systems]
        found = np.ones((len(systems), len(systems)))
        for row, column in pairs(len(systems)):
            ours = kept[row] + totals[column] - kept[column]
            theirs = totals[row] + totals[column] - ours
            gaps = np.abs(systems[row].formula(ours) - systems[row].formula(theirs))
            found[row, column] = p(gaps, systems[row].score - systems[column].score)
        return np.minimum(found, found.T)

    def kept(self, sentences: Float[ndarray, "lines numbers"]) -> Float[ndarray, "trials numbers"]:
        """The sum over the sentences whose coin is heads, for every trial."""
        parts = range(0, len(self.coins), ONCE)
        return np.concatenate([self.coins[i : i + ONCE].astype(float) @ sentences for i in parts])


def pairs(count: int) -> list[tuple[int, int]]:
    """Every pair of so many, once."""
    return [(row, column) for row in range(count) for column in range(row + 1, count)]


def ends(scores: Float[ndarray, " resamples"]) -> tuple[float, float]:
    """The interval that sacreBLEU prints as mean and half a width."""
    ordered = np.sort(scores)
    out = len(ordered) // 40
    half = (ordered[-out - 1] - ordered[out]) / 2
    return float(ordered.mean() - half), float(ordered.mean() + half)


def p(gaps: Float[ndarray, " draws"], observed: float) -> float:
    """How often chance alone exceeds what was observed.

    Where that is nothing at all, as between equal outputs, sacreBLEU would report its smallest p.
    """
    if not observed:
        return 1.0
    return (int((gaps > abs(observed)).sum()) + 1) / (len(gaps) + 1)


def holm(values: Sequence[float]) -> list[float]:
    """p-values of one family, corrected so that none errs more often than it says (Holm 1979)."""
    found, least = [0.0] * len(values), 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        least = max(least, min(1.0, (len(values) - rank) * values[place]))
        found[place] = least
    return found


def signature(of_metric: str, kind: str, draws: int) -> str:
    """A metric's signature with `bs` or `ar` draws and their seed, as sacreBLEU writes it."""
    references, _, rest = of_metric.partition("|")
    return f"{references}|{kind}:{draws}|seed:{bootstrap_seed()}|{rest}"
