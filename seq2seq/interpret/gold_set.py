"""A text with its gold word alignments."""

from pathlib import Path
from typing import NamedTuple

from seq2seq.alignment.gold import Gold, read_gold
from seq2seq.alignment.gold_files import untagged
from seq2seq.errors import UserError
from seq2seq.system.files import read_lines


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
        texts = read_texts(folder / "source.txt", folder / "reference.txt")
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


def read_texts(source: Path, target: Path, *, foreign: bool = False) -> list[tuple[str, str]]:
    """The pairs of two files; of files that are not a run's own, tags around lines are removed.

    Raises:
        UserError: they are of different lengths.
    """
    sides = read_lines(source), read_lines(target)
    if foreign:
        sides = list(untagged(source, sides[0])), list(untagged(target, sides[1]))
    if len(sides[0]) != len(sides[1]):
        raise UserError(
            f"{source} has {len(sides[0])} lines and {target} {len(sides[1])}: they must be pairs"
        )
    return list(zip(*sides, strict=True))
