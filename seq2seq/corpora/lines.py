r"""The only place where files become lines: UTF-8, plain or gzip, ended by \n and nothing else."""

import gzip
import zlib
from collections.abc import Iterator
from difflib import get_close_matches
from io import BufferedIOBase
from itertools import zip_longest
from pathlib import Path

from seq2seq.corpora.text import Pair
from seq2seq.errors import UserError, did_you_mean

GZIP_MAGIC = b"\x1f\x8b"
BYTE_ORDER_MARK = "\ufeff"


def read_lines(path: Path) -> Iterator[str]:
    r"""Stream the lines of a file, each without its \n and one \r before that.

    Other characters that some readers break lines at (U+2028, U+0085, form feed, a lone \r) are
    text. A byte-order mark at the beginning is not.

    Raises:
        UserError: the file is missing, unreadable, not UTF-8, or damaged gzip.
    """
    number = 0
    try:
        with open_bytes(path) as file:
            for number, raw in enumerate(file, start=1):
                line = raw.decode("utf-8")
                if number == 1:
                    line = line.removeprefix(BYTE_ORDER_MARK)
                    if not line:
                        return
                yield line.removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8 at line {number}, byte {error.start + 1}: {error.reason}"
        ) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path} is damaged: gzip ends with {str(error)!r}") from error
    except FileNotFoundError as error:
        raise missing(path) from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error


def read_pairs(source: Path, target: Path) -> Iterator[Pair]:
    """Stream line i of one file with line i of the other.

    Raises:
        UserError: what `read_lines` says of either, or that one has more lines than the other.
    """
    sources, targets = read_lines(source), read_lines(target)
    for count, (left, right) in enumerate(zip_longest(sources, targets)):
        if left is None or right is None:
            rest = 1 + sum(1 for _ in sources) + sum(1 for _ in targets)
            counts = (count, count + rest) if left is None else (count + rest, count)
            raise UserError(
                f"{source} has {counts[0]:,} lines and {target} has {counts[1]:,}: "
                "line i of one must be the translation of line i of the other"
            )
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
