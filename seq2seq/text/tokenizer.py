"""The interface of a tokenizer, and the tokenizers of both sides of a model."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from random import Random
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from seq2seq.errors import UserError
from seq2seq.text.renumbered import Renumbered, vocabulary_file
from seq2seq.text.sentence_piece import SentencePiece, normalized
from seq2seq.text.special_ids import SpecialIds


@runtime_checkable
class Tokenizer(Protocol):
    """The interface of a tokenizer: text to ids and back.

    Ids are 0, 1, ..., len(tokenizer) - 1; each stands for a piece of text. A piece that begins
    with `seq2seq.text.words.WORD_START` is at the beginning of a word.
    """

    @property
    def special(self) -> SpecialIds:
        """The ids of special tokens; the mask is `len(tokenizer)`."""

    @property
    def fingerprint(self) -> str:
        """Identifies the tokenizer: equal fingerprints mean equal results of `encode`."""

    @property
    def shares(self) -> "Tokenizer | None":
        """The tokenizer of the other side, if it has the same pieces and is another object."""

    @property
    def prefix(self) -> tuple[int, ...]:
        """The ids before those of the text: the source language in M2M100, else none."""

    @property
    def vocabulary(self) -> list[str]:
        """All pieces in the order of their ids."""

    def __len__(self) -> int:
        """Number of pieces, including special ones but not the mask."""

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text, after the prefix, without BOS or EOS.

        A text without pieces has no ids at all.
        """

    def sample(self, text: str, strength: float, rng: Random) -> list[int]:
        """Return the ids of a random segmentation of a text (subword regularization)."""

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids; special pieces are dropped."""

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Return the pieces of ids."""

    def surfaces(self, text: str) -> list[str]:
        """Return the pieces of the ids of a text; an unknown piece is its text."""

    def normalize(self, texts: Sequence[str]) -> list[str]:
        """Return the texts after normalization and before segmentation; spaces are WORD_START."""

    def unknown(self, texts: Sequence[str]) -> Counter[str]:
        """Count the occurrences of each character that is not in the vocabulary."""

    def save(self, path: Path) -> None:
        """Write the tokenizer to a file."""


class Tokenizers(NamedTuple):
    """The tokenizers of both sides.

    With a shared vocabulary they are the same object, or have the same pieces and differ only in
    normalization or, if another program learned them, in segmentation.
    """

    source: Tokenizer
    target: Tokenizer

    @property
    def shared(self) -> bool:
        """Whether both sides use the same vocabulary."""
        return self.source is self.target or self.source.shares is self.target

    @property
    def special(self) -> SpecialIds:
        """The special ids of both sides, and the mask of the target."""
        return self.target.special

    @classmethod
    def train(
        cls,
        sources: Iterable[str],
        targets: Iterable[str],
        *,
        shared: bool,
        kind: Literal["unigram", "bpe"],
        vocab_size: int,
        character_coverage: float,
        normalization: str,
        target_normalization: str | None = None,
    ) -> "Tokenizers":
        """Learn one vocabulary of `vocab_size` for both sides, or one of that size for each.

        `normalization` applies to the source, and to the target unless `target_normalization` is
        set.
        """
        target_rule = target_normalization or normalization

        def learn(texts: Iterable[str], normalization: str) -> SentencePiece:
            return SentencePiece.train(
                texts,
                kind=kind,
                vocab_size=vocab_size,
                character_coverage=character_coverage,
                normalization=normalization,
            )

        if shared:
            if target_rule == normalization:
                both = learn(chain(sources, targets), normalization)
                return cls(both, both)
            texts = chain(normalized(sources, normalization), normalized(targets, target_rule))
            learned = learn(texts, "identity")  # another rule would change both sides again
            target = learned if target_rule == "identity" else learned.normalizing(target_rule)
            return cls(target.normalizing(normalization), target)
        return cls(learn(sources, normalization), learn(targets, target_rule))

    def save(self, folder: Path) -> None:
        """Write both tokenizers to a run folder.

        A shared vocabulary is saved as tokenizer.model, plus source.model if source text is
        normalized differently; two vocabularies are saved as source.model and target.model. A
        `Renumbered` tokenizer has a second file for each of them, such as source.vocabulary.json.
        """
        if self.shared:
            self.target.save(folder / "tokenizer.model")
        if self.source is not self.target:
            self.source.save(folder / "source.model")
        if not self.shared:
            self.target.save(folder / "target.model")

    @classmethod
    def load(cls, folder: Path) -> "Tokenizers":
        """Read the tokenizers written by `save`.

        Raises:
            UserError: a file is missing or damaged, or the special ids of the two differ.
        """
        if (folder / "tokenizer.model").is_file():
            target = load_one(folder / "tokenizer.model")
            own = folder / "source.model"
            pair = cls(load_one(own, target) if own.is_file() else target, target)
        else:
            sides = (load_one(folder / f"{side}.model") for side in cls._fields)
            pair = cls(*sides)
        source, target_ids = pair.source.special.pieces, pair.target.special.pieces
        if source != target_ids:
            raise UserError(
                f"the tokenizers in {folder} must have the same ids of <pad>, <s>, </s> and <unk>, "
                f"but the source has {source} and the target {target_ids}"
            )
        return pair


def load_one(path: Path, shares: Tokenizer | None = None) -> Tokenizer:
    """Read the tokenizer of one side.

    Args:
        path: its SentencePiece model.
        shares: the tokenizer of the other side, if both have the same vocabulary.

    Raises:
        UserError: a file is missing or damaged, or the vocabularies differ.
    """
    if vocabulary_file(path).is_file():
        if shares is not None and not isinstance(shares, Renumbered):
            raise UserError(f"{vocabulary_file(path)} is there for the tokenizer of one side only")
        return Renumbered.load(path, shares)
    if isinstance(shares, Renumbered):
        raise UserError(f"the vocabulary {vocabulary_file(path)} is missing")
    assert shares is None or isinstance(shares, SentencePiece)
    return SentencePiece.load(path, shares)
