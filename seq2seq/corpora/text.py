"""A split's pairs as memory-mapped Arrow: any of them at once, none of them in memory."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from seq2seq.corpora.cache import cache_folder, chunks, counted, stored

SCHEMA = pa.schema([("source", pa.large_string()), ("target", pa.large_string())])


class Pair(NamedTuple):
    """One line of each side, without its end of line."""

    source: str
    target: str


def fingerprint(pairs: Iterable[Pair], *, what: str) -> str:
    """The SHA-256 of the pairs, whatever files they came from; a pair never contains a newline."""
    digest = hashlib.sha256()
    for chunk in counted(chunks(pairs), what, total=None):
        digest.update("".join(f"{source}\n{target}\n" for source, target in chunk).encode())
    return digest.hexdigest()


class Text:
    """The pairs of one split, in file order.

    Args:
        batches: record batches of SCHEMA, all of one size but the last.
        fingerprint: the SHA-256 of the pairs.
    """

    def __init__(self, batches: list[pa.RecordBatch], fingerprint: str) -> None:
        self.fingerprint = fingerprint
        self._columns = [(batch.column("source"), batch.column("target")) for batch in batches]
        self._size = batches[0].num_rows if batches else 1
        self._length: int = sum(batch.num_rows for batch in batches)

    @classmethod
    def store(cls, fingerprint: str, pairs: Iterable[Pair], *, what: str) -> "Text":
        """The cached text of this fingerprint; `pairs` is consumed only if there is none yet."""
        path = cache_folder() / "text" / f"{fingerprint}.arrow"
        return cls(
            stored(path, SCHEMA, map(_batch, chunks(pairs)), what=what, total=None), fingerprint
        )

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int | np.int64) -> Pair:
        if not 0 <= index < self._length:
            raise IndexError(f"pair {index} of {self._length}")
        batch, row = divmod(int(index), self._size)
        sources, targets = self._columns[batch]
        return Pair(sources[row].as_py(), targets[row].as_py())

    def __iter__(self) -> Iterator[Pair]:
        return map(Pair, self.sources(), self.targets())

    def sources(self) -> Iterator[str]:
        """The source side in order."""
        for sources, _ in self._columns:
            yield from sources.to_pylist()

    def targets(self) -> Iterator[str]:
        """The target side in order."""
        for _, targets in self._columns:
            yield from targets.to_pylist()


def _batch(pairs: list[Pair]) -> pa.RecordBatch:
    return pa.record_batch(list(zip(*pairs, strict=True)), schema=SCHEMA)
