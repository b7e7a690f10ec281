"""Convert a comparison to the data of `report.json`; the format is in `report.schema.json`."""

from dataclasses import asdict
from typing import Any

from seq2seq.compare.calibration import calibrations
from seq2seq.compare.comparison import Comparison, TestSet
from seq2seq.compare.runs import Run
from seq2seq.compare.sentences import largest_differences, shown_pairs
from seq2seq.compare.significance import RESAMPLES, TRIALS
from seq2seq.compare.systems import number, settings_of, shown
from seq2seq.compare.verdict import verdict
from seq2seq.runs.nested import section
from seq2seq.scoring.metrics import bootstrap_seed

SCHEMA = 2  # increased when the format changes incompatibly


def record(comparison: Comparison) -> dict[str, Any]:
    """Return the data of the whole comparison."""
    return {
        "schema": SCHEMA,
        "source": comparison.source,
        "target": comparison.target,
        "testing": {
            "resamples": RESAMPLES,
            "trials": TRIALS,
            "seed": bootstrap_seed(),
            "correction": "holm",
        },
        "systems": [
            {
                "name": system.name,
                "runs": [run.name for run in system.runs],
                "configuration": {
                    key: shown(value) for key, value in settings_of(system.runs[0]).items()
                },
            }
            for system in comparison.systems
        ],
        "runs": [of_run(run) for run in comparison.runs],
        "tests": {test.name: of_test(comparison, test) for test in comparison.tests},
        "training": [asdict(course) for course in comparison.validation_curves],
        "notes": comparison.notes,
        "verdict": verdict(comparison),
    }


def of_run(run: Run) -> dict[str, Any]:
    """Return the origin of a run or outside system."""
    data = section(run.info, "data")
    return {
        "name": run.name,
        "path": shown(str(run.path)),
        "outside": run.folder is None,
        "seed": run.seed,
        "status": _text(run.info.get("status")),
        "commit": _text(run.info.get("commit")),
        "training_sha256": _text(section(data, "train").get("sha256")),
        "versions": {key: shown(value) for key, value in section(run.info, "versions").items()},
        "steps": number(run.info.get("steps")),
    }


def of_test(comparison: Comparison, test: TestSet) -> dict[str, Any]:
    """Return the results on one test set."""
    quality = test.quality
    return {
        "lines": len(test.references),
        "source_sha256": shown(test.facts["source_sha256"]),
        "reference_sha256": shown(test.facts["reference_sha256"]),
        "signatures": quality.signatures,
        "runs": {
            name: {metric: one._asdict() for metric, one in metrics.items()}
            for name, metrics in quality.runs.items()
        },
        "systems": {
            name: {
                metric: {**asdict(quality.means[name][metric]), "as_one": one._asdict()}
                for metric, one in metrics.items()
            }
            for name, metrics in quality.systems.items()
        },
        "pairs": {
            metric: [pair._asdict() for pair in pairs] for metric, pairs in quality.pairs.items()
        },
        "axes": {
            axis.key: {
                "places": axis.places,
                "lines": axis.lines,
                "systems": {
                    name: [
                        {**asdict(point.value), "low": point.low, "high": point.high}
                        for point in points
                    ]
                    for name, points in axis.points.items()
                },
            }
            for axis in test.axes
        },
        "cost": {
            name: {key: one and one["mean"] for key, one in asdict(cost).items()}
            for name, cost in test.costs.items()
        },
        "alignment": {
            run.name: {
                key: number(section(run.scores[test.name], "alignment").get(key))
                for key in ("aer", "precision", "recall", "entropy")
            }
            for run in comparison.runs
            if section(run.scores[test.name], "alignment")
        },
        "calibration": {
            run.name: {kind: asdict(one) for kind, one in calibrations(run, test.name).items()}
            for run in comparison.runs
            if calibrations(run, test.name)
        },
        "source_share": {
            run.name: {
                key: number(section(run.scores[test.name], "source_share").get(key))
                for key in ("score", "words", "invented")
            }
            for run in comparison.runs
            if section(run.scores[test.name], "source_share")
        },
        "sentences": [
            {
                "better": better.name,
                "worse": worse.name,
                "chrf": [
                    one._asdict() for one in largest_differences(better, worse, test.sentences)
                ],
            }
            for ours, theirs in shown_pairs(comparison.systems)
            for better, worse in ((ours, theirs), (theirs, ours))
        ],
        "ngrams": [
            {
                "better": better.name,
                "worse": worse.name,
                "words": [
                    one._asdict()
                    for one in test.matches.better(better.name, worse.name, phrases=False)
                ],
                "phrases": [
                    one._asdict()
                    for one in test.matches.better(better.name, worse.name, phrases=True)
                ],
            }
            for ours, theirs in shown_pairs(comparison.systems)
            for better, worse in ((ours, theirs), (theirs, ours))
        ],
        "notes": test.notes,
    }


def _text(value: object) -> str | None:
    """Return an untrusted value as printable text; None stays None."""
    return None if value is None else shown(value)
