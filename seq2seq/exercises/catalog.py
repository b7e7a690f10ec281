"""The exercises: their texts and the files that are copied."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from seq2seq.errors import UserError
from seq2seq.package_data import data_folder


@dataclass(frozen=True)
class Repair:
    """One replacement of text that repairs an exercise."""

    old: str
    new: str


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Attributes:
        number: its number, from 1.
        name: the name of its module in `seq2seq.exercises.properties`.
        source_file: the file with the planted bug.
        title: what the file computes, without naming the bug.
        topic: the subject of the exercise, in a word or two.
        lesson: the number of the lesson that explains what the file should do.
        symptom: what is observed from outside; its numbers are those that the file prints.
        hints: hints, the vaguest first.
        wrong: what was wrong.
        why: why it matters.
        source: where this is described.
        repairs: replacements that together make a correct file.
    """

    number: int
    name: str
    source_file: Path
    title: str
    topic: str
    lesson: int
    symptom: str
    hints: tuple[str, ...]
    wrong: str
    why: str
    source: str
    repairs: tuple[Repair, ...]

    @property
    def file_name(self) -> str:
        """The name of the copy in a student's folder."""
        return f"exercise_{self.number:02}.py"

    @property
    def text(self) -> str:
        """The file with the planted bug."""
        return self.source_file.read_text("utf-8")

    @property
    def model_answer(self) -> str:
        """The file after the repairs.

        Raises:
            ValueError: the text to replace does not occur exactly once.
        """
        text = self.text
        for repair in self.repairs:
            if text.count(repair.old) != 1:
                raise ValueError(f"{self.source_file.name}: {repair.old!r} must occur once")
            text = text.replace(repair.old, repair.new)
        return text


def exercises() -> list[Exercise]:
    """Read all exercises, in the order of their numbers."""
    return [read(path) for path in sorted(data_folder("lessons/exercises").glob("*.toml"))]


def read(path: Path) -> Exercise:
    """Read the TOML file of an exercise."""
    values = tomllib.loads(path.read_text("utf-8"))
    number, _, name = path.stem.partition("_")
    values |= {"hints": tuple(hint.strip() for hint in values["hints"])}
    values |= {"repairs": tuple(Repair(**repair) for repair in values["repairs"])}
    texts = {key: values[key].strip() for key in ("symptom", "wrong", "why")}
    return Exercise(
        **values | texts, number=int(number), name=name, source_file=path.with_suffix(".py")
    )


def find(number: int) -> Exercise:
    """Return the exercise with a number.

    Raises:
        UserError: there is none.
    """
    known = {str(exercise.number): exercise for exercise in exercises()}
    if str(number) not in known:
        raise UserError(f"there is no exercise {number}: they are numbered from 1 to {len(known)}")
    return known[str(number)]
