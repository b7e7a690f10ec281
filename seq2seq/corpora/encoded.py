"""Token ids of a corpus, computed once and stored on disk."""

import hashlib
from itertools import chain, islice
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from seq2seq.corpora.cache import cache_folder
from seq2seq.corpora.shards import BATCHES, Rows, Shards
from seq2seq.corpora.text import Pair, Text
from seq2seq.system.console import bar


@runtime_checkable
class TextEncoder(Protocol):
    """The interface of a tokenizer that `encode` needs."""

    @property
    def fingerprint(self) -> str:
        """Identifies the tokenizer: equal fingerprints mean equal results of `encode`."""

    def encode(self, texts: list[str]) -> list[list[int]]:
        """Return the ids of each text, without BOS and EOS."""


class Encoded:
    """The ids of every pair of a text, in file order, including pairs with an empty side.

    Only the lengths are held in memory.

    Args:
        shards: two rows per pair, source and target.
    """

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        lengths = np.empty((2, shards.pairs), np.int32)
        for number in range(len(shards)):
            span = shards.span(number)
            bounds = shards.shard(number).bounds(0, 2 * len(span))
            lengths[:, span.start : span.stop] = np.diff(bounds).reshape(-1, 2).T
        self.source_lengths, self.target_lengths = lengths

    def __len__(self) -> int:
        return self._shards.pairs

    def __getitem__(self, index: int, /) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        ids, (_, middle, _) = self._shards[index]
        return ids[:middle], ids[middle:]


class Usable(NamedTuple):
    """Indices of the pairs to train on, and the number of pairs skipped for each reason."""

    rows: NDArray[np.int64]
    empty: int
    too_long: int


def encode(text: Text, source_tokenizer: TextEncoder, target_tokenizer: TextEncoder) -> Encoded:
    """Encode a text; shards that are already in the cache for these tokenizers are reused.

    Encoding is multithreaded. After an interruption, at most one shard is encoded again.
    """
    key = "\n".join([text.fingerprint, source_tokenizer.fingerprint, target_tokenizer.fingerprint])
    folder = cache_folder() / "encoded" / hashlib.sha256(key.encode()).hexdigest()
    shards = Shards(folder, len(text), width=2, kind=np.int32)
    missing = shards.missing()
    with bar() as progress:
        left = sum(len(shards.span(number)) for number in missing)
        task = progress.add_task("tokenizing", total=left, unit="pairs")

        def rows(pairs: list[Pair]) -> Rows:
            progress.advance(task, len(pairs))
            return _rows(pairs, source_tokenizer, target_tokenizer)

        batches = map(rows, text.batches(missing))
        for number in missing:
            shards.write(number, islice(batches, BATCHES))
    return Encoded(shards)


@runtime_checkable
class Lengths(Protocol):
    """The number of ids of each source and target."""

    source_lengths: NDArray[np.int32]
    target_lengths: NDArray[np.int32]


def usable(encoded: Lengths, max_length: int) -> Usable:
    """Select the pairs without an empty side or a side of more than `max_length` ids."""
    shorter = np.minimum(encoded.source_lengths, encoded.target_lengths)
    longer = np.maximum(encoded.source_lengths, encoded.target_lengths)
    empty = shorter == 0
    too_long = ~empty & (longer > max_length)
    rows = np.flatnonzero(~empty & ~too_long).astype(np.int64)
    return Usable(rows, int(empty.sum()), int(too_long.sum()))


def _rows(pairs: list[Pair], source: TextEncoder, target: TextEncoder) -> Rows:
    sources, targets = map(list, zip(*pairs, strict=True))
    sides = zip(source.encode(sources), target.encode(targets), strict=True)
    ids = list(chain.from_iterable(sides))
    return Rows.of(np.fromiter(chain.from_iterable(ids), np.int32), map(len, ids), len(ids))
