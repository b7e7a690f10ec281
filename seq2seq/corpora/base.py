"""The corpus interface: named splits of sentence pairs, streamed from files or from the cache."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq2seq.alignment.gold import Gold
from seq2seq.corpora.content_cache import Content, cached_content
from seq2seq.corpora.lines import Place, Report
from seq2seq.corpora.streams import PairStream
from seq2seq.corpora.text import Pair, Text, content
from seq2seq.corpora.weights import Weights
from seq2seq.errors import UserError, did_you_mean
from seq2seq.text.markup import SAMPLE, refuse_markup

__all__ = ["Corpus", "Pair", "Text", "by_name"]


class Corpus(ABC):
    """Parallel text in splits: "train", "validation" and any number of named test sets.

    A subclass locates and reads a split; this class stores and validates it.

    Args:
        source: language code of the source side.
        target: language code of the target side.
        train: location of the training split: a file, a prefix of files or a name.
        validation: location of the validation split.
        tests: location of each test set, by test set name.
        max_length: maximum number of pieces per side in training.
        tokenized: whether the text is already tokenized.
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
            raise UserError(f"data.max_length is {max_length}, but must be at least 1")
        self.source = source
        self.target = target
        self.tests = tuple(tests)
        self.max_length = max_length
        self.tokenized = tokenized
        self._parts = {"train": train, "validation": validation}
        for name, part in tests.items():
            if name in ("", "..") or Path(name).name != name:  # it becomes a folder of the run
                raise UserError(
                    f"a test set cannot be called {name!r}: the name must be a valid file name"
                )
            if self._parts.setdefault(name, part) != part:
                raise UserError(
                    f"a test set cannot be called {name!r}: another split has that name"
                )

    # Whether training pairs are read by `training_stream`; `text("train")` is then a sample of them
    streams: bool = False
    pinned: bool = False  # whether addresses in `origin` name content that never changes
    buffer: int = 0  # pairs that a stream may hold in memory

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of all splits."""
        return ("train", "validation", *self.tests)

    @abstractmethod
    def read(self, split: str) -> Iterator[Pair]:
        """Stream all pairs in file order, including those with an empty side.

        Files are downloaded, if necessary, before this returns.
        """

    @abstractmethod
    def where(self, split: str) -> str:
        """Describe the files or dataset that hold the split, for messages."""

    def scan(self, split: str, report: Report) -> Iterator[Pair]:
        """Stream all pairs like `read`, but pass each defect to `report`.

        If `report` returns, reading continues. No pair is skipped: a pair that `read` rejects is
        yielded as far as it can be read.
        """
        return self.read(split)

    def place(self, split: str, row: int, side: int) -> Place:
        """Return file and line of one side of a pair (row counted from 0; side 0 is the source)."""
        return Place(split, row + 1)

    def origin(self, split: str) -> tuple[Path | str, ...]:
        """Return the files that `read` reads and the settings that affect it.

        The pairs are assumed unchanged, without reading them, while these are unchanged. Empty if
        the corpus has no files.
        """
        return ()

    def division(self) -> dict[str, Any] | None:
        """Describe how one file was divided into splits, for run.json; None if it was not."""
        return None

    def training_stream(self, rank: int = 0, ranks: int = 1) -> PairStream:
        """Return the training pairs of one of several processes, if `streams` is true."""
        raise NotImplementedError

    def fingerprint(self) -> str:
        """Return a hash of the training split, without reading all of it if `streams` is true."""
        return self.text("train").fingerprint

    def fingerprints(self) -> list[str]:
        """Return a hash of the training split of each part of a mixture."""
        return [self.fingerprint()]

    def mixed(self) -> Weights | None:
        """Return the weights of the parts of a mixture; None for any other corpus."""
        return None

    def rows_of_file(self, split: str) -> tuple[NDArray[np.intp], int] | None:
        """Return which pairs of a file a split has, in order, and the number of all its pairs.

        None if the split has all pairs of its files.
        """
        return None

    def describe(self) -> list[str]:
        """Return remarks on the splits for the user, one per line."""
        return []

    def gold(self, split: str) -> Iterable[Gold] | None:
        """Yield the gold word alignment of each pair; None if the corpus has none."""
        return None

    def part(self, split: str) -> str:
        """Return the location of the split as given to the constructor.

        Raises:
            UserError: the split does not exist.
        """
        if split not in self._parts:
            raise UserError(f"there is no split {split!r}; {did_you_mean(split, self.splits)}")
        return self._parts[split]

    def content(self, split: str) -> Content:
        """Return hash and number of the current pairs of a split."""
        return cached_content(
            (type(self).__qualname__, *self.origin(split)),
            lambda: content(self.stored(split), what=f"checking {split}"),
            pinned=self.pinned,
        )

    def stored(self, split: str) -> Iterator[Pair]:
        """Stream the pairs that `text` stores: all, or a sample if `streams` is true."""
        return self.read(split)

    def text(self, split: str) -> Text:
        """Return the split from the cache, storing it there first if necessary.

        Raises:
            UserError: the split does not exist, cannot be read or is empty.
        """
        text = Text.store(self.content(split), self.stored(split), what=f"reading {split}")
        if not len(text):
            raise self.without_lines(split)
        refuse_tagged(islice(text, SAMPLE), self.where(split))
        return text

    def without_lines(self, split: str) -> UserError:
        """Return the error for an empty split."""
        return UserError(f"{split} is empty: there are no lines in {self.where(split)}")


def refuse_tagged(pairs: Iterable[Pair], where: str) -> None:
    """Reject a text if one side is not plain text (see `seq2seq.text.markup`).

    Args:
        pairs: the first pairs of the text.
        where: name of the text in the message.

    Raises:
        UserError: one side consists of tagged or otherwise marked-up lines.
    """
    pairs = list(pairs)
    refuse_markup((pair.source for pair in pairs), f"the source side of {where}")
    refuse_markup((pair.target for pair in pairs), f"the target side of {where}")


def by_name(parts: Iterable[str], name: Callable[[str], str]) -> dict[str, str]:
    """Map the name of each test set to its location.

    Raises:
        UserError: two locations have the same name.
    """
    named: dict[str, str] = {}
    for part in parts:
        if (other := named.setdefault(name(part), part)) != part:
            raise UserError(f"the test sets {other!r} and {part!r} would both be {name(part)!r}")
    return named
