"""Tables of measures that are computed from the probabilities of words and tokens."""

from collections.abc import Callable

from seq2seq.compare.calibration import Calibrated, calibrations
from seq2seq.compare.comparison import Comparison, TestSet
from seq2seq.compare.report.formats import Table, figures
from seq2seq.compare.runs import Run
from seq2seq.compare.source_share import INVENTED, NOTE
from seq2seq.compare.systems import Spread, System, number, spread
from seq2seq.runs.nested import section
from seq2seq.scoring.calibration import KINDS

CALIBRATION: dict[str, Callable[[Calibrated], float]] = {
    "ECE": lambda one: one.score,
    "p": lambda one: one.confidence,
    "right": lambda one: one.accuracy,
}
SHORT = {"reference": "ref.", "output": "own"}
GIVEN_OTHERS = "all other tokens"  # of a masked language model


def calibration(comparison: Comparison, test: TestSet) -> Table | None:
    """Build the table of calibration; None if no run has it."""
    columns = calibration_columns(comparison, test)
    columns = {name: column for name, column in columns.items() if any(column)}
    if not columns:
        return None
    rows = [
        [system.name, *(figures(column[place], ".1f") for column in columns.values())]
        for place, system in enumerate(comparison.systems)
    ]
    note = (
        "In percent. ECE: expected calibration error, the mean distance between p, the probability "
        "of a token, and the share of right tokens, in bins of p; lower is better. ref.: the most "
        "probable token given a reference, right if it is the next token of the reference. own: "
        "the tokens of the output, right if the fewest edits pair them with the reference."
    )
    others = [run.name for run in comparison.runs if given(run, test.name) == GIVEN_OTHERS]
    if others:
        note += f" {', '.join(others)}: p is given all other tokens, so it cannot be compared."
    return Table("Calibration", ["system", *columns], rows, note)


def given(run: Run, test: str) -> object:
    """Return what the probabilities of a run are given."""
    return section(run.scores[test], "calibration").get("given")


def calibration_columns(comparison: Comparison, test: TestSet) -> dict[str, list[Spread | None]]:
    """Return the calibration of every system; None where it is unknown."""

    def of(system: System, kind: str, read: Callable[[Calibrated], float]) -> Spread | None:
        def value(run: Run) -> float | None:
            found = calibrations(run, test.name).get(kind)
            return None if found is None else read(found)

        return spread(system, value)

    return {
        f"{name} {SHORT[kind]}": [of(system, kind, read) for system in comparison.systems]
        for kind in KINDS
        for name, read in CALIBRATION.items()
    }


def source_share(comparison: Comparison, test: TestSet) -> Table | None:
    """Build the table of the share that the source explains; None if no run has it."""
    columns = share_columns(comparison, test)
    if not any(any(column) for column in columns.values()):
        return None
    rows = [
        [system.name, *(figures(column[place], ".1f") for column in columns.values())]
        for place, system in enumerate(comparison.systems)
    ]
    return Table("Share of the source", ["system", *columns], rows, f"{NOTE} {INVENTED}")


def share_columns(comparison: Comparison, test: TestSet) -> dict[str, list[Spread | None]]:
    """Return the share of the source and of words that may be invented, of every system."""

    def stored(run: Run, key: str) -> float | None:
        return number(section(run.scores[test.name], "source_share").get(key))

    def invented(run: Run) -> float | None:
        count, words = stored(run, "invented"), stored(run, "words")
        return 100 * count / words if count is not None and words and count <= words else None

    return {
        "share %": [spread(one, lambda run: stored(run, "score")) for one in comparison.systems],
        "maybe invented %": [spread(one, invented) for one in comparison.systems],
    }
