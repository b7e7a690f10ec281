"""SentencePiece with the ids of a vocabulary of its own, as Marian and M2M100 have them."""

import functools
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from seq2seq.errors import UserError
from seq2seq.system.files import replacing
from seq2seq.text.sentence_piece import SentencePiece
from seq2seq.text.special_ids import PREFIX, SpecialIds

LISTS = ("prefix", "silent")  # optional lists of ids in a vocabulary file
LARGEST = 1 << 26  # bytes of a vocabulary file


class Renumbered:
    """A SentencePiece model that segments text, and a vocabulary that numbers the pieces.

    The vocabulary may have pieces that this SentencePiece model never yields, such as those of the
    other language, and may lack some that it yields, which are then unknown. Padding may also be
    the first input of the decoder.

    Args:
        segmenter: the SentencePiece model.
        vocabulary: all pieces in the order of their ids.
        special: the ids of special tokens.
        shares: the tokenizer of the other side, if both have the same vocabulary.
        prefix: ids before those of every text, such as the source language in M2M100.
        silent: ids that stand for no text in a translation, such as languages, besides special ids.
    """

    def __init__(
        self,
        segmenter: SentencePiece,
        vocabulary: Sequence[str],
        special: SpecialIds,
        shares: "Renumbered | None" = None,
        *,
        prefix: Sequence[int] = (),
        silent: Sequence[int] = (),
    ) -> None:
        self.segmenter, self.shares = segmenter, shares
        self.prefix, self.silent = tuple(prefix), tuple(silent)
        self.vocabulary = list(vocabulary)
        self.special = special._replace(mask=len(self.vocabulary))
        self._ids = {piece: number for number, piece in enumerate(self.vocabulary)}

    @functools.cached_property
    def fingerprint(self) -> str:
        """Identifies the tokenizer: the SHA-256 of its files."""
        return hashlib.sha256(self.segmenter.model + self._description().encode()).hexdigest()

    def _description(self) -> str:
        special = self.special._asdict()
        del special["mask"]  # follows from the length
        content: dict[str, Any] = {"special": special, "pieces": self.vocabulary}
        # Absent if empty, as in older runs
        content |= {key: ids for key in LISTS if (ids := list(getattr(self, key)))}
        return json.dumps(content, ensure_ascii=False)

    @classmethod
    def load(cls, path: Path, shares: "Renumbered | None" = None) -> "Renumbered":
        """Read a SentencePiece model and its vocabulary, written by `save`.

        Raises:
            UserError: a file is missing or damaged, or the vocabulary is not that of `shares`.
        """
        segmenter, file = SentencePiece.read(path), vocabulary_file(path)
        content = read_mapping(file)
        pieces, special = content.get("pieces"), content.get("special")
        if not isinstance(special, dict) or special.keys() != {"pad", "bos", "eos", "unk"}:
            raise UserError(f'{file} must have the ids of pad, bos, eos and unk under "special"')
        if not isinstance(pieces, list) or not all(isinstance(one, str) for one in pieces):
            raise UserError(f'{file} must have a list of pieces under "pieces"')
        check_vocabulary(file, pieces, special)
        lists = {key: read_ids(file, key, content.get(key, []), len(pieces)) for key in LISTS}
        if len(lists["prefix"]) > PREFIX:
            raise UserError(f'{file} must have at most {PREFIX} ids under "prefix"')
        if shares is not None and pieces != shares.vocabulary:
            raise UserError(
                f"{file} must have the same pieces as the other vocabulary in its folder, because "
                "the vocabulary is shared"
            )
        return cls(segmenter, pieces, SpecialIds(**special), shares, **lists)

    def save(self, path: Path) -> None:
        """Write the SentencePiece model, and the vocabulary next to it."""
        self.segmenter.save(path)
        with replacing(vocabulary_file(path)) as file:
            file.write(self._description())

    def __len__(self) -> int:
        return len(self.vocabulary)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text, after the prefix, without BOS or EOS.

        Raises:
            UserError: a text contains a lone surrogate.
        """
        ids, unk = self._ids, self.special.unk
        rows = self.segmenter.split(texts)
        return [[*self.prefix, *(ids.get(one, unk) for one in row)] if row else [] for row in rows]

    def sample(self, text: str, strength: float, rng: Random) -> list[int]:
        """Not available: it is for training only."""
        raise NotImplementedError("a model with the vocabulary of another program is not trained")

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids; control pieces are dropped."""
        pad, bos, eos, _ = self.special.pieces
        dropped = {pad, bos, eos, *self.silent}
        return self.segmenter.join(self.pieces([i for i in ids if i not in dropped]))

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Return the pieces of ids."""
        return [self.vocabulary[i] for i in ids]

    def surfaces(self, text: str) -> list[str]:
        """Return the pieces of the ids of a text; an unknown piece is its text."""
        pieces = self.segmenter.surfaces(text)
        return [*self.pieces(self.prefix), *pieces] if pieces else []

    def normalize(self, texts: Sequence[str]) -> list[str]:
        """Return the texts after normalization and before segmentation; spaces are WORD_START."""
        return self.segmenter.normalize(texts)

    def unknown(self, texts: Sequence[str]) -> Counter[str]:
        """Count the occurrences of each character of pieces that are not in the vocabulary."""
        rows = self.segmenter.split(texts)
        return Counter("".join(piece for row in rows for piece in row if piece not in self._ids))


def vocabulary_file(path: Path) -> Path:
    """Return the file of the vocabulary that belongs to a SentencePiece model."""
    return path.with_suffix(".vocabulary.json")


def check_vocabulary(file: Path, pieces: Sequence[str], special: dict[str, Any]) -> None:
    """Check the pieces and special ids of a vocabulary.

    Raises:
        UserError: a piece is empty or occurs twice, or a special id is out of range or the same as
            another one; the first input of the decoder (bos) may be padding.
    """
    if "" in pieces:
        raise UserError(f"{file} has an empty piece")
    if len(set(pieces)) < len(pieces):
        twice = next(piece for piece, count in Counter(pieces).items() if count > 1)
        raise UserError(f"{file} has the piece {twice!r} twice")
    for name, number in special.items():
        whole = isinstance(number, int) and not isinstance(number, bool)
        if not whole or not 0 <= number < len(pieces):
            raise UserError(
                f"{file}: the id of {name} is {number!r}, and must be from 0 to {len(pieces) - 1}"
            )
    others = [special[name] for name in ("pad", "eos", "unk")]
    if len(set(others)) < 3 or special["bos"] in (special["eos"], special["unk"]):
        raise UserError(
            f"{file}: the ids of pad, eos and unk must differ from each other, and bos from eos "
            f"and unk, but they are {special}"
        )


def read_ids(file: Path, key: str, ids: object, count: int) -> list[int]:
    """Return a list of ids of a vocabulary file.

    Raises:
        UserError: it is no list of ids from 0 to count - 1.
    """
    if not isinstance(ids, list) or not all(type(i) is int and 0 <= i < count for i in ids):
        raise UserError(f'{file} must have a list of ids from 0 to {count - 1} under "{key}"')
    return ids


def read_mapping(file: Path) -> dict[str, Any]:
    """Read a JSON file that contains a mapping, of limited size.

    Raises:
        UserError: it cannot be read, or contains something else.
    """
    try:
        if file.stat().st_size > LARGEST:
            raise ValueError(f"it has more than {LARGEST:,} bytes")
        content = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file} cannot be read as JSON: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UserError(f"{file} must contain a JSON object")
    return content
