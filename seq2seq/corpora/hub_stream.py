"""Streams of the training pairs of a dataset, for `data=hub data.streaming=true`."""

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from seq2seq.corpora.hub_dataset import HubDataset, quiet
from seq2seq.corpora.lines import Defect, Place, Report, one_line
from seq2seq.corpora.streams import PairStream
from seq2seq.corpora.text import Pair
from seq2seq.errors import UserError

SPLIT = re.compile(r"(?P<name>[^\[\]+]+)(\[(?P<first>\d*):(?P<last>\d*)\])?")


class Part(NamedTuple):
    """Consecutive rows of a split of a dataset."""

    name: str
    first: int
    last: int

    @classmethod
    def parse(cls, part: str) -> "Part":
        """Parse the name of a split, with or without a slice such as `train[2000:]`.

        Raises:
            UserError: the slice needs the number of rows, or is empty.
        """
        match = SPLIT.fullmatch(part)
        if not match:
            raise UserError(
                f"the split {part!r} needs the number of its rows, which is not known with "
                "data.streaming=true: give a name, or numbers of rows as in train[2000:]"
            )
        found = cls(match["name"], int(match["first"] or 0), int(match["last"] or sys.maxsize))
        if found.last <= found.first:
            raise UserError(f"the split {part!r} is empty")
        return found


class Share(NamedTuple):
    """The share of a process: every `ranks`-th pair, or all pairs of every `ranks`-th file."""

    rank: int = 0
    ranks: int = 1


class TypedStream(PairStream):
    """The pairs of Parquet or Arrow files, read by `datasets`.

    Args:
        dataset: the dataset.
        part: the rows to read.
        columns: the column of each side; `translation.en` is a nested one.
        share: the share of this process.
        report: called with every null, which is read as an empty text.
    """

    def __init__(
        self,
        dataset: HubDataset,
        part: Part,
        columns: tuple[str, str],
        share: Share,
        report: Report,
    ) -> None:
        super().__init__(f"{dataset.name}, split {part.name}", remote=dataset.remote)
        self.dataset, self.part, self.columns, self.share = dataset, part, columns, share
        self.report = report

    def open(self, place: dict[str, Any] | None) -> Iterator[Pair]:
        """Start reading from a position."""
        with quiet():
            self._dataset = self.dataset.iterable(*self.part, *self.share)
            if place is not None:
                self._dataset.load_state_dict(place)
        return self._read_rows()

    def place(self) -> dict[str, Any]:
        """Return the position, as `datasets` describes it."""
        found: dict[str, Any] = self._dataset.state_dict()
        return found

    def _read_rows(self) -> Iterator[Pair]:
        for number, row in enumerate(self._dataset, start=1):
            source, target = (text_of(row, column) for column in self.columns)
            if source is None or target is None:
                self.report(Defect("null", Place(self.part.name, number)))
            yield Pair(one_line(source or ""), one_line(target or ""))


def text_of(row: Any, column: str) -> str | None:
    """Return a column of a row; `translation.en` is the key `en` of the column `translation`."""
    if column not in row:
        outer, _, inner = column.partition(".")
        row, column = row[outer] or {}, inner
    text: str | None = row.get(column)
    return text


class FileStream(PairStream):
    """The pairs of files, read by the readers of this package.

    Args:
        what: the dataset, for messages.
        files: name and path of each file.
        part: the rows to read, counted over all files.
        read: streams the pairs of a file.
        share: the share of this process.
    """

    def __init__(
        self,
        what: str,
        files: Sequence[tuple[str, Path]],
        part: Part,
        read: Callable[[str, Path], Iterator[Pair]],
        share: Share,
    ) -> None:
        super().__init__(what)
        self.files, self.part, self.read, self.share = files, part, read, share

    def open(self, place: dict[str, Any] | None) -> Iterator[Pair]:
        """Start reading from a position; the rows before it in the same file are skipped."""
        place = place or {"file": 0, "row": 0, "total": 0}
        self._file, self._row, self._total = place["file"], place["row"], place["total"]
        return self._read_rows()

    def place(self) -> dict[str, Any]:
        """Return the number of the file, of the row in it, and of the row in all files."""
        return {"file": self._file, "row": self._row, "total": self._total}

    def _read_rows(self) -> Iterator[Pair]:
        while self._file < len(self.files):
            for pair in islice(self.read(*self.files[self._file]), self._row, None):
                number = self._total - self.part.first
                if self._total >= self.part.last:
                    return
                self._row, self._total = self._row + 1, self._total + 1
                if number >= 0 and number % self.share.ranks == self.share.rank:
                    yield pair
            self._file, self._row = self._file + 1, 0
