r"""The only place where files become lines: UTF-8, plain or gzip, ended by \n and nothing else."""

import gzip
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from difflib import get_close_matches
from io import BufferedIOBase
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from seq2seq.corpora.text import Pair
from seq2seq.errors import UserError, did_you_mean

GZIP_MAGIC = b"\x1f\x8b"
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
    """Hear of defects as a training does: the first that it cannot bear ends the reading."""
    if defect.refusal:
        raise defect.refusal


def read_lines(path: Path, report: Report = refuse) -> Generator[str, None, None]:
    r"""Stream the lines of a file, each without its \n and one \r before that.

    Other characters that some readers break lines at (U+2028, U+0085, form feed, a lone \r) are
    text. A byte-order mark at the beginning is not.

    Args:
        path: the file.
        told: hears of every defect; where it returns, the reading goes on, with U+FFFD for what is
            not UTF-8.

    Raises:
        UserError: the file is missing, unreadable, not UTF-8, or damaged gzip.
    """
    try:
        with open_bytes(path) as file:
            for number, raw in enumerate(file, start=1):
                try:
                    line = raw.decode("utf-8")
                except UnicodeDecodeError as error:
                    sentence = (
                        f"{path} is not UTF-8 at line {number}, byte {error.start + 1}: "
                        f"{error.reason}"
                    )
                    report(Defect("not UTF-8", Place(path.name, number), UserError(sentence)))
                    line = raw.decode("utf-8", "replace")
                if number == 1 and line.startswith(BYTE_ORDER_MARK):
                    report(Defect("byte-order mark", Place(path.name, number)))
                    line = line.removeprefix(BYTE_ORDER_MARK)
                    if not line:
                        return
                line = line.removesuffix("\n")
                if line.endswith("\r"):
                    report(Defect("carriage return", Place(path.name, number)))
                    line = line.removesuffix("\r")
                yield line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path} is damaged: gzip ends with {str(error)!r}") from error
    except FileNotFoundError as error:
        raise missing(path) from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error


def read_pairs(source: Path, target: Path, report: Report = refuse) -> Iterator[Pair]:
    """Stream line i of one file with line i of the other, as far as both go.

    Raises:
        UserError: what `read_lines` says of either, or that one has more lines than the other.
    """
    with (
        closing(read_lines(source, report)) as sources,
        closing(read_lines(target, report)) as targets,
    ):
        for count, (left, right) in enumerate(zip_longest(sources, targets)):
            if left is None or right is None:
                rest = 1 + sum(1 for _ in sources) + sum(1 for _ in targets)
                counts = (count, count + rest) if left is None else (count + rest, count)
                sentence = (
                    f"{source} has {counts[0]:,} lines and {target} has {counts[1]:,}: "
                    "line i of one must be the translation of line i of the other"
                )
                last = Place((target if left is None else source).name, max(counts))
                report(Defect("unequal counts", last, UserError(sentence)))
                return
            yield Pair(left, right)


def one_line(text: str) -> str:
    """A text that did not come from a line, without the line ends inside it."""
    return text.replace("\r\n", " ").replace("\n", " ")


def open_bytes(path: Path) -> BufferedIOBase:
    """Open a file, unpacked where its content (not its name) is gzip."""
    with path.open("rb") as file:
        packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    return gzip.open(path) if packed else path.open("rb")


def missing(path: Path) -> UserError:
    """What to raise for a file that is not there; names its nearest neighbour."""
    first = path
    while not first.parent.is_dir() and first.parent != first:
        first = first.parent
    sentence = f"there is no file {path}" + ("" if first == path else f", nor a folder {first}")
    names = [neighbour.name for neighbour in first.parent.iterdir()]
    near = get_close_matches(first.name, names, n=1)
    return UserError(f"{sentence}; {did_you_mean(first.name, near)}" if near else sentence)
