"""Convert a comparison to the JSON data that the interactive page is drawn from."""

from collections.abc import Iterator
from math import exp
from typing import Any

from seq2seq.compare.axes import curves_of
from seq2seq.compare.calibration import ideal
from seq2seq.compare.comparison import Comparison, TestSet
from seq2seq.compare.quality import NAMES, Pair
from seq2seq.compare.report import tables
from seq2seq.compare.report.formats import Table
from seq2seq.compare.report.pictures import PROBABILITY, RIGHT, is_drawn
from seq2seq.compare.runs import Run
from seq2seq.compare.source_share import INVENTED
from seq2seq.compare.verdict import verdict
from seq2seq.scoring.calibration import KINDS
from seq2seq.text.word_scores import WordScores

ATTENTION = "attention.safetensors"  # written by `evaluate` next to the translations


def page(comparison: Comparison) -> dict[str, Any]:
    """Return all data of the page; every string in it is untrusted."""
    settings = comparison.configuration
    return {
        "verdict": verdict(comparison),
        "title": ", ".join(system.name for system in comparison.systems),
        "source": comparison.source,
        "target": comparison.target,
        "systems": [
            {"name": system.name, "runs": [run.name for run in system.runs]}
            for system in comparison.systems
        ],
        "runs": [
            {
                "name": run.name,
                "system": system.name,
                "seed": run.seed,
                "outside": run.folder is None,
            }
            for system in comparison.systems
            for run in system.runs
        ],
        "tests": [of_test(comparison, test) for test in comparison.tests],
        "configuration": {
            "same": settings.same | comparison.provenance.same,
            "different": {
                "head": ["", *settings.names],
                "rows": [[key, *values] for key, values in settings.different.items()],
            },
        },
        "provenance": cells(tables.provenance(comparison)),
        "notes": comparison.notes,
        "invented": INVENTED,
    }


def of_test(comparison: Comparison, test: TestSet) -> dict[str, Any]:
    """Return the data of one test set."""
    names = [system.name for system in comparison.systems]
    return {
        "name": test.name,
        "lines": len(test.references),
        "notes": [*test.notes, *(f"{NAMES[m]}: {s}" for m, s in test.quality.signatures.items())],
        "tables": [titled_table(table) for table in summaries(comparison, test)],
        "words": [titled_table(table) for table in tables.ngrams(comparison, test)],
        "matrices": [
            {
                "title": f"{NAMES[metric]}, {method}",
                "names": names,
                "cells": matrix(names, pairs, kind),
            }
            for metric, pairs in test.quality.pairs.items()
            for kind, method in (
                ("randomised", "paired approximate randomization"),
                ("bootstrap", "paired bootstrap resampling"),
            )
            if pairs
        ],
        "curves": [
            *axis_curves(test),
            *reliability_curves(test),
            *validation_curves(comparison),
        ],
        "source": test.sources,
        "reference": test.references,
        "outputs": {
            run.name: {
                "text": test.outputs[run.name],
                "score": [round(score, 2) for score in test.sentences[run.name].tolist()],
            }
            for run in comparison.runs
        },
        "attention": {run.name: attention(run, test.name) for run in comparison.runs},
        "probabilities": {name: list(map(word_entry, of)) for name, of in test.words.items()},
    }


def word_entry(scores: WordScores) -> list[Any]:
    """Return the words of one translation, their probabilities and shares of the source in percent.

    The last item has the places of words that may be invented. The shares are None if they were not
    computed, and the share of a word is None if it is undefined.
    """
    probabilities = [round(100 * exp(value)) for value in scores.log_p.tolist()]
    shares = [one if one is None else round(100 * one) for one in scores.shares]
    invented = [place for place, one in enumerate(scores.invented) if one]
    return [scores.words, probabilities, None if scores.hidden is None else shares, invented]


def summaries(comparison: Comparison, test: TestSet) -> Iterator[Table]:
    """Yield the tables of the summary, in order."""
    yield tables.quality(comparison, test)
    yield tables.every_run(comparison, test)
    yield from tables.optional(comparison, test)
    yield from tables.axes(test)


def titled_table(table: Table) -> dict[str, Any]:
    """Convert a table to JSON data with title and note."""
    return {"title": table.title, **cells(table), "note": table.note}


def cells(table: Table) -> dict[str, Any]:
    """Convert the head and rows of a table to JSON data."""
    return {"head": table.head, "rows": table.rows}


def matrix(names: list[str], pairs: list[Pair], kind: str) -> list[list[dict[str, Any] | None]]:
    """Return differences and p-values of the row's system minus the column's, by one test."""
    known: dict[tuple[str, str], dict[str, Any]] = {}
    for pair in pairs:
        ps = {"p": getattr(pair, kind), "corrected": getattr(pair, f"{kind}_corrected")}
        for row, column, sign in ((pair.first, pair.second, 1), (pair.second, pair.first, -1)):
            won = {row: "row", column: "column"}.get(pair.winner or "")
            known[row, column] = {"difference": sign * pair.difference, **ps, "winner": won}
    return [[known.get((row, column)) for column in names] for row in names]


def axis_curves(test: TestSet) -> Iterator[dict[str, Any]]:
    """Yield the curves of each axis that `pictures` draws too, with intervals."""
    for axis in test.axes:
        values, bands = curves_of(axis)
        if not is_drawn(values):
            continue
        series = [
            {
                "name": name,
                "system": name,
                "x": list(of),
                "y": list(of.values()),
                "low": [low for low, _ in bands[name].values()],
                "high": [high for _, high in bands[name].values()],
            }
            for name, of in values.items()
        ]
        yield {
            "title": axis.title,
            "x": axis.x,
            "y": axis.y,
            "categories": True,
            "series": series,
        }


def reliability_curves(test: TestSet) -> Iterator[dict[str, Any]]:
    """Yield the share of right tokens by their probability, for each kind of tokens."""
    for kind, of_systems in test.reliability.items():
        if not any(of_systems.values()):
            continue
        series = [
            {
                "name": name,
                "system": name,
                "x": list(of),
                "y": list(of.values()),
                "low": None,
                "high": None,
            }
            for name, of in of_systems.items()
        ]
        yield {
            "title": f"Reliability: right tokens by their probability, {KINDS[kind]}",
            "x": PROBABILITY,
            "y": RIGHT,
            "categories": True,
            "ideal": {"x": list(ideal()), "y": list(ideal().values())},
            "series": series,
        }


def validation_curves(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """Yield the learning curves, if there are any."""
    if comparison.validation_curves:
        series = [
            {
                "name": one.run,
                "system": one.system,
                "x": one.minutes,
                "y": one.bleu,
                "low": None,
                "high": None,
            }
            for one in comparison.validation_curves
        ]
        labels = {"title": "Validation BLEU by minutes of training", "x": "minutes of training"}
        yield {**labels, "y": "validation BLEU", "categories": False, "series": series}


def attention(run: Run, test: str) -> str | None:
    """Return the file with a run's attention on a test set; None if there is none."""
    path = run.output(test).parent / ATTENTION
    return str(path.resolve()) if run.folder and path.is_file() else None
