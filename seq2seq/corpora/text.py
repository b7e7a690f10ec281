"""A split's pairs on disk: any of them at once, none of them in memory."""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import NamedTuple

import numpy as np

from seq2seq.corpora.cache import cache_folder, chunks, counted
from seq2seq.corpora.known import Content
from seq2seq.corpora.shards import BATCHES, Rows, Shards
from seq2seq.errors import UserError


class Pair(NamedTuple):
    """One line of each side, without its end of line."""

    source: str
    target: str


def content(pairs: Iterable[Pair], *, what: str) -> Content:
    """What tells pairs from others; `what` is the name of the progress bar."""
    digest, count = hashlib.sha256(), 0
    for chunk in counted(chunks(pairs), what, total=None):
        digest.update(b"".join(_written(chunk)))
        count += len(chunk)
    return Content(digest.hexdigest(), count)


class Text:
    """The pairs of one split, in file order.

    Args:
        shards: a row a pair, its two lines; all rows together are what the fingerprint is of.
        fingerprint: the SHA-256 of the pairs.
    """

    def __init__(self, shards: Shards, fingerprint: str) -> None:
        self._shards, self.fingerprint = shards, fingerprint

    @classmethod
    def store(cls, content: Content, pairs: Iterable[Pair], *, what: str) -> "Text":
        """The cached text of this content; of `pairs` is written only what is not there yet.

        Raises:
            UserError: the pairs are others than when their content was found.
        """
        folder = cache_folder() / "text" / content.sha256
        shards = Shards(folder, content.pairs, width=1, kind=np.uint8)
        if missing := shards.missing():
            batches = counted(chunks(pairs), what, total=content.pairs)
            if _store(shards, batches, {*missing}) != content.sha256:
                shards.remove()
                raise UserError(f"{what}: the text changed meanwhile; give the same command again")
        return cls(shards, content.sha256)

    def __len__(self) -> int:
        return self._shards.pairs

    @property
    def size(self) -> int:
        """In bytes of UTF-8."""
        return sum(self._shards.shard(number).size for number in range(len(self._shards)))

    def __getitem__(self, index: int | np.int64) -> Pair:
        source, target, _ = self._shards[int(index)].values.tobytes().decode().split("\n")
        return Pair(source, target)

    def __iter__(self) -> Iterator[Pair]:
        return chain.from_iterable(self.batches())

    def batches(self, numbers: Iterable[int] | None = None) -> Iterator[list[Pair]]:
        """The pairs of all shards, or of those of these numbers, in lists of BATCH."""
        for lines in self._lines(range(len(self._shards)) if numbers is None else numbers):
            yield list(map(Pair, lines[::2], lines[1::2]))

    def sources(self) -> Iterator[str]:
        """The source side in order."""
        for lines in self._lines(range(len(self._shards))):
            yield from lines[::2]

    def targets(self) -> Iterator[str]:
        """The target side in order."""
        for lines in self._lines(range(len(self._shards))):
            yield from lines[1::2]

    def _lines(self, numbers: Iterable[int]) -> Iterator[list[str]]:
        """Sources and targets by turns, as they lie in these shards, of BATCH pairs at a time."""
        for rows in chain.from_iterable(map(self._shards.chunks, numbers)):
            yield rows.values.tobytes().decode().split("\n")[:-1]


def _written(pairs: list[Pair]) -> list[bytes]:
    r"""Both lines of each pair; no line ever contains a \n."""
    return [f"{source}\n{target}\n".encode() for source, target in pairs]


def _rows(pairs: list[Pair]) -> Rows:
    written = _written(pairs)
    values = np.frombuffer(b"".join(written), np.uint8)
    return Rows.of(values, map(len, written), len(written))


def _store(shards: Shards, batches: Iterator[list[Pair]], missing: set[int]) -> str:
    """Write what is missing; the SHA-256 of all that is there then, and of what is too much."""
    digest = hashlib.sha256()
    for number in range(len(shards)):
        own = islice(batches, BATCHES)
        if number in missing:
            shards.write(number, map(_rows, own))
        else:
            deque(own, maxlen=0)  # read again, but written before an interruption
        if shards.whole(number):
            for rows in shards.chunks(number):
                digest.update(rows.values.data)
    for pairs in batches:
        digest.update(b"".join(_written(pairs)))
    return digest.hexdigest()
