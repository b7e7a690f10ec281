r"""Read the lines of user-supplied text: UTF-8, ended by \n only.

All text supplied by the user is read here: corpora, `--hyps`, `--text`, `--gold`, standard input.
Files written by this program are read unchanged, by `seq2seq.system.files.read_lines_checked`.
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
    """A 1-based line of a file, or a row of a file without lines."""

    file: str
    line: int


class Defect(NamedTuple):
    """A defect of the input at one place.

    Attributes:
        kind: the name of the defect in a report.
        place: the position; for unequal line counts, the last line of the longer file.
        refusal: the error that training raises; None if training accepts the defect.
    """

    kind: str
    place: Place
    refusal: UserError | None = None


Report = Callable[[Defect], None]


def refuse(defect: Defect) -> None:
    """Raise the error of a defect that training does not accept.

    Raises:
        UserError: `defect.refusal`.
    """
    if defect.refusal:
        raise defect.refusal


def read_lines(path: Path, report: Report = refuse) -> Generator[str, None, None]:
    r"""Stream the lines of a file, each without its \n or \r\n.

    Other characters that some programs treat as line breaks (U+2028, U+0085, form feed, a lone \r)
    are text, and so is NUL. A byte-order mark at the start is dropped. The last line need not end
    with \n. Compressed files are decompressed (`seq2seq.system.containers`).

    Args:
        path: the file.
        report: called with every defect; if it returns, reading continues, with U+FFFD for invalid
            UTF-8.

    Raises:
        UserError: the file is missing, unreadable, not UTF-8, not text, or damaged.
    """
    with readable(path), open_bytes(path) as file:
        yield from decoded(file, f"{path}", path.name, report)


def read_stream(stream: Any, size: int, name: str = "standard input") -> Iterator[list[str]]:
    """Yield lists of up to `size` lines of an open binary stream, as soon as they are ready.

    Raises:
        UserError: a line is not UTF-8, or the stream is not text; the message names the line, and
            the lines before it have been yielded.
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
    r"""Decode the lines of a binary file.

    Args:
        file: the lines, with their \n.
        name: the name of the file in error messages.
        short: the name of the file in reports.
        report: called with every defect.
        first: the number of the first line.
    """
    for number, raw in enumerate(file, start=first):
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            message = (
                f"{name} is not UTF-8 at line {number}, byte {error.start + 1}: {error.reason}"
            )
            report(Defect("not UTF-8", Place(short, number), UserError(message)))
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
    """Convert errors while reading a file, or a stream of this name, to a UserError.

    Raises:
        UserError: the file is missing, damaged or cannot be read.
    """
    try:
        yield
    except DAMAGED as error:
        raise damaged(path, error) from error
    except FileNotFoundError as error:
        raise missing(Path(path)) from error
    except OSError as error:
        if error.errno is None:  # raised by a decompression library, not by the system
            raise damaged(path, error) from error
        if isinstance(error, NotADirectoryError):
            raise missing(Path(path)) from error
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error


def damaged(path: Path | str, error: Exception) -> UserError:
    """The error for a file that cannot be decompressed or decoded to its end."""
    reason = str(error) or type(error).__name__
    if isinstance(error, UnicodeDecodeError):
        return UserError(f"{path} is not {error.encoding}, or was cut off: {error.reason}")
    return UserError(f"{path} is damaged or was cut off: decompression failed with {reason!r}")


def missing(path: Path) -> UserError:
    """The error for a file that does not exist; suggests a file with a similar name."""
    first = path
    while not first.parent.is_dir() and first.parent != first:
        first = first.parent
    if first != path and first.exists():
        return UserError(f"there is no file {path}: {first} is a file, not a folder of files")
    message = f"there is no file {path}" + ("" if first == path else f", nor a folder {first}")
    names = [sibling.name for sibling in first.parent.iterdir()]
    near = get_close_matches(first.name, names, n=1)
    return UserError(f"{message}; {did_you_mean(first.name, near)}" if near else message)
