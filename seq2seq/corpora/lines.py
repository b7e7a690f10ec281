"""Read two files line by line as pairs (`seq2seq.system.text_lines` reads one file)."""

from collections.abc import Iterator
from contextlib import closing
from itertools import zip_longest
from pathlib import Path

from seq2seq.corpora.text import Pair
from seq2seq.errors import UserError
from seq2seq.system.text_lines import Defect, Place, Report, missing, read_lines, refuse
from seq2seq.text.markup import refuse_markup

__all__ = [
    "Defect",
    "Place",
    "Report",
    "missing",
    "one_line",
    "read_lines",
    "read_pairs",
    "refuse",
    "refuse_tagged_files",
]


def read_pairs(source: Path, target: Path, report: Report = refuse) -> Iterator[Pair]:
    """Stream line i of one file with line i of the other, up to the end of the shorter file.

    Raises:
        UserError: a file cannot be read (see `read_lines`), or one has more lines than the other.
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


def refuse_tagged_files(*paths: Path) -> None:
    """Reject files whose first lines are all tagged or otherwise not plain text.

    Raises:
        UserError: a file is not plain text, or cannot be read; the message names it.
    """
    for path in paths:
        with closing(read_lines(path)) as lines:
            refuse_markup(lines, f"{path}")


def one_line(text: str) -> str:
    """Replace line ends inside a text by spaces."""
    return text.replace("\r\n", " ").replace("\n", " ")
