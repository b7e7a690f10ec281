"""What each system cost to train and costs to use, and who was ahead after how many minutes."""

from collections.abc import Sequence
from dataclasses import dataclass

from seq2seq.compare.runs import Run, section
from seq2seq.compare.systems import Spread, System, number, spread
from seq2seq.runs.untrusted import read_json_lines

# What run.json knows, as called there.
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
    """What a system takes, on average over its seeds; None is unknown.

    Attributes:
        parameters: learned numbers.
        minutes: of training, validation included.
        target_tokens_per_second: learned from, validation left out.
        joules: of training, as far as the machine tells, other processes on it included.
        peak_memory: bytes of the training process, or of the GPU where there is one.
        multiply_adds: for each target token, both directions of the network read once.
        sentences_per_second: translated, when the test set was evaluated.
    """

    parameters: Spread | None
    minutes: Spread | None
    target_tokens_per_second: Spread | None
    joules: Spread | None
    peak_memory: Spread | None
    multiply_adds: Spread | None
    sentences_per_second: Spread | None


def cost(system: System, test: str) -> Cost:
    """What is known of a system's cost."""

    def known(key: str) -> Spread | None:
        return spread(system, lambda run: run.info.get(key))

    return Cost(
        **{name: known(key) for name, key in TRAINING.items()},
        sentences_per_second=spread(
            system, lambda run: run.scores[test].get("sentences_per_second")
        ),
    )


@dataclass(frozen=True)
class Course:
    """The course of one training: minutes, and the validation's BLEU at them."""

    run: str
    system: str
    minutes: list[float]
    bleu: list[float]


def courses(systems: Sequence[System]) -> list[Course]:
    """The course of every training that has been logged."""
    found = []
    for system in systems:
        for run in system.runs:
            points = course(run)
            if points:
                minutes, bleu = map(list, zip(*points, strict=True))
                found.append(Course(run.name, system.name, minutes, bleu))
    return found


def course(run: Run) -> list[tuple[float, float]]:
    """Minutes and BLEU of each validation of a run, as far as its logs tell."""
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
                passed = number(entry.get("minutes"))
                if passed is not None:
                    minutes[str(step)] = passed
    return [(minutes[step], bleu[step]) for step in bleu if step in minutes]


def reading_rule(run: Run, test: str) -> str | None:
    """How attention was read as an alignment, in words; None where it was not."""
    rule = section(section(run.scores[test], "alignment"), "rule")
    if not rule:
        return None
    row = "is fed in" if rule.get("shift") else "is predicted"
    words = f"layer {rule.get('layer')}, head {rule.get('head')}, where the word {row}"
    threshold = rule.get("threshold")
    return f"{words}, </s> {rule.get('end')}" + ("" if threshold is None else f", from {threshold}")
