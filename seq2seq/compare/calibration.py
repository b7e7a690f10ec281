"""Read the calibration of runs from their scores, and pool it over the seeds of a system."""

from collections.abc import Sequence
from dataclasses import dataclass

from seq2seq.compare.runs import Run
from seq2seq.compare.systems import System, number
from seq2seq.runs.nested import section
from seq2seq.scoring.calibration import BINS, KINDS

MIN_TOKENS = 20  # bins with fewer tokens are left out of curves


@dataclass(frozen=True)
class Bin:
    """Tokens whose probability is in one bin; probabilities and shares are in percent.

    Attributes:
        to: the upper end of the bin, from 0 to 1.
        tokens: the number of tokens.
        confidence: their mean probability.
        accuracy: the share of right tokens.
    """

    to: float
    tokens: float
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Calibrated:
    """The calibration of one run on one kind of tokens.

    Attributes:
        score: the expected calibration error in percent.
        confidence: the mean probability in percent.
        accuracy: the share of right tokens in percent.
        tokens: the number of tokens.
        bins: the bins that have tokens.
    """

    score: float
    confidence: float
    accuracy: float
    tokens: float
    bins: list[Bin]


Reliability = dict[str, dict[str, dict[str, float]]]  # kind -> system -> bin -> accuracy in percent


def calibrations(run: Run, test: str) -> dict[str, Calibrated]:
    """Return the calibration of a run by kind; a kind that is missing or damaged is left out."""
    stored = section(run.scores[test], "calibration")
    found = {}
    for kind in KINDS:
        own = section(stored, kind)
        rows = own.get("bins")
        try:
            values = numbers(own, "score", "confidence", "accuracy", "tokens")
            bins = [
                Bin(*numbers(row, "to", "tokens", "confidence", "accuracy"))
                for row in checked_list(rows)
            ]
        except ValueError:
            continue
        score, confidence, accuracy, tokens = values
        found[kind] = Calibrated(score, confidence, accuracy, tokens, bins)
    return found


def checked_list(rows: object) -> list[object]:
    """Return a list from an untrusted file; none is an empty one.

    Raises:
        ValueError: it is something else.
    """
    if rows is None or isinstance(rows, list):
        return rows or []
    raise ValueError


def has_damaged_calibration(run: Run, test: str) -> bool:
    """Whether the calibration of some kind of tokens is stored but cannot be read."""
    stored = run.scores[test].get("calibration")
    if stored is None:
        return False
    kinds = stored if isinstance(stored, dict) else KINDS
    readable = calibrations(run, test)
    return any(kind in kinds and kind not in readable for kind in KINDS)


def numbers(row: object, *keys: str) -> list[float]:
    """Return values of a mapping from an untrusted file.

    Raises:
        ValueError: it is not a mapping, or a value is not a number in its range.
    """
    values = [number(row.get(key)) if isinstance(row, dict) else None for key in keys]
    most = {"to": 1.0, "tokens": 1e15}  # others are in percent
    known = [
        value
        for key, value in zip(keys, values, strict=True)
        if value is not None and 0 <= value <= most.get(key, 100 + 1e-6)
    ]
    if len(known) < len(keys):
        raise ValueError
    return known


def reliability(systems: Sequence[System], test: str) -> Reliability:
    """Return the share of right tokens in each bin, pooled over the seeds of a system.

    Bins with fewer than `MIN_TOKENS` tokens and systems without calibration are left out.
    """
    curves: Reliability = {}
    for kind in KINDS:
        for system in systems:
            runs = [calibrations(run, test).get(kind) for run in system.runs]
            known = [one for one in runs if one is not None]
            if len(known) == len(runs):
                curves.setdefault(kind, {})[system.name] = pooled(known)
    return curves


def pooled(runs: Sequence[Calibrated]) -> dict[str, float]:
    """Return the share of right tokens of several runs in each bin, by the name of the bin."""
    curve = {}
    for place in range(1, BINS + 1):
        own = [one for run in runs for one in run.bins if round(one.to * BINS) == place]
        tokens = sum(one.tokens for one in own)
        if tokens >= MIN_TOKENS:
            curve[bin_name(place)] = sum(one.tokens * one.accuracy for one in own) / tokens
    return curve


def bin_name(place: int) -> str:
    """Return the name of a bin, counted from 1: its ends in percent."""
    width = 100 // BINS
    return f"{(place - 1) * width}\N{EN DASH}{place * width}"


def ideal() -> dict[str, float]:
    """Return the middle of each bin: the share of right tokens of a calibrated model, about."""
    return {bin_name(place): 100 * (place - 0.5) / BINS for place in range(1, BINS + 1)}
