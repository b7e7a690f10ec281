"""How good each system is, how sure that is, and who beats whom.

What is tested: every pair of systems, on each metric. A system of one run is tested as sacreBLEU
tests it. One of several seeds is tested as one system: what a metric counts in each sentence is
averaged over its seeds, and scored as if one system had made it. Both tests then ask whether the
difference would stand on *other sentences*; that is all they can ask. Whether it would stand with
*other seeds* is a question for the spread of the seeds, of which there are rarely enough for a p.
So a system beats another here where approximate randomisation, corrected, is below LEVEL and every
seed of the one is better than every seed of the other; with one seed each, the second half says
nothing more. Approximate randomisation decides because it errs less often than the bootstrap
(Riezler and Maxwell 2005) and has ten times the draws, which many pairs need; the bootstrap's p
stands beside it.

p-values are corrected by Holm's method over all pairs of systems, for each metric and each test.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np

from seq2seq.compare.significance import Interval, Resampling, ends, holm, pairs
from seq2seq.compare.systems import Spread, System
from seq2seq.scoring.metrics import Statistics

LEVEL = 0.05
NAMES = {"bleu": "BLEU", "chrf": "chrF", "ter": "TER", "comet": "COMET"}
LOWER = {"ter"}  # is better

Measured = Mapping[str, Mapping[str, Statistics]]  # by run and metric


class Pair(NamedTuple):
    """Two systems on one metric.

    Attributes:
        first: a system.
        second: another.
        difference: the first's score minus the second's.
        low: of its 95 % interval by paired bootstrap resampling,
        high: and its other end.
        bootstrap: p by paired bootstrap resampling.
        bootstrap_corrected: the same by Holm.
        randomised: p by paired approximate randomisation.
        randomised_corrected: the same by Holm.
        ahead: the share of the pairs of their seeds in which the first is better.
        winner: who beats whom, if anybody does.
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
    """Everything about scores on one test set.

    Attributes:
        runs: of every run, the metrics' scores and intervals.
        systems: of every system as one, likewise.
        means: of every system, the metrics' means over its seeds.
        pairs: by metric, every pair of systems.
        signatures: by metric.
    """

    runs: dict[str, dict[str, Interval]]
    systems: dict[str, dict[str, Interval]]
    means: dict[str, dict[str, Spread]]
    pairs: dict[str, list[Pair]]
    signatures: dict[str, str]


def quality(systems: Sequence[System], measured: Measured) -> Quality:
    """Score, resample and test all systems on one test set.

    Args:
        systems: at least one.
        measured: what every metric counted, of each of their runs.
    """
    first = measured[systems[0].runs[0].name]
    draws = Resampling(len(next(iter(first.values())).sentences))
    runs: dict[str, dict[str, Interval]] = {run.name: {} for s in systems for run in s.runs}
    whole: dict[str, dict[str, Interval]] = {system.name: {} for system in systems}
    means: dict[str, dict[str, Spread]] = {system.name: {} for system in systems}
    tested = {}
    for metric in first:
        for system in systems:
            for run in system.runs:
                runs[run.name][metric] = draws.interval(measured[run.name][metric])
            whole[system.name][metric] = (
                runs[system.runs[0].name][metric]
                if len(system.runs) == 1
                else draws.interval(as_one(of_system(system, measured, metric)))
            )
            means[system.name][metric] = Spread.of(
                [runs[run.name][metric].score for run in system.runs]
            )
        tested[metric] = test(systems, measured, metric, draws)
    signatures = {metric: found.signature for metric, found in first.items()}
    return Quality(runs, whole, means, tested, signatures)


def of_system(system: System, measured: Measured, metric: str) -> list[Statistics]:
    """What a metric counted, seed by seed."""
    return [measured[run.name][metric] for run in system.runs]


def as_one(seeds: Sequence[Statistics]) -> Statistics:
    """What a metric counts in each sentence, averaged over the seeds of a system."""
    return seeds[0]._replace(sentences=np.mean([one.sentences for one in seeds], axis=0))


def test(
    systems: Sequence[System], measured: Measured, metric: str, draws: Resampling
) -> list[Pair]:
    """Test every pair of systems on one metric."""
    ones = [as_one(of_system(system, measured, metric)) for system in systems]
    places = pairs(len(systems))
    resampled = [draws.resampled(one) for one in ones]
    table = draws.bootstrap(ones)
    bootstrap = [float(table[place]) for place in places]
    table = draws.randomised(ones)
    randomised = [float(table[place]) for place in places]
    columns = zip(places, bootstrap, holm(bootstrap), randomised, holm(randomised), strict=True)
    found = []
    for (row, column), p_bootstrap, bootstrap_holm, p_randomised, randomised_holm in columns:
        ours, theirs = systems[row], systems[column]
        ahead = share_ahead(ours, theirs, measured, metric)
        sure = randomised_holm < LEVEL
        low, high = ends(resampled[row] - resampled[column])
        found.append(
            Pair(
                first=ours.name,
                second=theirs.name,
                difference=ones[row].score - ones[column].score,
                low=low,
                high=high,
                bootstrap=p_bootstrap,
                bootstrap_corrected=bootstrap_holm,
                randomised=p_randomised,
                randomised_corrected=randomised_holm,
                ahead=ahead,
                winner={1.0: ours.name, 0.0: theirs.name}.get(ahead) if sure else None,
            )
        )
    return found


def share_ahead(ours: System, theirs: System, measured: Measured, metric: str) -> float:
    """Of all pairs of a run of each, in how many the first is better; half of it where equal."""
    better = []
    for a, b in product(*(of_system(system, measured, metric) for system in (ours, theirs))):
        gap = a.score - b.score
        better.append(0.5 + 0.5 * np.sign(-gap if metric in LOWER else gap))
    return float(np.mean(better))
