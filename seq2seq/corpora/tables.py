"""A user's own tables, both sides in one file: tab-separated columns, or JSON objects."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from seq2seq.config import Folder, Positive
from seq2seq.corpora.base import Corpus, Pair, by_name
from seq2seq.corpora.lines import Defect, Place, Report, one_line, read_lines, refuse
from seq2seq.errors import UserError, did_you_mean

EXTENSIONS = {".gz", ".tsv", ".txt", ".jsonl", ".json"}


class Table(Corpus):
    """One file a split, ROOT/FILE, one pair a line."""

    def __init__(
        self,
        *,
        source: str,
        target: str,
        root: Folder,
        train: str,
        validation: str,
        tests: list[str],
        max_length: Positive,
        tokenized: bool,
    ) -> None:
        super().__init__(
            source=source,
            target=target,
            train=train,
            validation=validation,
            tests=by_name(tests, _stem),
            max_length=max_length,
            tokenized=tokenized,
        )
        self.root = root

    def path(self, split: str) -> Path:
        """The file of the split."""
        return Path(self.root).expanduser() / self.part(split)

    def where(self, split: str) -> str:
        """The file."""
        return str(self.path(split))

    def read(self, split: str) -> Iterator[Pair]:
        """Stream the two sides of every line."""
        return self.scan(split, refuse)

    def place(self, split: str, row: int, side: int) -> Place:
        """The line, which holds both sides."""
        return Place(self.path(split).name, row + 1)


class Tsv(Table):
    """Tab-separated columns, plain or gzip; quotes and backslashes are text.

    Args:
        source: language translated from
        target: language translated into
        root: folder of the files
        train: name of the training file
        validation: name of the validation file
        tests: names of the test sets' files; without .tsv and .gz they name the sets
        source_column: column of the source side, its number from 0 or its name in the header
        target_column: column of the target side, its number from 0 or its name in the header
        header: true if the first line names the columns
        max_length: longest pair to train on, in pieces a side
        tokenized: true if the text is already tokenised; tokenised BLEU is then measured too
    """

    def __init__(
        self,
        *,
        source: str,
        target: str,
        root: Folder,
        train: str,
        validation: str,
        tests: list[str],
        source_column: str,
        target_column: str,
        header: bool,
        max_length: Positive,
        tokenized: bool,
    ) -> None:
        super().__init__(
            source=source,
            target=target,
            root=root,
            train=train,
            validation=validation,
            tests=tests,
            max_length=max_length,
            tokenized=tokenized,
        )
        self.source_column = source_column
        self.target_column = target_column
        self.header = header

    def scan(self, split: str, report: Report) -> Iterator[Pair]:
        """Stream the two columns of every line but the header; without both they are empty."""
        path = self.path(split)
        with closing(read_lines(path, report)) as read:
            lines = enumerate(read, start=1)
            names = next(lines, (1, ""))[1].split("\t") if self.header else []
            columns = (self.source_column, self.target_column)
            source, target = (self._number(path, column, names) for column in columns)
            for number, line in lines:
                fields = line.split("\t")
                if len(fields) > max(source, target):
                    yield Pair(fields[source], fields[target])
                    continue
                sentence = (
                    f"line {number} of {path} has {len(fields)} columns, "
                    f"but column {max(source, target)} (counted from 0) is asked for"
                )
                report(Defect("too few columns", Place(path.name, number), UserError(sentence)))
                yield Pair("", "")

    def origin(self, split: str) -> tuple[Path | str, ...]:
        """The file, and which columns are read."""
        return self.path(split), self.source_column, self.target_column, str(self.header)

    def place(self, split: str, row: int, side: int) -> Place:
        """The line, with the header before it."""
        return Place(self.path(split).name, row + 1 + self.header)

    def _number(self, path: Path, column: str, names: list[str]) -> int:
        if column in names:
            return names.index(column)
        if column.isdecimal() and len(column) < 10:
            return int(column)
        reason = did_you_mean(column, names) if self.header else "without a header, give its number"
        raise UserError(f"{path} has no column {column!r}; {reason}")


class Jsonl(Table):
    """One JSON object a line, plain or gzip; line ends inside a text become spaces.

    Args:
        source: language translated from
        target: language translated into
        root: folder of the files
        train: name of the training file
        validation: name of the validation file
        tests: names of the test sets' files; without .jsonl and .gz they name the sets
        source_field: field of the source side, dotted where it lies deeper
        target_field: field of the target side, dotted where it lies deeper
        max_length: longest pair to train on, in pieces a side
        tokenized: true if the text is already tokenised; tokenised BLEU is then measured too
    """

    def __init__(
        self,
        *,
        source: str,
        target: str,
        root: Folder,
        train: str,
        validation: str,
        tests: list[str],
        source_field: str,
        target_field: str,
        max_length: Positive,
        tokenized: bool,
    ) -> None:
        super().__init__(
            source=source,
            target=target,
            root=root,
            train=train,
            validation=validation,
            tests=tests,
            max_length=max_length,
            tokenized=tokenized,
        )
        self.source_field = source_field
        self.target_field = target_field

    def origin(self, split: str) -> tuple[Path | str, ...]:
        """The file, and which fields are read."""
        return self.path(split), self.source_field, self.target_field

    def scan(self, split: str, report: Report) -> Iterator[Pair]:
        """Stream the two fields of every object; where they cannot be had they are empty."""
        path = self.path(split)
        fields = self.source_field, self.target_field
        with closing(read_lines(path, report)) as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    record = json.loads(line)
                    pair = Pair(*(_field(record, field) for field in fields))
                except (ValueError, RecursionError) as error:
                    known = isinstance(error, UserError)
                    kind = "no such text" if known else "not JSON"
                    reason = f"{error}" if known else f"is not JSON: {error}"
                    sentence = f"line {number} of {path} {reason}"
                    report(Defect(kind, Place(path.name, number), UserError(sentence)))
                    pair = Pair("", "")
                yield pair


def _field(record: Any, field: str) -> str:
    """The text at a dotted name; the error is the end of a sentence about the line."""
    value = record
    for key in field.split("."):
        if not isinstance(value, dict) or key not in value:
            known = value if isinstance(value, dict) else ()
            raise UserError(f"has no field {field!r}: at {key!r}, {did_you_mean(key, known)}")
        value = value[key]
    if not isinstance(value, str):
        raise UserError(f"has {type(value).__name__} in the field {field!r}, not text")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UserError(
            f"has half a character (a lone surrogate) in the field {field!r}"
        ) from error
    return one_line(value)


def _stem(file: str) -> str:
    path = Path(file)
    while path.suffix in EXTENSIONS:
        path = path.with_suffix("")
    return path.name
