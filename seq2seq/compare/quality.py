"""Scores, confidence intervals and significance tests on one test set.

Every pair of systems is tested on each metric. A system with one run is tested as sacreBLEU does. A
system with several seeds is tested as a single system: the sentence statistics of each metric are
averaged over its seeds and then scored. Both tests estimate whether the difference would hold on
*other sentences*. Whether it would hold with *other seeds* is shown by the standard deviation over
seeds; there are rarely enough seeds for a p-value.

A system beats another if the corrected p-value of approximate randomization is below `LEVEL` and
each of its seeds scores better than each seed of the other. With one seed each, the second
condition adds nothing. Approximate randomization decides because it has fewer type I errors than
the bootstrap (Riezler and Maxwell 2005) and uses ten times as many draws, which corrections for
many pairs need; the bootstrap p-value is reported with it.

p-values are corrected by Holm's method over all pairs of systems, for each metric and each test.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np

from seq2seq.compare.significance import Interval, Resampling, holm, interval_ends, pairs
from seq2seq.compare.systems import Spread, System
from seq2seq.scoring.metrics import Statistics

LEVEL = 0.05
NAMES = {"bleu": "BLEU", "chrf": "chrF", "ter": "TER", "comet": "COMET"}
LOWER = {"ter"}  # metrics where lower is better

Measured = Mapping[str, Mapping[str, Statistics]]  # run -> metric -> sentence statistics


class Pair(NamedTuple):
    """The comparison of two systems on one metric.

    Attributes:
        first: name of the first system.
        second: name of the second system.
        difference: the first's score minus the second's.
        low: lower end of the 95 % interval of the difference, by paired bootstrap resampling.
        high: upper end of that interval.
        bootstrap: p-value of paired bootstrap resampling.
        bootstrap_corrected: the same, Holm-corrected.
        randomised: p-value of paired approximate randomization.
        randomised_corrected: the same, Holm-corrected.
        ahead: share of the pairs of seeds in which the first is better; equal scores count half.
        winner: name of the system that beats the other; None if neither does.
    """

    first: str
    second: str
    difference: float
    low: float
    high: float
    bootstrap: float
    bootstrap_corrected: float
    randomised: float
    randomised_corrected: float
    ahead: float
    winner: str | None


@dataclass(frozen=True)
class Quality:
    """Scores, intervals and tests on one test set.

    Attributes:
        runs: run -> metric -> score and interval.
        systems: system -> metric -> score and interval of the statistics averaged over its seeds.
        means: system -> metric -> mean and deviation of the scores of its seeds.
        pairs: metric -> tests of every pair of systems.
        signatures: metric -> sacreBLEU signature.
    """

    runs: dict[str, dict[str, Interval]]
    systems: dict[str, dict[str, Interval]]
    means: dict[str, dict[str, Spread]]
    pairs: dict[str, list[Pair]]
    signatures: dict[str, str]


def quality(systems: Sequence[System], measured: Measured) -> Quality:
    """Score, resample and test all systems on one test set.

    Args:
        systems: one system or more.
        measured: the sentence statistics of each run and metric.
    """
    first = measured[systems[0].runs[0].name]
    draws = Resampling(len(next(iter(first.values())).sentences))
    runs: dict[str, dict[str, Interval]] = {run.name: {} for s in systems for run in s.runs}
    averaged: dict[str, dict[str, Interval]] = {system.name: {} for system in systems}
    means: dict[str, dict[str, Spread]] = {system.name: {} for system in systems}
    tested = {}
    for metric in first:
        for system in systems:
            for run in system.runs:
                runs[run.name][metric] = draws.interval(measured[run.name][metric])
            averaged[system.name][metric] = (
                runs[system.runs[0].name][metric]
                if len(system.runs) == 1
                else draws.interval(as_one(of_system(system, measured, metric)))
            )
            means[system.name][metric] = Spread.of(
                [runs[run.name][metric].score for run in system.runs]
            )
        tested[metric] = test(systems, measured, metric, draws)
    signatures = {metric: statistics.signature for metric, statistics in first.items()}
    return Quality(runs, averaged, means, tested, signatures)


def of_system(system: System, measured: Measured, metric: str) -> list[Statistics]:
    """Return the statistics of each seed of a system."""
    return [measured[run.name][metric] for run in system.runs]


def as_one(seeds: Sequence[Statistics]) -> Statistics:
    """Average the sentence statistics over the seeds of a system."""
    return seeds[0]._replace(sentences=np.mean([one.sentences for one in seeds], axis=0))


def test(
    systems: Sequence[System], measured: Measured, metric: str, draws: Resampling
) -> list[Pair]:
    """Test every pair of systems on one metric."""
    averaged = [as_one(of_system(system, measured, metric)) for system in systems]
    cells = pairs(len(systems))
    resampled = [draws.resampled(statistics) for statistics in averaged]
    table = draws.bootstrap(averaged)
    bootstrap = [float(table[cell]) for cell in cells]
    table = draws.randomised(averaged)
    randomised = [float(table[cell]) for cell in cells]
    columns = zip(cells, bootstrap, holm(bootstrap), randomised, holm(randomised), strict=True)
    tested = []
    for (row, column), p_bootstrap, bootstrap_holm, p_randomised, randomised_holm in columns:
        ours, theirs = systems[row], systems[column]
        ahead = share_ahead(ours, theirs, measured, metric)
        significant = randomised_holm < LEVEL
        low, high = interval_ends(resampled[row] - resampled[column])
        tested.append(
            Pair(
                first=ours.name,
                second=theirs.name,
                difference=averaged[row].score - averaged[column].score,
                low=low,
                high=high,
                bootstrap=p_bootstrap,
                bootstrap_corrected=bootstrap_holm,
                randomised=p_randomised,
                randomised_corrected=randomised_holm,
                ahead=ahead,
                winner={1.0: ours.name, 0.0: theirs.name}.get(ahead) if significant else None,
            )
        )
    return tested


def share_ahead(ours: System, theirs: System, measured: Measured, metric: str) -> float:
    """Return the share of pairs of runs in which `ours` is better; equal scores count half."""
    better = []
    for a, b in product(*(of_system(system, measured, metric) for system in (ours, theirs))):
        gap = a.score - b.score
        better.append(0.5 + 0.5 * np.sign(-gap if metric in LOWER else gap))
    return float(np.mean(better))
