"""The pairs of a split, stored on disk with random access."""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from seq2seq.corpora.cache import cache_folder, chunks, counted
from seq2seq.corpora.content_cache import Content
from seq2seq.corpora.shards import BATCHES, Rows, Shards
from seq2seq.errors import UserError


class Pair(NamedTuple):
    """One line of each side, without its end of line."""

    source: str
    target: str


@runtime_checkable
class Lines(Protocol):
    """Pairs by row: a stored text, or a list."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Pair: ...


def content(pairs: Iterable[Pair], *, what: str) -> Content:
    """Compute hash and number of pairs; `what` is the label of the progress bar."""
    digest, count = hashlib.sha256(), 0
    for chunk in counted(chunks(pairs), what, total=None):
        digest.update(b"".join(_written(chunk)))
        count += len(chunk)
    return Content(digest.hexdigest(), count)


class Text:
    """The pairs of one split, in file order.

    Args:
        shards: one row per pair, its two lines.
        fingerprint: SHA-256 of all rows.
    """

    def __init__(self, shards: Shards, fingerprint: str) -> None:
        self._shards, self.fingerprint = shards, fingerprint

    @classmethod
    def store(cls, content: Content, pairs: Iterable[Pair], *, what: str) -> "Text":
        """Return the cached text with this content, writing missing shards from `pairs`.

        Raises:
            UserError: the pairs have changed since `content` was computed.
        """
        folder = cache_folder() / "text" / content.sha256
        shards = Shards(folder, content.pairs, width=1, kind=np.uint8)
        if missing := shards.missing():
            batches = counted(chunks(pairs), what, total=content.pairs)
            if _store(shards, batches, {*missing}) != content.sha256:
                shards.remove()
                raise UserError(
                    f"{what}: the text changed while it was read; run the same command again"
                )
        return cls(shards, content.sha256)

    def __len__(self) -> int:
        return self._shards.pairs

    @property
    def size(self) -> int:
        """Size in bytes of UTF-8."""
        return sum(self._shards.shard(number).size for number in range(len(self._shards)))

    def __getitem__(self, index: int | np.int64) -> Pair:
        source, target, _ = self._shards[int(index)].values.tobytes().decode().split("\n")
        return Pair(source, target)

    def __iter__(self) -> Iterator[Pair]:
        return chain.from_iterable(self.batches())

    def batches(self, numbers: Iterable[int] | None = None) -> Iterator[list[Pair]]:
        """Yield the pairs of all shards, or of the given shards, in lists of BATCH."""
        for lines in self._lines(range(len(self._shards)) if numbers is None else numbers):
            yield list(map(Pair, lines[::2], lines[1::2]))

    def sources(self) -> Iterator[str]:
        """Yield the source side in file order."""
        for lines in self._lines(range(len(self._shards))):
            yield from lines[::2]

    def targets(self) -> Iterator[str]:
        """Yield the target side in file order."""
        for lines in self._lines(range(len(self._shards))):
            yield from lines[1::2]

    def _lines(self, numbers: Iterable[int]) -> Iterator[list[str]]:
        """Yield alternating source and target lines of the given shards, BATCH pairs at a time."""
        for rows in chain.from_iterable(map(self._shards.chunks, numbers)):
            yield rows.values.tobytes().decode().split("\n")[:-1]


def _written(pairs: list[Pair]) -> list[bytes]:
    r"""Serialize each pair as two lines; a line never contains \n."""
    return [f"{source}\n{target}\n".encode() for source, target in pairs]


def _rows(pairs: list[Pair]) -> Rows:
    written = _written(pairs)
    values = np.frombuffer(b"".join(written), np.uint8)
    return Rows.of(values, map(len, written), len(written))


def _store(shards: Shards, batches: Iterator[list[Pair]], missing: set[int]) -> str:
    """Write the missing shards and return the SHA-256 of all shards and any surplus pairs."""
    digest = hashlib.sha256()
    for number in range(len(shards)):
        own = islice(batches, BATCHES)
        if number in missing:
            shards.write(number, map(_rows, own))
        else:
            deque(own, maxlen=0)  # skip: written before an interruption
        if shards.whole(number):
            for rows in shards.chunks(number):
                digest.update(rows.values.data)
    for pairs in batches:
        digest.update(b"".join(_written(pairs)))
    return digest.hexdigest()
