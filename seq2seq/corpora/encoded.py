"""Token ids, made once and memory-mapped: the form in which training reads a corpus."""

import hashlib
from collections.abc import Iterator
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from seq2seq.corpora.cache import cache_folder, chunks, stored
from seq2seq.corpora.text import Text

SCHEMA = pa.schema([("source", pa.list_(pa.int32())), ("target", pa.list_(pa.int32()))])


@runtime_checkable
class TextEncoder(Protocol):
    """What is asked of a tokenizer here."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever `encode` would answer differently."""

    def encode(self, texts: list[str]) -> list[list[int]]:
        """The ids of each text, without marks of begin and end."""


class Encoded:
    """The ids of every pair of a text, in its order, empties included.

    Args:
        batches: record batches of SCHEMA, all of one size but the last.
    """

    def __init__(self, batches: list[pa.RecordBatch]) -> None:
        self._source = _Side([batch.column("source") for batch in batches])
        self._target = _Side([batch.column("target") for batch in batches])
        self.source_lengths = self._source.lengths()
        self.target_lengths = self._target.lengths()

    def __len__(self) -> int:
        return len(self.source_lengths)

    def __getitem__(self, index: int, /) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        if not 0 <= index < len(self):
            raise IndexError(f"pair {index} of {len(self)}")
        return self._source[index], self._target[index]


class Usable(NamedTuple):
    """The pairs to train on: indices of those kept, and how many were left out for what."""

    rows: NDArray[np.int64]
    empty: int
    too_long: int


def encode(text: Text, source_tokenizer: TextEncoder, target_tokenizer: TextEncoder) -> Encoded:
    """The ids of a text, from the cache where this text has met these tokenizers before."""
    key = "\n".join([text.fingerprint, source_tokenizer.fingerprint, target_tokenizer.fingerprint])
    path = cache_folder() / "encoded" / f"{hashlib.sha256(key.encode()).hexdigest()}.arrow"
    batches = _encode(text, source_tokenizer, target_tokenizer)
    return Encoded(stored(path, SCHEMA, batches, what="tokenizing", total=len(text)))


def usable(encoded: Encoded, max_length: int) -> Usable:
    """Leave out, as a pair, what has an empty side or one of more than `max_length` ids."""
    shorter = np.minimum(encoded.source_lengths, encoded.target_lengths)
    longer = np.maximum(encoded.source_lengths, encoded.target_lengths)
    empty = shorter == 0
    too_long = ~empty & (longer > max_length)
    rows = np.flatnonzero(~empty & ~too_long).astype(np.int64)
    return Usable(rows, int(empty.sum()), int(too_long.sum()))


class _Side:
    """One side's ids: flat values and where each text begins in them, batch by batch."""

    def __init__(self, columns: list[pa.ListArray]) -> None:
        self._values = [column.values.to_numpy() for column in columns]
        self._offsets = [column.offsets.to_numpy() for column in columns]
        self._size = len(columns[0]) if columns else 1

    def __getitem__(self, index: int) -> NDArray[np.int32]:
        batch, row = divmod(index, self._size)
        begin, end = self._offsets[batch][row : row + 2]
        ids: NDArray[np.int32] = self._values[batch][begin:end]
        return ids

    def lengths(self) -> NDArray[np.int32]:
        """How many ids each text has."""
        return np.concatenate([np.zeros(0, np.int32), *map(np.diff, self._offsets)])


def _encode(text: Text, source: TextEncoder, target: TextEncoder) -> Iterator[pa.RecordBatch]:
    for pairs in chunks(text):
        sources, targets = map(list, zip(*pairs, strict=True))
        yield pa.record_batch([source.encode(sources), target.encode(targets)], schema=SCHEMA)
