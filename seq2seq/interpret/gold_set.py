"""A text with its gold word alignments."""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from seq2seq.alignment.gold import Gold, read_gold
from seq2seq.alignment.gold_files import untagged
from seq2seq.errors import UserError
from seq2seq.system.files import read_back
from seq2seq.system.text_lines import read_lines


class GoldSet(NamedTuple):
    """A text as a model reads it, and its gold, pair by pair."""

    name: str
    texts: list[tuple[str, str]]
    golds: list[Gold]

    @classmethod
    def of_test(cls, folder: Path) -> "GoldSet | None":
        """The text of a test set with the gold beside it; None where there is no gold.

        Raises:
            UserError: the gold is damaged, or is not of this test set.
        """
        golds = read_gold(folder)
        if golds is None:
            return None
        texts = stored_texts(folder)
        if len(texts) != len(golds):
            raise UserError(f"{folder} has {len(texts)} pairs and the gold of {len(golds)}")
        return cls(folder.name, texts, golds)

    def turned(self) -> "GoldSet":
        """The same for a model of the other direction."""
        return GoldSet(
            self.name,
            [(target, source) for source, target in self.texts],
            [Gold(gold.target, gold.source, gold.links.turned()) for gold in self.golds],
        )


def given_pairs(source: Path, target: Path) -> Iterator[tuple[str, str]]:
    """Stream the pairs of two files that a person gave, without tags around lines.

    Raises:
        UserError: they are of different lengths, cannot be read, or are tagged.
    """
    sides = (untagged(path, read_lines(path)) for path in (source, target))
    missing = object()
    for number, (left, right) in enumerate(zip_longest(*sides, fillvalue=missing), 1):
        if not isinstance(left, str) or not isinstance(right, str):
            short = source if left is missing else target
            raise UserError(
                f"{short} ends after {number - 1} lines, before the other file of {source} and "
                f"{target}: line i of one must be the translation of line i of the other"
            )
        yield left, right


def read_texts(source: Path, target: Path) -> list[tuple[str, str]]:
    """The same as a list."""
    return list(given_pairs(source, target))


def stored_texts(folder: Path) -> list[tuple[str, str]]:
    """The pairs of a test set in a run folder.

    Raises:
        UserError: its files are of different lengths.
    """
    paths = folder / "source.txt", folder / "reference.txt"
    source, target = map(read_back, paths)
    if len(source) != len(target):
        raise UserError(
            f"{paths[0]} has {len(source)} lines and {paths[1]} {len(target)}: they must be pairs"
        )
    return list(zip(source, target, strict=True))
