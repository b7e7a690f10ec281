"""Training cost, decoding speed and learning curves of each system."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seq2seq.compare.runs import Run
from seq2seq.compare.systems import Spread, System, number, spread
from seq2seq.runs.nested import section
from seq2seq.runs.untrusted import read_json_lines

# Attributes of Cost -> keys of run.json
TRAINING = {
    "parameters": "parameters",
    "minutes": "minutes",
    "target_tokens_per_second": "target_tokens_per_second",
    "joules": "joules",
    "peak_memory": "peak_memory",
    "multiply_adds": "multiply_adds_per_target_token",
}


@dataclass(frozen=True)
class Cost:
    """Cost of a system, averaged over its seeds; None if unknown.

    Attributes:
        parameters: number of parameters.
        minutes: training time, including validation.
        target_tokens_per_second: training speed, excluding validation.
        joules: energy of training as measured for the whole machine, where it reports it.
        peak_memory: bytes, of the GPU if there is one, else of the training process.
        multiply_adds: per target token, in the matrix products of one forward pass.
        sentences_per_second: translation speed during evaluation of the test set.
    """

    parameters: Spread | None
    minutes: Spread | None
    target_tokens_per_second: Spread | None
    joules: Spread | None
    peak_memory: Spread | None
    multiply_adds: Spread | None
    sentences_per_second: Spread | None


def cost(system: System, test: str) -> Cost:
    """Read the cost of a system from run.json and scores.json."""

    def known(key: str) -> Spread | None:
        return spread(system, lambda run: run.info.get(key))

    return Cost(
        **{name: known(key) for name, key in TRAINING.items()},
        sentences_per_second=spread(system, lambda run: speed(run.scores[test])),
    )


def speed(entry: Mapping[str, Any]) -> Any:
    """The translation speed of an entry of scores.json; None if several processes translated."""
    return None if entry.get("processes", 1) != 1 else entry.get("sentences_per_second")


@dataclass(frozen=True)
class ValidationCurve:
    """Learning curve of one run: validation BLEU at minutes of training."""

    run: str
    system: str
    minutes: list[float]
    bleu: list[float]


def validation_curves(systems: Sequence[System]) -> list[ValidationCurve]:
    """Return the learning curve of every run whose logs have one."""
    curves = []
    for system in systems:
        for run in system.runs:
            points = course(run)
            if points:
                minutes, bleu = map(list, zip(*points, strict=True))
                curves.append(ValidationCurve(run.name, system.name, minutes, bleu))
    return curves


def course(run: Run) -> list[tuple[float, float]]:
    """Return minutes and BLEU of each validation, as far as both are logged."""
    if run.folder is None:
        return []
    minutes: dict[object, float] = {}
    bleu: dict[object, float] = {}
    for name in ("log.jsonl", "clock.jsonl"):
        for entry in read_json_lines(run.path / name):
            step, score = entry.get("step"), number(entry.get("validation_bleu"))
            if score is not None:
                bleu[str(step)] = score
            if score is not None or "validation_seconds" in entry:
                elapsed = number(entry.get("minutes"))
                if elapsed is not None:
                    minutes[str(step)] = elapsed
    return [(minutes[step], bleu[step]) for step in bleu if step in minutes]


def reading_rule(run: Run, test: str) -> str | None:
    """Describe how attention was turned into an alignment; None if it was not."""
    rule = section(section(run.scores[test], "alignment"), "rule")
    if not rule:
        return None
    row = "is the decoder input" if rule.get("shift") else "is predicted"
    words = f"layer {rule.get('layer')}, head {rule.get('head')}, at the step where the word {row}"
    words += f", </s> {rule.get('end')}"
    if (method := rule.get("method", "attention")) != "attention":
        words = f"{method}, {words}"
    threshold = rule.get("threshold")
    return words if threshold is None else f"{words}, threshold {threshold}"
