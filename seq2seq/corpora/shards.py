"""Variable-length rows on disk: written shard by shard and read by index.

Files are read rather than memory-mapped, because pages of a mapped file count as memory of the
process once they are touched. A shard holds the concatenated values of its rows, followed by the
offset of each row. Shards are written atomically, so interrupted work resumes at the next shard.
"""

import os
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seq2seq.corpora import cache
from seq2seq.corpora.cache import replacing

BATCHES = 25  # batches per shard
BOUND = np.dtype(np.int64)


class Rows(NamedTuple):
    """Consecutive rows: their concatenated values, the offset of each row, and the end offset."""

    values: NDArray[Any]
    bounds: NDArray[np.int64]

    @classmethod
    def of(cls, values: NDArray[Any], lengths: Iterable[int], count: int) -> "Rows":
        """Create rows from their values and the lengths of `count` rows."""
        bounds = np.zeros(count + 1, BOUND)
        np.cumsum(np.fromiter(lengths, BOUND, count), out=bounds[1:])
        return cls(values, bounds)


class Shard:
    """One shard file, open for reading.

    Args:
        path: path of the file.
        rows: number of rows.
        kind: type of the values.

    Raises:
        OSError: the file does not exist or cannot be opened.
        ValueError: the file has another number of rows or is truncated.
    """

    def __init__(self, path: Path, rows: int, kind: np.dtype[Any]) -> None:
        self._file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        weakref.finalize(self, os.close, self._file)
        self._kind = kind
        # Bytes of the values; the offsets follow them.
        self.size = os.fstat(self._file).st_size - BOUND.itemsize * (rows + 1)
        if self.size < 0 or self.bounds(rows, rows)[0] * kind.itemsize != self.size:
            raise ValueError(path)

    def bounds(self, first: int, last: int) -> NDArray[np.int64]:
        """Return the offsets of rows `first` to `last` (exclusive), and the end offset."""
        start = self.size + BOUND.itemsize * first
        return np.frombuffer(read_at(self._file, BOUND.itemsize * (last - first + 1), start), BOUND)

    def read(self, first: int, last: int) -> Rows:
        """Return rows `first` to `last` (exclusive)."""
        bounds = self.bounds(first, last)
        begin, count, size = bounds[0], int(bounds[-1] - bounds[0]), self._kind.itemsize
        values = np.frombuffer(read_at(self._file, count * size, int(begin) * size), self._kind)
        return Rows(values, bounds - begin)


def read_at(file: int, count: int, offset: int) -> bytes:
    """Read `count` bytes of an open file from an offset."""
    if hasattr(os, "pread"):
        return os.pread(file, count, offset)
    os.lseek(file, offset, os.SEEK_SET)  # Windows; not safe if threads share a file
    return os.read(file, count)


class Shards:
    """The rows of a number of pairs in the shard files of a folder, some of which may be missing.

    Args:
        folder: folder of the shards, named by everything that the rows depend on.
        pairs: total number of pairs.
        width: rows per pair.
        kind: type of the values.
    """

    def __init__(self, folder: Path, pairs: int, *, width: int, kind: type[np.generic]) -> None:
        self.each = BATCHES * cache.BATCH  # pairs per shard, except the last
        self.folder, self.pairs, self.width = folder / str(self.each), pairs, width
        self.kind = np.dtype(kind)
        self._open: dict[int, Shard] = {}

    def __len__(self) -> int:
        return -(-self.pairs // self.each)

    def span(self, number: int) -> range:
        """Return the pair indices of a shard."""
        return range(number * self.each, min((number + 1) * self.each, self.pairs))

    def path(self, number: int) -> Path:
        """Return the file of a shard."""
        return self.folder / f"{number:06}"

    def whole(self, number: int) -> bool:
        """Whether a shard exists and has the expected size."""
        try:
            self.shard(number)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return False
        return True

    def missing(self) -> list[int]:
        """Return the numbers of the shards that are not written yet."""
        return [number for number in range(len(self)) if not self.whole(number)]

    def write(self, number: int, chunks: Iterable[Rows]) -> None:
        """Write a shard, holding one chunk of its rows at a time."""
        bounds, end = [np.zeros(1, BOUND)], 0
        with replacing(self.path(number)) as file:
            for chunk in chunks:
                file.write(chunk.values.data)
                bounds.append(end + chunk.bounds[1:])
                end += int(chunk.bounds[-1])
            file.write(np.concatenate(bounds).data)

    def remove(self) -> None:
        """Remove all shards."""
        for number in range(len(self)):
            self.path(number).unlink(missing_ok=True)

    def shard(self, number: int) -> Shard:
        """Return a shard; it is opened on first use."""
        if number not in self._open:
            rows = self.width * len(self.span(number))
            self._open[number] = Shard(self.path(number), rows, self.kind)
        return self._open[number]

    def __getitem__(self, pair: int, /) -> Rows:
        """Return the rows of a pair."""
        if not 0 <= pair < self.pairs:
            raise IndexError(f"pair {pair} of {self.pairs}")
        number, index = divmod(pair, self.each)
        return self.shard(number).read(index * self.width, (index + 1) * self.width)

    def chunks(self, number: int) -> Iterator[Rows]:
        """Yield the rows of a shard, one batch of pairs at a time."""
        rows = self.width * len(self.span(number))
        step = self.width * cache.BATCH
        for first in range(0, rows, step):
            yield self.shard(number).read(first, min(first + step, rows))
