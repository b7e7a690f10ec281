"""A user's own tables, both sides in one file: columns between delimiters, or JSON objects."""

from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Unpack

from seq2seq.corpora.base import Pair
from seq2seq.corpora.delimited import Form, delimiter_of, table_pairs
from seq2seq.corpora.lines import Place, Report
from seq2seq.corpora.objects import fields_of, object_pairs
from seq2seq.corpora.places import LineNumbers
from seq2seq.corpora.splits import Keys, Splits
from seq2seq.system.containers import SUFFIXES

EXTENSIONS = {".tsv", ".csv", ".txt", ".jsonl", ".json", *SUFFIXES}


class Table(Splits):
    """One file a split, ROOT/FILE, or one file for all, with both sides in it."""

    def __init__(self, **keys: Unpack[Keys]) -> None:
        super().__init__(**keys)
        self._lines: dict[str, LineNumbers] = {}

    @abstractmethod
    def numbered(self, path: Path, report: Report) -> Iterator[tuple[int, Pair]]:
        """Stream the pairs of a file, each with the line where it begins."""

    def name(self, part: str) -> str:
        """The name of the file without the endings that say what it is."""
        return _stem(part)

    def path(self, split: str) -> Path:
        """The file of the split."""
        return Path(self.root).expanduser() / self.part(split)

    def where(self, split: str) -> str:
        """The file."""
        return str(self.path(split))

    def stream(self, split: str, report: Report) -> Iterator[Pair]:
        """Stream the two sides of every record; where they cannot be read they are empty."""
        lines = self._lines[self.part(split)] = LineNumbers()
        for line, pair in self.numbered(self.path(split), report):
            lines.append(line)
            yield pair

    def line(self, split: str, row: int, side: int) -> Place:
        """The line where the record begins, which holds both sides."""
        lines = self._lines.get(self.part(split), LineNumbers())
        return Place(self.path(split).name, lines[row])


class Tsv(Table):
    """Tab-separated columns; quotes and backslashes are text.

    Args:
        source_column: column of the source side, its number from 0 or its name in the header
        target_column: column of the target side, its number from 0 or its name in the header
        header: true if the first line names the columns
    """

    ending = ".tsv"

    def __init__(
        self,
        *,
        source_column: str,
        target_column: str,
        header: bool,
        **keys: Unpack[Keys],
    ) -> None:
        super().__init__(**keys)
        self.source_column = source_column
        self.target_column = target_column
        self.form = Form("\t", quotes=False, header=header)

    def numbered(self, path: Path, report: Report) -> Iterator[tuple[int, Pair]]:
        """Stream the two columns of every line but the header."""
        return table_pairs(path, self.form, ([self.source_column], [self.target_column]), report)

    def reads(self, split: str) -> tuple[Path | str, ...]:
        """The file, and which columns are read."""
        return self.path(split), self.source_column, self.target_column, repr(self.form)


class Csv(Tsv):
    """Comma-separated columns; cells may be quoted, and then have delimiters and line ends.

    Quotes are those of RFC 4180. Line ends inside a text become spaces.

    Args:
        source_column: column of the source side, its name in the header or its number from 0
        target_column: column of the target side, its name in the header or its number from 0
        header: true if the first line names the columns
        delimiter: what is between columns: a character, or comma, semicolon, tab or pipe
    """

    ending = ".csv"

    def __init__(
        self,
        *,
        source_column: str,
        target_column: str,
        header: bool,
        delimiter: str,
        **keys: Unpack[Keys],
    ) -> None:
        super().__init__(
            source_column=source_column,
            target_column=target_column,
            header=header,
            **keys,
        )
        self.form = Form(delimiter_of(delimiter), quotes=True, header=header)


class Jsonl(Table):
    """One JSON object a line, or an array of them; line ends inside a text become spaces.

    A text is found by its language in the field `translation.LANGUAGE` or LANGUAGE. A null is an
    empty text, and blank lines are skipped.

    Args:
        source_field: field of the source side, dotted if it lies deeper; null finds its language
        target_field: field of the target side, dotted if it lies deeper; null finds its language
    """

    ending = ".jsonl"

    def __init__(
        self,
        *,
        source_field: str | None,
        target_field: str | None,
        **keys: Unpack[Keys],
    ) -> None:
        super().__init__(**keys)
        self.fields = (
            fields_of(source_field, keys["source"]),
            fields_of(target_field, keys["target"]),
        )

    def numbered(self, path: Path, report: Report) -> Iterator[tuple[int, Pair]]:
        """Stream the two fields of every object."""
        return object_pairs(path, self.fields, report)

    def reads(self, split: str) -> tuple[Path | str, ...]:
        """The file, and which fields are read."""
        return self.path(split), repr(self.fields)


def _stem(file: str) -> str:
    path = Path(file)
    while path.suffix in EXTENSIONS:
        path = path.with_suffix("")
    return path.name
