"""A parallel text with gold word alignments."""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from seq2seq.alignment.gold import Gold, read_gold
from seq2seq.errors import UserError
from seq2seq.system.files import read_lines_checked
from seq2seq.system.text_lines import read_lines
from seq2seq.text.markup import remove_line_tags


class GoldSet(NamedTuple):
    """The name of a text, its sentence pairs as model input, and the gold links of each pair."""

    name: str
    texts: list[tuple[str, str]]
    golds: list[Gold]

    @classmethod
    def of_test(cls, folder: Path) -> "GoldSet | None":
        """Read the text and gold links of a test set; None if it has no gold links.

        Raises:
            UserError: the gold files are invalid or do not fit the test set.
        """
        golds = read_gold(folder)
        if golds is None:
            return None
        texts = stored_texts(folder)
        if len(texts) != len(golds):
            raise UserError(f"{folder} has {len(texts)} pairs, but gold links for {len(golds)}")
        return cls(folder.name, texts, golds)

    def swapped(self) -> "GoldSet":
        """Return the text and links with source and target exchanged."""
        return GoldSet(
            self.name,
            [(target, source) for source, target in self.texts],
            [Gold(gold.target, gold.source, gold.links.swapped()) for gold in self.golds],
        )


def given_pairs(source: Path, target: Path) -> Iterator[tuple[str, str]]:
    """Stream the sentence pairs of two files, and remove tags around lines.

    Raises:
        UserError: the files differ in length, cannot be read, or only some lines have tags.
    """
    sides = (remove_line_tags(read_lines(path), path) for path in (source, target))
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
    """Return the pairs of `given_pairs` as a list."""
    return list(given_pairs(source, target))


def stored_texts(folder: Path) -> list[tuple[str, str]]:
    """Return the sentence pairs of a test set in a run folder.

    Raises:
        UserError: its files differ in length.
    """
    paths = folder / "source.txt", folder / "reference.txt"
    source, target = map(read_lines_checked, paths)
    if len(source) != len(target):
        raise UserError(f"{paths[0]} has {len(source)} lines, but {paths[1]} has {len(target)}")
    return list(zip(source, target, strict=True))
