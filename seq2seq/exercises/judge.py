"""Judge a student's file by the properties of an exercise."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from seq2seq.exercises.catalog import Exercise
from seq2seq.exercises.expect import Draw, PropertyError, Student
from seq2seq.exercises.program import StudentError

Property = Callable[[Student, Draw], None]


@dataclass(frozen=True)
class Finding:
    """One property of an exercise, and why the file does not have it; None if it has."""

    statement: str
    broken: PropertyError | None


@dataclass(frozen=True)
class Verdict:
    """The judgement of a file.

    Attributes:
        findings: the properties, in the order in which they were checked.
        error: why no more of them were checked; None if all were.
    """

    findings: tuple[Finding, ...]
    error: StudentError | None = None

    @property
    def solved(self) -> bool:
        """Whether the file has all properties."""
        return self.error is None and all(finding.broken is None for finding in self.findings)


def properties(exercise: Exercise) -> tuple[Property, ...]:
    """Return the properties of an exercise; the docstring of each states it."""
    module: Any = import_module(f"seq2seq.exercises.properties.{exercise.name}")
    return module.PROPERTIES


def judge(exercise: Exercise, student: Student, seed: int) -> Verdict:
    """Check all properties on random inputs.

    Args:
        exercise: the exercise.
        student: calls functions of the file.
        seed: seed of the inputs.

    Raises:
        StudentError: the file raises an exception, or cannot be run, before a property failed.
    """
    findings = []
    for check in properties(exercise):
        statement = str(check.__doc__).strip().splitlines()[0]
        try:
            check(student, Draw(seed))
            findings.append(Finding(statement, None))
        except PropertyError as broken:
            findings.append(Finding(statement, broken))
        except StudentError as error:
            if all(finding.broken is None for finding in findings):
                raise
            return Verdict(tuple(findings), error)
    return Verdict(tuple(findings))
