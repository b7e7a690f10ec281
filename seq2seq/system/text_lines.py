r"""How text from outside becomes lines: UTF-8, ended by \n and nothing else.

Every text that a person gives is read here: corpora, `--hyps`, `--text`, `--gold`, standard input.
Files that the program wrote itself are read back by `seq2seq.system.files.read_back`, character by
character as they were written.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from seq2seq.errors import UserError, did_you_mean
from seq2seq.system.containers import DAMAGED, open_bytes, open_stream
from seq2seq.system.streams import ready_lines

BYTE_ORDER_MARK = "\ufeff"


class Place(NamedTuple):
    """Where something lies: a line of a file, or a row of what has no lines, counted from 1."""

    file: str
    line: int


class Defect(NamedTuple):
    """What is wrong at one place.

    Attributes:
        kind: what it is called in a report.
        place: where; of unequal counts, the last line of the longer file.
        refusal: what a training says of it and ends; None where it goes on.
    """

    kind: str
    place: Place
    refusal: UserError | None = None


Report = Callable[[Defect], None]


def refuse(defect: Defect) -> None:
    """Treat defects as a training does: the first that it cannot use ends the reading."""
    if defect.refusal:
        raise defect.refusal


def read_lines(path: Path, report: Report = refuse) -> Generator[str, None, None]:
    r"""Stream the lines of a file, each without its \n and one \r before that.

    Other characters that some readers break lines at (U+2028, U+0085, form feed, a lone \r) are
    text, and so is NUL. A byte-order mark at the beginning is not. The last line need not end with
    \n. Packed files are unpacked (`seq2seq.system.containers`).

    Args:
        path: the file.
        report: called with every defect; where it returns, reading goes on, with U+FFFD for what is
            not UTF-8.

    Raises:
        UserError: the file is missing, unreadable, not UTF-8, no text, or damaged.
    """
    with readable(path), open_bytes(path) as file:
        yield from decoded(file, f"{path}", path.name, report)


def read_stream(stream: Any, size: int, name: str = "standard input") -> Iterator[list[str]]:
    """Lists of up to `size` lines of an open binary stream: those that are ready.

    Raises:
        UserError: a line is not UTF-8, or the stream is no text; the sentence names it, and the
            lines before it have been yielded.
    """
    with readable(name):
        opened, first = open_stream(stream, name), 1
        for raw in ready_lines(opened, size, selectable=opened is stream):
            texts: list[str] = []
            ended = (line + b"\n" for line in raw)
            try:
                for text in decoded(ended, name, name, refuse, first):
                    texts.append(text)  # kept if a later line is refused
            except UserError:
                if texts:
                    yield texts
                raise
            if texts:
                yield texts
            first += len(raw)


def decoded(
    file: Iterable[bytes], name: str, short: str, report: Report, first: int = 1
) -> Iterator[str]:
    r"""The lines of a binary file that is cut at \n.

    Args:
        file: its lines with their ends.
        name: what a message calls it.
        short: what a report calls it.
        report: called with every defect.
        first: the number of the first line.
    """
    for number, raw in enumerate(file, start=first):
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            sentence = (
                f"{name} is not UTF-8 at line {number}, byte {error.start + 1}: {error.reason}"
            )
            report(Defect("not UTF-8", Place(short, number), UserError(sentence)))
            line = raw.decode("utf-8", "replace")
        if number == 1 and line.startswith(BYTE_ORDER_MARK):
            report(Defect("byte-order mark", Place(short, number)))
            line = line.removeprefix(BYTE_ORDER_MARK)
            if not line:
                return
        line = line.removesuffix("\n")
        if line.endswith("\r"):
            report(Defect("carriage return", Place(short, number)))
            line = line.removesuffix("\r")
        yield line


@contextmanager
def readable(path: Path | str) -> Iterator[None]:
    """Say in one sentence what keeps a file, or a stream of this name, from being read."""
    try:
        yield
    except DAMAGED as error:
        raise damaged(path, error) from error
    except FileNotFoundError as error:
        raise missing(Path(path)) from error
    except OSError as error:
        if error.errno is None:  # of the libraries that unpack, not of the system
            raise damaged(path, error) from error
        if isinstance(error, NotADirectoryError):
            raise missing(Path(path)) from error
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error


def damaged(path: Path | str, error: Exception) -> UserError:
    """What to raise for a file that cannot be unpacked, or decoded, to its end."""
    reason = str(error) or type(error).__name__
    if isinstance(error, UnicodeDecodeError):
        return UserError(f"{path} is not {error.encoding}, or was cut off: {error.reason}")
    return UserError(f"{path} is damaged or was cut off: unpacking it ends with {reason!r}")


def missing(path: Path) -> UserError:
    """What to raise for a file that is not there; names its nearest neighbour."""
    first = path
    while not first.parent.is_dir() and first.parent != first:
        first = first.parent
    if first != path and first.exists():
        return UserError(f"there is no file {path}: {first} is a file, not a folder of files")
    sentence = f"there is no file {path}" + ("" if first == path else f", nor a folder {first}")
    names = [neighbour.name for neighbour in first.parent.iterdir()]
    near = get_close_matches(first.name, names, n=1)
    return UserError(f"{sentence}; {did_you_mean(first.name, near)}" if near else sentence)
