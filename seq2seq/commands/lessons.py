"""`seq2seq lessons`: list the lessons, copy one, show one with its results, or make a notebook.

A lesson is a Python file in percent format: `# %% [markdown]` begins a cell of text, written as
comments, and `# %%` a cell of code. It runs as a script, and jupytext converts it to a notebook.
The first cell has the title, and a line with what the lesson needs and how long it takes.
"""

import io
import os
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from seq2seq.errors import UserError
from seq2seq.package_data import data_folder
from seq2seq.system.files import replacing

TITLE = re.compile(r"# (\d+)\. (.+)")
FACTS = re.compile(r"\*Needs: (.+)\. Time: (\d+) s\.\*")
PICTURE = re.compile(r"!\[[^\]]*\]\(([\w.-]+)\)")


class Cell(NamedTuple):
    """A cell of a lesson.

    Attributes:
        text: Markdown, or code.
        is_code: whether it is code.
        line: the number of its first line in the file, from 1.
    """

    text: str
    is_code: bool
    line: int


@dataclass(frozen=True)
class Lesson:
    """A lesson.

    Attributes:
        path: the file.
        number: its number, from 1.
        title: the title, in Markdown.
        needs: the lessons to read first.
        seconds: how long it takes on one CPU core.
        cells: the cells.
    """

    path: Path
    number: int
    title: str
    needs: str
    seconds: int
    cells: tuple[Cell, ...]

    @classmethod
    def read(cls, path: Path) -> "Lesson":
        """Read a lesson.

        Raises:
            ValueError: the first cell has no title, or no line with needs and time.
        """
        cells = tuple(cells_of(path.read_text("utf-8")))
        title, facts = TITLE.match(cells[0].text), FACTS.search(cells[0].text)
        if title is None or facts is None:
            raise ValueError(
                f"{path}: the first cell must begin with `# NUMBER. TITLE` and have a line "
                "`*Needs: LESSONS. Time: SECONDS s.*`"
            )
        return cls(path, int(title[1]), title[2], facts[1], int(facts[2]), cells)

    @property
    def pictures(self) -> list[str]:
        """The names of the pictures that the lesson draws and shows."""
        return PICTURE.findall("\n".join(cell.text for cell in self.cells if not cell.is_code))


def cells_of(text: str) -> Iterator[Cell]:
    """Divide a file in percent format into its cells."""
    parts = re.split(r"^# %%(.*)\n", text, flags=re.M)
    line = 1 + parts[0].count("\n")
    for kind, body in zip(parts[1::2], parts[2::2], strict=True):
        is_code = kind.strip() != "[markdown]"
        shown = body if is_code else re.sub(r"^# ?", "", body, flags=re.M)
        yield Cell(shown.strip("\n"), is_code, line + 1)
        line += 1 + body.count("\n")


def all_lessons() -> list[Lesson]:
    """Return all lessons in order."""
    return [Lesson.read(path) for path in sorted(data_folder("lessons").glob("[0-9]*.py"))]


def lesson(number: int) -> Lesson:
    """Return the lesson with a number.

    Raises:
        UserError: there is none.
    """
    known = {one.number: one for one in all_lessons()}
    if number not in known:
        raise UserError(
            f"there is no lesson {number}: lessons are numbered from {min(known)} to "
            f"{max(known)} (`seq2seq lessons` lists them)"
        )
    return known[number]


def run(lesson: Lesson) -> Iterator[tuple[Cell, str]]:
    """Run a lesson cell by cell; yield each cell with what it prints.

    Pictures are written to the working directory.
    """
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for cell in lesson.cells:
        printed = io.StringIO()
        if cell.is_code:  # a traceback has the line of the file
            code = compile("\n" * (cell.line - 1) + cell.text, str(lesson.path), "exec")
            with redirect_stdout(printed):
                exec(code, namespace)
        yield cell, printed.getvalue().rstrip("\n")


def page(lesson: Lesson) -> str:
    """Run a lesson and return it as Markdown, with what it prints."""
    hint = (
        f"`seq2seq lessons {lesson.number}` copies this lesson, "
        f"`seq2seq lessons {lesson.number} --notebook` makes a notebook of it. "
        f"([All lessons](index.md))"
    )
    parts = []
    for cell, printed in run(lesson):
        parts.append(f"```python\n{cell.text}\n```" if cell.is_code else cell.text)
        if printed:
            parts.append(f"```text\n{printed}\n```")
    return "\n\n".join([*parts, hint, ""])


def show(lesson: Lesson) -> list[Path]:
    """Run a lesson and print its text, its code and what the code prints.

    Returns:
        The pictures, in the working directory.
    """
    for cell, printed in run(lesson):
        print(re.sub(r"^(?=.)", "    ", cell.text, flags=re.M) if cell.is_code else cell.text)
        print(f"\n{printed}\n" if printed else "", flush=True)
    return [Path(name) for name in lesson.pictures]


def copy(lesson: Lesson) -> Path:
    """Copy a lesson to the working directory; return the path of the copy.

    Raises:
        UserError: there is another file with its name.
    """
    return write_new(Path(lesson.path.name), lesson.path.read_bytes())


def notebook(lesson: Lesson) -> Path:
    """Write a lesson as a Jupyter notebook to the working directory; return its path.

    Raises:
        UserError: jupytext is not installed, or there is another file with the name.
    """
    try:
        import jupytext
    except ModuleNotFoundError as error:
        raise UserError(
            "--notebook needs jupytext: pip install 'seq2seq-toolkit[lessons]'"
        ) from error
    book = jupytext.reads(lesson.path.read_text("utf-8"), fmt="py:percent")
    for number, cell in enumerate(book.cells, 1):  # the same bytes each time
        cell["id"] = f"cell-{number}"
    content = jupytext.writes(book, fmt="ipynb").rstrip("\n") + "\n"
    return write_new(Path(lesson.path.with_suffix(".ipynb").name), content.encode())


def write_new(path: Path, content: bytes) -> Path:
    """Write a file unless it exists with this content; return its path.

    Raises:
        UserError: it exists with another content.
    """
    if os.path.lexists(path):
        if path.is_file() and path.read_bytes() == content:
            return path
        raise UserError(
            f"{path} exists and differs from the lesson, so it is not replaced: rename or delete it"
        )
    with replacing(path, "wb") as file:
        file.write(content)
    return path
