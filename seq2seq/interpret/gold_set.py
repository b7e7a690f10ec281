"""A text with its gold word alignments."""

from pathlib import Path
from typing import NamedTuple

from seq2seq.alignment.gold import Gold, read_gold
from seq2seq.corpora.lines import read_pairs, refuse_tagged_files
from seq2seq.errors import UserError
from seq2seq.interpret.alignment import stored_texts


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


def read_texts(source: Path, target: Path) -> list[tuple[str, str]]:
    """The pairs of two files that a person gave.

    Raises:
        UserError: they are of different lengths, cannot be read, or are tagged.
    """
    refuse_tagged_files(source, target)
    return list(read_pairs(source, target))
