"""What every corpus promises: named splits of pairs, streamed as they lie or from the cache."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from seq2seq.alignment.gold import Gold
from seq2seq.corpora.known import Content, remembered
from seq2seq.corpora.lines import Place, Report
from seq2seq.corpora.text import Pair, Text, content
from seq2seq.errors import UserError, did_you_mean
from seq2seq.text.markup import SAMPLE, refuse_markup

__all__ = ["Corpus", "Pair", "Text", "by_name"]


class Corpus(ABC):
    """Parallel text in splits: "train", "validation" and any number of named tests.

    A plug-in says where a split lies and how it is read; storing and checking are done here.

    Args:
        source: language code of the source side.
        target: language code of the target side.
        train: what holds the training split: a file, a prefix of files, a name.
        validation: the same for the validation split.
        tests: the same for every test set, by its name.
        max_length: the most pieces a side in training.
        tokenized: whether the text is already tokenised.
    """

    def __init__(
        self,
        *,
        source: str,
        target: str,
        train: str,
        validation: str,
        tests: dict[str, str],
        max_length: int,
        tokenized: bool,
    ) -> None:
        if max_length < 1:
            raise UserError(f"data.max_length is {max_length}, but a sentence has at least 1 piece")
        self.source = source
        self.target = target
        self.tests = tuple(tests)
        self.max_length = max_length
        self.tokenized = tokenized
        self._parts = {"train": train, "validation": validation}
        for name, part in tests.items():
            if name in ("", "..") or Path(name).name != name:  # it names a folder of the run
                raise UserError(f"a test set cannot be called {name!r}, which is no plain name")
            if self._parts.setdefault(name, part) != part:
                raise UserError(f"a test set cannot be called {name!r}, which names another split")

    @property
    def splits(self) -> tuple[str, ...]:
        """The names that the other methods take."""
        return ("train", "validation", *self.tests)

    @abstractmethod
    def read(self, split: str) -> Iterator[Pair]:
        """Stream every pair in file order, those with an empty side included.

        What has to be fetched for it is fetched before this returns.
        """

    @abstractmethod
    def where(self, split: str) -> str:
        """The files or the dataset that hold the split, as a message names them."""

    def scan(self, split: str, report: Report) -> Iterator[Pair]:
        """Like `read`, but `report` hears of every defect, and where it returns, reading goes on.

        Nothing is skipped: a pair that `read` refuses comes as well as it can be read.
        """
        return self.read(split)

    def place(self, split: str, row: int, side: int) -> Place:
        """Where one side of a pair lies; rows count from 0, the source is side 0."""
        return Place(split, row + 1)

    def origin(self, split: str) -> tuple[Path | str, ...]:
        """The files that `read` reads, and the words that decide how; nothing if it has no files.

        As long as they stay as they are, so do the pairs, and are not read to see that.
        """
        return ()

    def division(self) -> dict[str, Any] | None:
        """How one file was divided into the splits, for run.json; None where it was not."""
        return None

    def describe(self) -> list[str]:
        """What a person should know of the splits before they are used, a line each."""
        return []

    def gold(self, split: str) -> Iterable[Gold] | None:
        """Word alignments of the split, pair by pair; None where the corpus has none."""
        return None

    def part(self, split: str) -> str:
        """What holds the split, as it was given to the constructor.

        Raises:
            UserError: there is no such split.
        """
        if split not in self._parts:
            raise UserError(f"there is no split {split!r}; {did_you_mean(split, self.splits)}")
        return self._parts[split]

    def content(self, split: str) -> Content:
        """What tells the pairs of a split as they are now from others, whatever the files."""
        return remembered(
            (type(self).__qualname__, *self.origin(split)),
            lambda: content(self.read(split), what=f"checking {split}"),
        )

    def text(self, split: str) -> Text:
        """The split, read from the cache; stored there first where its content is new.

        Raises:
            UserError: there is no such split, it cannot be read, or it is empty.
        """
        text = Text.store(self.content(split), self.read(split), what=f"reading {split}")
        if not len(text):
            raise self.without_lines(split)
        refuse_tagged(islice(text, SAMPLE), self.where(split))
        return text

    def without_lines(self, split: str) -> UserError:
        """What to raise for a split that holds nothing."""
        return UserError(f"{split} is empty: there are no lines in {self.where(split)}")


def refuse_tagged(pairs: Iterable[Pair], where: str) -> None:
    """Refuse a text of which one side is no plain text (`seq2seq.text.markup`).

    Args:
        pairs: its first ones.
        where: what holds them, as a message names it.
    """
    pairs = list(pairs)
    refuse_markup((pair.source for pair in pairs), f"the source side of {where}")
    refuse_markup((pair.target for pair in pairs), f"the target side of {where}")


def by_name(parts: Iterable[str], name: Callable[[str], str]) -> dict[str, str]:
    """Test sets by their names.

    Raises:
        UserError: two of them would have the same name.
    """
    named: dict[str, str] = {}
    for part in parts:
        if (other := named.setdefault(name(part), part)) != part:
            raise UserError(f"the test sets {other!r} and {part!r} would both be {name(part)!r}")
    return named
