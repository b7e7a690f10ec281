"""Write the tables of a comparison as CSV (RFC 4180, UTF-8), in full precision."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seq2seq.compare.calibration import calibrations
from seq2seq.compare.comparison import Comparison
from seq2seq.compare.quality import Pair
from seq2seq.compare.report.probability_tables import calibration_columns, share_columns
from seq2seq.compare.report.tables import ALIGNMENT, SINGLE, columns_of, configuration, provenance
from seq2seq.compare.sentences import largest_differences, shown_pairs
from seq2seq.compare.systems import System
from seq2seq.system.files import replacing

Rows = Iterator[tuple[Any, ...]]


def write(comparison: Comparison, out: Path) -> Path:
    """Write every table that has rows into the folder `out`, and return `out`."""
    files = {
        "runs": (("test", "run", "seed", "metric", "score", "low", "high"), runs(comparison)),
        "systems": (
            ("test", "system", "seeds", "metric", "mean", "deviation", "as_one", "low", "high"),
            systems(comparison),
        ),
        "pairs": (("test", "metric", *Pair._fields), pairs(comparison)),
        "axes": (
            ["test", "axis", "place", "lines", "system", "mean", "deviation", "low", "high"],
            axes(comparison),
        ),
        "calibration": (
            ["test", "run", "tokens_of", "to", "tokens", "confidence", "accuracy"],
            calibration(comparison),
        ),
        "measures": (("test", "system", "measure", "mean", "deviation"), measures(comparison)),
        "ngrams": (
            ["test", "better", "worse", "text", "references", "first", "second"],
            ngrams(comparison),
        ),
        "sentences": (
            ("test", "better", "worse", "line", "chrf_better", "chrf_worse"),
            sentences(comparison),
        ),
        "training": (("system", "run", "minutes", "bleu"), training(comparison)),
    }
    for name, (head, rows) in files.items():
        write_one(out / f"{name}.csv", head, rows)
    if settings := configuration(comparison):
        write_one(out / "settings.csv", ["setting", *settings.head[1:]], settings.rows)
    origin = provenance(comparison)
    write_one(out / "provenance.csv", origin.head, origin.rows)
    return out


def write_one(path: Path, head: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write one table; if it has no rows, delete an older file instead."""
    rows = list(rows)
    if not rows:
        path.unlink(missing_ok=True)
        return
    with replacing(path) as file:
        writer = csv.writer(file)  # lines end with CR LF
        writer.writerow(head)
        writer.writerows(rows)


def runs(comparison: Comparison) -> Rows:
    """Yield the score of every run by every metric."""
    for test in comparison.tests:
        for run in comparison.runs:
            for metric, interval in test.quality.runs[run.name].items():
                yield test.name, run.name, run.seed, metric, *interval


def systems(comparison: Comparison) -> Rows:
    """Yield the scores of every system by every metric: mean over seeds, and seeds averaged."""
    for test in comparison.tests:
        for system in comparison.systems:
            for metric, one in test.quality.systems[system.name].items():
                mean = test.quality.means[system.name][metric]
                counted = len(system.runs), metric, mean.mean, mean.deviation
                yield test.name, system.name, *counted, *one


def pairs(comparison: Comparison) -> Rows:
    """Yield the tests of every pair of systems by every metric."""
    for test in comparison.tests:
        for metric, tested in test.quality.pairs.items():
            for pair in tested:
                yield test.name, metric, *pair


def axes(comparison: Comparison) -> Rows:
    """Yield the score of every system in every bin of every axis."""
    for test in comparison.tests:
        for axis in test.axes:
            for name, points in axis.points.items():
                for place, lines, point in zip(axis.places, axis.lines, points, strict=True):
                    spread = point.value.mean, point.value.deviation
                    yield test.name, axis.key, place, lines, name, *spread, point.low, point.high


def calibration(comparison: Comparison) -> Rows:
    """Yield the bins of the calibration of every run, on each kind of tokens."""
    for test in comparison.tests:
        for run in comparison.runs:
            for kind, found in calibrations(run, test.name).items():
                for one in found.bins:
                    yield test.name, run.name, kind, *asdict(one).values()


def measures(comparison: Comparison) -> Rows:
    """Yield the measures of the tables other than quality, as far as known, and the cost."""
    for test in comparison.tests:
        columns = columns_of(comparison, test, SINGLE | ALIGNMENT)
        more = calibration_columns(comparison, test) | share_columns(comparison, test)
        for place, system in enumerate(comparison.systems):
            known = {name: column[place] for name, column in columns.items()}
            known |= {name: column[place] for name, column in more.items()}
            known |= vars(test.costs[system.name])
            for name, spread in known.items():
                if spread is not None:
                    yield test.name, system.name, name, *asdict(spread).values()


def ngrams(comparison: Comparison) -> Rows:
    """Yield words and phrases that one system translates correctly more often than another."""
    for test in comparison.tests:
        for better, worse in both_ways(comparison):
            for phrases in (False, True):
                for ngram in test.matches.better(better.name, worse.name, phrases=phrases):
                    yield test.name, better.name, worse.name, *ngram


def sentences(comparison: Comparison) -> Rows:
    """Yield sentences on which one system is furthest ahead of another."""
    for test in comparison.tests:
        for better, worse in both_ways(comparison):
            for sentence in largest_differences(better, worse, test.sentences):
                yield test.name, better.name, worse.name, *sentence


def training(comparison: Comparison) -> Rows:
    """Yield validation BLEU by minutes of training."""
    for course in comparison.validation_curves:
        for minutes, bleu in zip(course.minutes, course.bleu, strict=True):
            yield course.system, course.run, minutes, bleu


def both_ways(comparison: Comparison) -> Iterator[tuple[System, System]]:
    """Yield the pairs of systems shown in detail, in both orders."""
    for ours, theirs in shown_pairs(comparison.systems):
        yield ours, theirs
        yield theirs, ours
