"""Text to pieces and back: the only door to SentencePiece."""

import functools
import hashlib
import io
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from random import Random
from threading import Event, Thread
from typing import Literal, NamedTuple

import sentencepiece

from seq2seq.errors import UserError
from seq2seq.system.console import console
from seq2seq.system.files import replacing
from seq2seq.text.batching import BOS, EOS, PAD, UNK
from seq2seq.text.segmentation import draw_path, drop_merges

NO_THREAD = "resource temporarily unavailable"  # the system's words, and SentencePiece's
WORD_START = "▁"  # SentencePiece's mark for a space before a piece


class Tokenizer:
    """One SentencePiece model (Kudo and Richardson 2018): `encode` and `decode` one language.

    Args:
        model: the contents of its file.
        shares: the tokenizer of the other side, if the two have one vocabulary.
    """

    def __init__(self, model: bytes, shares: "Tokenizer | None" = None) -> None:
        self.model, self.shares = model, shares
        self.fingerprint = hashlib.sha256(model).hexdigest()
        self._pieces = sentencepiece.SentencePieceProcessor(model_proto=model)

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        *,
        kind: Literal["unigram", "bpe"],
        vocab_size: int,
        character_coverage: float,
        normalization: str,
    ) -> "Tokenizer":
        """Learn a vocabulary of exactly `vocab_size` pieces, the four control pieces included.

        Raises:
            UserError: the texts allow fewer pieces, or their characters alone need more.
        """
        model = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(texts),
                model_writer=model,
                model_type=kind,
                vocab_size=vocab_size,
                character_coverage=character_coverage,
                normalization_rule_name=normalization,
                pad_id=PAD,
                bos_id=BOS,
                eos_id=EOS,
                unk_id=UNK,
                max_sentence_length=65_536,
                num_threads=1,  # the order of floating-point sums is part of the result
                minloglevel=2,
            )
        except RuntimeError as error:
            raise UserError(explain(str(error), vocab_size)) from error
        return cls(model.getvalue())

    def normalizing(self, rule: str) -> "Tokenizer":
        """The same pieces and ids for text that another rule normalizes first."""
        # Appending one protobuf message to another merges them: the last value of a field counts.
        return Tokenizer(self.model + _normalizer(rule).serialized_model_proto(), shares=self)

    @classmethod
    def load(cls, path: Path, shares: "Tokenizer | None" = None) -> "Tokenizer":
        """Read a model that `save` wrote.

        Raises:
            UserError: the file is missing or is no SentencePiece model.
        """
        try:
            tokenizer = cls(path.read_bytes(), shares)
            if not len(tokenizer):  # SentencePiece takes no bytes for no model
                raise RuntimeError
        except OSError as error:
            raise UserError(f"the tokenizer {path} cannot be read: {error.strerror}") from error
        except RuntimeError as error:
            raise UserError(f"{path} is not a SentencePiece model") from error
        if shares and tokenizer.vocabulary != shares.vocabulary:
            raise UserError(f"{path} has other pieces than the model beside it, which it shares")
        return tokenizer

    def save(self, path: Path) -> None:
        """Write the model file, which SentencePiece's own tools read as well."""
        with replacing(path, "wb") as file:
            file.write(self.model)

    def __len__(self) -> int:
        return len(self._pieces)

    @property
    def vocabulary(self) -> list[str]:
        """All pieces in the order of their ids."""
        return self.pieces(range(len(self)))

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, without BOS or EOS.

        Raises:
            UserError: a text is none, for it has half a character.
        """
        try:
            if threads_can_start():
                return self._pieces.encode(list(texts))
            return [self._pieces.encode(text) for text in texts]
        except TypeError as error:
            for number, text in enumerate(texts, start=1):
                if any("\ud800" <= character <= "\udfff" for character in text):
                    raise UserError(
                        f"text {number} has half a character (a lone surrogate): {text[:80]!a}"
                    ) from error
            raise

    def sample(self, text: str, strength: float, chance: Random) -> list[int]:
        """One random segmentation: BPE-dropout (Provilkov et al. 2020) or subword regularisation.

        `strength` is the dropped share of merges for BPE, the inverse temperature for unigram
        (Kudo 2018).
        """
        cut = drop_merges if self._merges else draw_path
        pieces = cut(self._pieces.normalize(text), self._scores, strength, chance)
        ids = [self._pieces.piece_to_id(piece) for piece in pieces]
        # Like SentencePiece: unknown characters in a row are one unknown piece.
        return [
            i for i, before in zip(ids, [None, *ids], strict=False) if (i, before) != (UNK, UNK)
        ]

    @functools.cached_property
    def _scores(self) -> dict[str, float]:
        """Of every piece but the control ones."""
        numbers = range(UNK + 1, len(self))
        return {self._pieces.id_to_piece(i): self._pieces.get_score(i) for i in numbers}

    @functools.cached_property
    def _merges(self) -> bool:
        """Whether this is BPE, which SentencePiece does not tell: its scores are ranks."""
        return all(score.is_integer() for score in self._scores.values())

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids; control pieces leave no trace."""
        return self._pieces.decode(list(ids))

    def surfaces(self, text: str) -> list[str]:
        """The pieces of a text as written: an unknown character shows itself, not `<unk>`."""
        return self._pieces.encode(text, out_type=str)

    def unknown(self, texts: Sequence[str]) -> Counter[str]:
        """How often each character without a piece is in some texts."""
        found: Counter[str] = Counter()
        for text, ids in zip(texts, self.encode(texts), strict=True):
            if UNK in ids:
                pieces = zip(self.surfaces(text), ids, strict=True)
                found.update("".join(piece for piece, number in pieces if number == UNK))
        return found

    def normalize(self, texts: Sequence[str]) -> list[str]:
        """The texts as they are before they are cut into pieces, spaces as WORD_START."""
        return self._pieces.normalize(list(texts))

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The pieces behind ids, word starts marked by WORD_START."""
        return [self._pieces.id_to_piece(int(i)) for i in ids]


def normalized(texts: Iterable[str], rule: str) -> Iterator[str]:
    """The texts as a rule of normalization leaves them, with plain spaces."""
    normalizer = _normalizer(rule)
    for text in texts:
        yield normalizer.Normalize(text).replace(WORD_START, " ").lstrip(" ")


def _normalizer(rule: str) -> sentencepiece.SentencePieceNormalizer:
    """A rule with the treatment of spaces that `Tokenizer.train` has."""
    return sentencepiece.SentencePieceNormalizer(
        rule_name=rule,
        add_dummy_prefix=True,
        remove_extra_whitespaces=True,
        escape_whitespaces=True,
    )


@functools.cache
def threads_can_start() -> bool:
    """Whether the system allows as many threads as SentencePiece starts, one for each core.

    SentencePiece ends the whole process where it is refused one after others have started, so that
    it must be tried here first. Where it is refused, text is encoded by this thread alone.
    """
    enough, started = Event(), []
    try:
        for _ in range(os.cpu_count() or 1):
            thread = Thread(target=enough.wait)
            thread.start()
            started.append(thread)
    except RuntimeError:
        console.print(
            "the system refuses further threads (ulimit -u, or too little memory): text is "
            "encoded by one thread"
        )
        return False
    finally:
        enough.set()
        for thread in started:
            thread.join()
    return True


def explain(message: str, vocab_size: int) -> str:
    """SentencePiece's refusal of a vocabulary size, as a sentence with both numbers."""
    if NO_THREAD in message.lower():
        return (
            "the system refuses SentencePiece a thread, so that no vocabulary can be learned: "
            "allow more processes (ulimit -u), or free some memory"
        )
    if largest := re.search(r"value <= (\d+)", message):
        return (
            f"tokenizer.vocab_size={vocab_size} is more than this corpus allows: "
            f"the largest possible is {largest[1]}"
        )
    if needed := re.search(r"required_chars\. (\d+) vs (\d+)", message):
        return (
            f"tokenizer.vocab_size={vocab_size} is too small: the characters of this corpus alone "
            f"need {needed[2]} (or lower tokenizer.character_coverage)"
        )
    return f"SentencePiece could not learn a vocabulary of {vocab_size} pieces: {message}"


class Tokenizers(NamedTuple):
    """The tokenizers of both sides.

    With a shared vocabulary they are one object, or the source's shares the pieces of the target's
    and only normalizes text differently.
    """

    source: Tokenizer
    target: Tokenizer

    @property
    def shared(self) -> bool:
        """Whether both sides use one vocabulary."""
        return self.source is self.target or self.source.shares is self.target

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
        """One vocabulary of `vocab_size` over both sides, or one of that size for each.

        `normalization` is of the source, and of the target as well where that has none of its own.
        """
        of_target = target_normalization or normalization

        def learn(texts: Iterable[str], normalization: str) -> Tokenizer:
            return Tokenizer.train(
                texts,
                kind=kind,
                vocab_size=vocab_size,
                character_coverage=character_coverage,
                normalization=normalization,
            )

        if shared:
            if of_target == normalization:
                both = learn(chain(sources, targets), normalization)
                return cls(both, both)
            target = learn(chain(normalized(sources, normalization), targets), of_target)
            return cls(target.normalizing(normalization), target)
        return cls(learn(sources, normalization), learn(targets, of_target))

    def save(self, folder: Path) -> None:
        """Write them into a run folder.

        A shared vocabulary is tokenizer.model, with source.model beside it where source text is
        normalized differently; two vocabularies are source.model and target.model.
        """
        if self.shared:
            self.target.save(folder / "tokenizer.model")
        if self.source is not self.target:
            self.source.save(folder / "source.model")
        if not self.shared:
            self.target.save(folder / "target.model")

    @classmethod
    def load(cls, folder: Path) -> "Tokenizers":
        """Read what `save` wrote."""
        if (folder / "tokenizer.model").is_file():
            target, own = Tokenizer.load(folder / "tokenizer.model"), folder / "source.model"
            return cls(Tokenizer.load(own, target) if own.is_file() else target, target)
        return cls(Tokenizer.load(folder / "source.model"), Tokenizer.load(folder / "target.model"))
