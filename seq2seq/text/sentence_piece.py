"""Subword tokenization with SentencePiece; the only module that imports it."""

import functools
import hashlib
import io
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from random import Random
from threading import Event, Thread
from typing import Literal, TypeVar

import sentencepiece

from seq2seq.errors import UserError
from seq2seq.system.console import console
from seq2seq.system.files import replacing
from seq2seq.text.segmentation import draw_path, drop_merges
from seq2seq.text.special_ids import SpecialIds
from seq2seq.text.words import WORD_START

NO_THREAD = "resource temporarily unavailable"  # EAGAIN, also in SentencePiece's message

Piece = TypeVar("Piece", int, str)


class SentencePiece:
    """A SentencePiece model (Kudo and Richardson 2018) for one side.

    Args:
        model: contents of the model file.
        shares: tokenizer of the other side, if both have the same vocabulary.
    """

    prefix: tuple[int, ...] = ()

    def __init__(self, model: bytes, shares: "SentencePiece | None" = None) -> None:
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
    ) -> "SentencePiece":
        """Learn a vocabulary of exactly `vocab_size` pieces, including the four control pieces.

        Raises:
            UserError: `vocab_size` is too large for the texts, or too small for their characters.
        """
        model, ids = io.BytesIO(), SpecialIds()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(texts),
                model_writer=model,
                model_type=kind,
                vocab_size=vocab_size,
                character_coverage=character_coverage,
                normalization_rule_name=normalization,
                pad_id=ids.pad,
                bos_id=ids.bos,
                eos_id=ids.eos,
                unk_id=ids.unk,
                max_sentence_length=65_536,
                num_threads=1,  # the result depends on the order of floating-point sums
                minloglevel=2,
            )
        except RuntimeError as error:
            raise UserError(explain(str(error), vocab_size)) from error
        return cls(model.getvalue())

    def normalizing(self, rule: str) -> "SentencePiece":
        """Return a tokenizer with the same pieces and ids but another normalization rule."""
        # Appending one protobuf message to another merges them: the last value of a field counts.
        return SentencePiece(self.model + _normalizer(rule).serialized_model_proto(), shares=self)

    @classmethod
    def load(cls, path: Path, shares: "SentencePiece | None" = None) -> "SentencePiece":
        """Read a model that `save` wrote.

        Raises:
            UserError: the file is missing, is not a SentencePiece model or lacks a special id.
        """
        tokenizer = cls.read(path, shares)
        ids = tokenizer.special.pieces
        if min(ids) < 0 or len(set(ids)) < len(ids):
            raise UserError(
                f"{path} must have different ids of padding, begin, end and unknown, but they are "
                f"{', '.join(map(str, ids))} (-1: none): train SentencePiece with its options "
                "pad_id, bos_id, eos_id and unk_id"
            )
        if shares and tokenizer.vocabulary != shares.vocabulary:
            raise UserError(
                f"{path} must have the same pieces as the other model in its folder, because the "
                "vocabulary is shared"
            )
        return tokenizer

    @classmethod
    def read(cls, path: Path, shares: "SentencePiece | None" = None) -> "SentencePiece":
        """Read a model, which may lack special ids.

        Raises:
            UserError: the file is missing or is not a SentencePiece model.
        """
        try:
            tokenizer = cls(path.read_bytes(), shares)
            if not len(tokenizer):  # SentencePiece accepts an empty file
                raise RuntimeError
        except OSError as error:
            raise UserError(f"the tokenizer {path} cannot be read: {error.strerror}") from error
        except RuntimeError as error:
            raise UserError(f"{path} is not a SentencePiece model") from error
        return tokenizer

    def save(self, path: Path) -> None:
        """Write the model file, which SentencePiece's own tools can read too."""
        with replacing(path, "wb") as file:
            file.write(self.model)

    def __len__(self) -> int:
        return len(self._pieces)

    @functools.cached_property
    def special(self) -> SpecialIds:
        """The ids of special tokens; those that the model does not have are -1."""
        model = self._pieces
        ids = model.pad_id(), model.bos_id(), model.eos_id(), model.unk_id()
        return SpecialIds(*ids, mask=len(model))

    @property
    def vocabulary(self) -> list[str]:
        """All pieces in the order of their ids."""
        return self.pieces(range(len(self)))

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text, without BOS or EOS.

        Raises:
            UserError: a text contains a lone surrogate.
        """
        return self._encode(texts, int)

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        """Return the pieces of each text, as `surfaces` does.

        Raises:
            UserError: a text contains a lone surrogate.
        """
        return self._encode(texts, str)

    def _encode(self, texts: Sequence[str], out_type: type[Piece]) -> list[list[Piece]]:
        try:
            if threads_can_start():
                return self._pieces.encode(list(texts), out_type=out_type)
            return [self._pieces.encode(text, out_type=out_type) for text in texts]
        except TypeError as error:
            for number, text in enumerate(texts, start=1):
                if any("\ud800" <= character <= "\udfff" for character in text):
                    raise UserError(
                        f"text {number} contains a lone surrogate: {text[:80]!a}"
                    ) from error
            raise

    def sample(self, text: str, strength: float, rng: Random) -> list[int]:
        """Sample a segmentation: BPE-dropout (Provilkov et al. 2020) or subword regularization.

        `strength` is the dropout probability of merges for BPE, or the inverse temperature for
        unigram (Kudo 2018).
        """
        segment = drop_merges if self._is_bpe else draw_path
        pieces = segment(self._pieces.normalize(text), self._scores, strength, rng)
        ids = [self._pieces.piece_to_id(piece) for piece in pieces]
        # As in SentencePiece, consecutive unknown characters are one unknown piece.
        unknown = (self.special.unk, self.special.unk)
        return [i for i, before in zip(ids, [None, *ids], strict=False) if (i, before) != unknown]

    @functools.cached_property
    def _scores(self) -> dict[str, float]:
        """The score of every piece except the special ones."""
        ids = [i for i in range(len(self)) if i not in self.special]
        return {self._pieces.id_to_piece(i): self._pieces.get_score(i) for i in ids}

    @functools.cached_property
    def _is_bpe(self) -> bool:
        """Whether this is a BPE model (SentencePiece has no accessor): scores are integer ranks."""
        return all(score.is_integer() for score in self._scores.values())

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids; control pieces are dropped."""
        return self._pieces.decode(list(ids))

    def join(self, pieces: Sequence[str]) -> str:
        """Return the text of pieces; a piece that the model does not have is text as it is."""
        return self._pieces.decode_pieces(list(pieces))

    def surfaces(self, text: str) -> list[str]:
        """Return the pieces of a text; an unknown piece is its text rather than `<unk>`."""
        return self._pieces.encode(text, out_type=str)

    def unknown(self, texts: Sequence[str]) -> Counter[str]:
        """Count the occurrences of each character that is not in the vocabulary."""
        found: Counter[str] = Counter()
        unk = self.special.unk
        for text, ids in zip(texts, self.encode(texts), strict=True):
            if unk in ids:
                pieces = zip(self.surfaces(text), ids, strict=True)
                found.update("".join(piece for piece, number in pieces if number == unk))
        return found

    def normalize(self, texts: Sequence[str]) -> list[str]:
        """Return the texts after normalization and before segmentation; spaces are WORD_START."""
        return self._pieces.normalize(list(texts))

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Return the pieces of ids; WORD_START marks the beginning of a word."""
        return [self._pieces.id_to_piece(int(i)) for i in ids]


def normalized(texts: Iterable[str], rule: str) -> Iterator[str]:
    """Normalize texts with a rule; spaces are plain."""
    normalizer = _normalizer(rule)
    for text in texts:
        yield normalizer.Normalize(text).replace(WORD_START, " ").lstrip(" ")


def _normalizer(rule: str) -> sentencepiece.SentencePieceNormalizer:
    """Return a normalizer that treats spaces like `SentencePiece.train`."""
    return sentencepiece.SentencePieceNormalizer(
        rule_name=rule,
        add_dummy_prefix=True,
        remove_extra_whitespaces=True,
        escape_whitespaces=True,
    )


@functools.cache
def threads_can_start() -> bool:
    """Whether one thread per core, as SentencePiece needs, can be started.

    SentencePiece terminates the process if it cannot start a thread, so this is tested first. If it
    fails, text is encoded in a single thread.
    """
    enough, started = Event(), []
    try:
        for _ in range(os.cpu_count() or 1):
            thread = Thread(target=enough.wait)
            thread.start()
            started.append(thread)
    except RuntimeError:
        console.print(
            "cannot start more threads (ulimit -u, or too little memory): text is encoded in one "
            "thread"
        )
        return False
    finally:
        enough.set()
        for thread in started:
            thread.join()
    return True


def explain(message: str, vocab_size: int) -> str:
    """Translate an error message of SentencePiece's trainer into one that names the option."""
    if NO_THREAD in message.lower():
        return (
            "no vocabulary can be learned because SentencePiece cannot start a thread: allow more "
            "processes (ulimit -u) or free some memory"
        )
    if largest := re.search(r"value <= (\d+)", message):
        return (
            f"tokenizer.vocab_size={vocab_size} is more than this corpus allows: "
            f"the largest possible is {largest[1]}"
        )
    if needed := re.search(r"required_chars\. (\d+) vs (\d+)", message):
        return (
            f"tokenizer.vocab_size={vocab_size} is too small: the characters of this corpus need "
            f"{needed[2]} pieces: raise it, or lower tokenizer.character_coverage"
        )
    return f"SentencePiece could not learn a vocabulary of {vocab_size} pieces: {message}"
