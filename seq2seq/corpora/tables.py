"""Base class of corpora with both sides in one file: delimited columns, JSON objects or TMX."""

from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Unpack

from seq2seq.corpora.base import Pair
from seq2seq.corpora.lines import Place, Report
from seq2seq.corpora.places import LineNumbers
from seq2seq.corpora.splits import Keys, Splits
from seq2seq.system.containers import SUFFIXES

EXTENSIONS = {".tsv", ".csv", ".txt", ".jsonl", ".json", *SUFFIXES}


class Table(Splits):
    """One file per split, ROOT/FILE, or one file for all splits, with both sides in it."""

    def __init__(self, **keys: Unpack[Keys]) -> None:
        super().__init__(**keys)
        self._lines: dict[str, LineNumbers] = {}

    @abstractmethod
    def numbered(self, path: Path, report: Report) -> Iterator[tuple[int, Pair]]:
        """Stream the pairs of a file, each with the first line of its record."""

    def name(self, part: str) -> str:
        """Return the name of the file without its extensions."""
        return _stem(part)

    def path(self, split: str) -> Path:
        """Return the file of the split."""
        return Path(self.root).expanduser() / self.part(split)

    def where(self, split: str) -> str:
        """Return the name of the file."""
        return str(self.path(split))

    def stream(self, split: str, report: Report) -> Iterator[Pair]:
        """Stream the two sides of every record; unreadable records are empty pairs."""
        lines = self._lines[self.part(split)] = LineNumbers()
        for line, pair in self.numbered(self.path(split), report):
            lines.append(line)
            yield pair

    def line(self, split: str, row: int, side: int) -> Place:
        """Return the first line of the record, which holds both sides."""
        lines = self._lines.get(self.part(split), LineNumbers())
        return Place(self.path(split).name, lines[row])


def _stem(file: str) -> str:
    path = Path(file)
    while path.suffix in EXTENSIONS:
        path = path.with_suffix("")
    return path.name
