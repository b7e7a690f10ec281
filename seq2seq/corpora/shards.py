"""Rows of any length in files: written shard by shard, read by position, never held in memory.

They are read rather than mapped: pages of a mapped file count as memory of the process that has
touched them. A shard holds the values of its rows one after the other, then where each row begins.
It is whole or not there at all, so that what was interrupted goes on with the next one.
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

BATCHES = 25  # in a shard
BOUND = np.dtype(np.int64)


class Rows(NamedTuple):
    """Consecutive rows: the values of all, and where each begins in them, and the last one ends."""

    values: NDArray[Any]
    bounds: NDArray[np.int64]

    @classmethod
    def of(cls, values: NDArray[Any], lengths: Iterable[int], count: int) -> "Rows":
        """The same from the lengths of so many rows."""
        bounds = np.zeros(count + 1, BOUND)
        np.cumsum(np.fromiter(lengths, BOUND, count), out=bounds[1:])
        return cls(values, bounds)


class Shard:
    """One file.

    Args:
        path: where it is.
        rows: how many it has.
        kind: the type of their values.

    Raises:
        OSError: it is not there.
        ValueError: it is not of so many rows, or was cut off.
    """

    def __init__(self, path: Path, rows: int, kind: np.dtype[Any]) -> None:
        self._file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        weakref.finalize(self, os.close, self._file)
        self._kind = kind
        self.size = os.fstat(self._file).st_size - BOUND.itemsize * (rows + 1)  # of the values
        if self.size < 0 or self.bounds(rows, rows)[0] * kind.itemsize != self.size:
            raise ValueError(path)

    def bounds(self, first: int, last: int) -> NDArray[np.int64]:
        """Where the rows from `first` on begin, and where the one before `last` ends."""
        place = self.size + BOUND.itemsize * first
        return np.frombuffer(read_at(self._file, BOUND.itemsize * (last - first + 1), place), BOUND)

    def read(self, first: int, last: int) -> Rows:
        """The rows from `first` to before `last`."""
        bounds = self.bounds(first, last)
        begin, count, size = bounds[0], int(bounds[-1] - bounds[0]), self._kind.itemsize
        values = np.frombuffer(read_at(self._file, count * size, int(begin) * size), self._kind)
        return Rows(values, bounds - begin)


def read_at(file: int, count: int, place: int) -> bytes:
    """So many bytes of an open file from a place on."""
    if hasattr(os, "pread"):
        return os.pread(file, count, place)
    os.lseek(file, place, os.SEEK_SET)  # Windows; not safe where threads share a file
    return os.read(file, count)


class Shards:
    """The rows of so many pairs in the files of a folder, which need not all be there yet.

    Args:
        folder: named by all that the rows depend on.
        pairs: how many there are, or will be.
        width: rows a pair.
        kind: the type of a value.
    """

    def __init__(self, folder: Path, pairs: int, *, width: int, kind: type[np.generic]) -> None:
        self.each = BATCHES * cache.BATCH  # pairs a shard, but for the last one
        self.folder, self.pairs, self.width = folder / str(self.each), pairs, width
        self.kind = np.dtype(kind)
        self._open: dict[int, Shard] = {}

    def __len__(self) -> int:
        return -(-self.pairs // self.each)

    def span(self, number: int) -> range:
        """The pairs of a shard."""
        return range(number * self.each, min((number + 1) * self.each, self.pairs))

    def path(self, number: int) -> Path:
        """The file of a shard."""
        return self.folder / f"{number:06}"

    def whole(self, number: int) -> bool:
        """Whether a shard is there, and not damaged by what we cannot guard against."""
        try:
            self.shard(number)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return False
        return True

    def missing(self) -> list[int]:
        """The shards that are still to be written."""
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
        """A shard, opened once."""
        if number not in self._open:
            rows = self.width * len(self.span(number))
            self._open[number] = Shard(self.path(number), rows, self.kind)
        return self._open[number]

    def __getitem__(self, pair: int, /) -> Rows:
        """The rows of a pair."""
        if not 0 <= pair < self.pairs:
            raise IndexError(f"pair {pair} of {self.pairs}")
        number, place = divmod(pair, self.each)
        return self.shard(number).read(place * self.width, (place + 1) * self.width)

    def chunks(self, number: int) -> Iterator[Rows]:
        """The rows of a shard, a batch of pairs at a time."""
        rows = self.width * len(self.span(number))
        step = self.width * cache.BATCH
        for first in range(0, rows, step):
            yield self.shard(number).read(first, min(first + step, rows))
