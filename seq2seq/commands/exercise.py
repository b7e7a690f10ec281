"""List the exercises, copy one, give hints, and judge a repair."""

import re
import secrets
import shutil
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from seq2seq.errors import UserError
from seq2seq.exercises import progress
from seq2seq.exercises.catalog import Exercise, exercises, find
from seq2seq.exercises.program import shortened
from seq2seq.system.terminal_table import TableView

if TYPE_CHECKING:
    from seq2seq.exercises.judge import Verdict

WIDEST = 100  # columns
LONGEST_INPUT = 2000  # characters
OPENING = re.compile(r'\s*"""Exercise (\d{1,3}):')  # of the file of an exercise


def list_exercises(folder: Path) -> TableView:
    """Return a table of all exercises, and what became of them in a folder."""
    return TableView(
        ("exercise", "topic", "lesson", "here"),
        [
            (
                f"{exercise.number:2} {exercise.title}",
                exercise.topic,
                str(exercise.lesson),
                progress.state(folder, exercise),
            )
            for exercise in exercises()
        ],
    )


def copy(number: int, out: Path | None) -> str:
    """Copy an exercise, and return its description.

    A file is never overwritten: without `out`, one that is there is left as it is.

    Raises:
        UserError: there is no such exercise, or `out` exists.
    """
    exercise = find(number)
    path = Path(exercise.file_name) if out is None else out
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(exercise.text)
        done = f"wrote {path}"
    except FileExistsError:
        if out is not None:
            raise UserError(f"--out {path} exists already, and is not overwritten") from None
        done = f"{path} exists already, and was not changed"
    if out is not None:
        progress.record(path.absolute().parent, exercise, file=path.name)
    name = "" if out is None else f" {path}"
    return "\n".join(
        [
            heading(exercise),
            "",
            paragraphs(exercise.symptom),
            "",
            f"{done}. Run it, find what is wrong, and repair it.",
            f"  hint:  seq2seq exercise {number} --hint",
            f"  check: seq2seq exercise {number} --check{name}",
        ]
    )


def hint(number: int, which: int | None, folder: Path) -> str:
    """Return a hint of an exercise: the first, then the next at each call; or the one asked for.

    Raises:
        UserError: there is no such exercise or hint.
    """
    exercise = find(number)
    count, read = len(exercise.hints), progress.hints_read(folder, exercise)
    if which is not None and not 1 <= which <= count:
        raise UserError(f"exercise {number} has no hint {which}: it has {count}")
    wanted = min(read + 1, count) if which is None else which
    progress.record(folder, exercise, hints=max(wanted, read))
    return f"hint {wanted} of {count}\n\n" + paragraphs(exercise.hints[wanted - 1])


def check(number: int, path: Path | None) -> tuple[bool, str]:
    """Judge a file; return whether it is right, and a report.

    Raises:
        UserError: there is no such exercise or file, or the file is another exercise's.
        StudentError: the file cannot be run, or raises an exception.
    """
    from seq2seq.exercises.process import Process, read_source

    exercise = find(number)
    path = Path(exercise.file_name) if path is None else path
    progress.recorded(path.absolute().parent)  # so that it is not found damaged after the work
    opening = OPENING.match(read_source(path))
    if opening and int(opening[1]) != number:
        raise UserError(f"{path} is a file of exercise {int(opening[1])}, not of exercise {number}")
    process = Process(path)
    from seq2seq.exercises.judge import judge  # both processes import torch at the same time

    with process as student:
        verdict = judge(exercise, student, secrets.randbits(32))
    lines = [heading(exercise) + (": solved" if verdict.solved else ": not yet"), ""]
    lines += [
        f"  {'holds' if finding.broken is None else 'fails'}  {finding.statement}"
        for finding in verdict.findings
    ]
    if verdict.solved:
        progress.record_solved(path, exercise)
        return True, "\n".join([*lines, "", *explanation(exercise)])
    return False, "\n".join([*lines, "", *counterexample(verdict, number)])


def explanation(exercise: Exercise) -> Iterable[str]:
    """Return what was wrong, why it matters, and the source."""
    for title, text in (
        ("What was wrong", exercise.wrong),
        ("Why it matters", exercise.why),
        ("Source", exercise.source),
    ):
        yield from (title, paragraphs(text, "  "), "")
    yield f"The lesson on it:  seq2seq lessons {exercise.lesson}"


def counterexample(verdict: "Verdict", number: int) -> Iterable[str]:
    """Return the first property that fails, with the smallest input that was found to show it."""
    from seq2seq.exercises.expect import shown

    finding = next(one for one in verdict.findings if one.broken is not None)
    assert finding.broken is not None
    yield paragraphs(f"Expected: {finding.statement}")
    yield paragraphs(f"Found: {finding.broken}.")
    if finding.broken.inputs:
        yield "Inputs:"
    for name, value in finding.broken.inputs.items():
        yield "  " + shortened(f"{name} = {shown(value)}", LONGEST_INPUT)
    if verdict.error is not None:
        yield "No more was checked, because of an error:"
        yield paragraphs(str(verdict.error), "  ")
    yield ""
    yield f"A hint: seq2seq exercise {number} --hint"


def heading(exercise: Exercise) -> str:
    """Return number and title."""
    return f"Exercise {exercise.number}, {exercise.title}"


def paragraphs(text: str, indent: str = "") -> str:
    """Wrap a text to the width of the terminal, at most `WIDEST` columns."""
    width = max(40, min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns))
    return textwrap.fill(
        " ".join(text.split()), width, initial_indent=indent, subsequent_indent=indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
