"""Find duplicate pairs within a split and between splits, by hashes in bounded memory.

Texts are compared by Python's built-in 64-bit hash, whose key is random in each process. The
probability of any collision among n different texts is about n^2 / 2^65: 1 in 370,000 for ten
million lines.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seq2seq.corpora.cache import cache_folder, counted
from seq2seq.corpora.content_cache import read_cached, write_cached
from seq2seq.corpora.text import Pair, Text
from seq2seq.errors import UserError

Hashes = NDArray[np.int64]

MAX_HASHES = 1 << 25  # maximum number of hashes in a HashSet: 256 MiB


def hashes(items: Sequence[object]) -> Hashes:
    """Hash each item; equal items have equal hashes within this process."""
    return np.fromiter(map(hash, items), np.int64, len(items))


def side_hashes(pairs: Iterable[Pair]) -> tuple[Hashes, Hashes]:
    """Hash pairs and their sources, without pairs that have an empty side."""
    pairs = [pair for pair in pairs if pair.source and pair.target]
    return hashes(pairs), hashes([pair.source for pair in pairs])


class HashSet:
    """A set of hashes, 8 bytes each, stored in sorted runs of doubling length.

    Once it holds MAX_HASHES hashes it stops growing; later batches are only compared with those.
    """

    def __init__(self) -> None:
        self._runs: list[Hashes] = []
        self.count = 0

    @property
    def full(self) -> bool:
        """Whether no more hashes are added."""
        return self.count >= MAX_HASHES

    def repeated(self, batch: Hashes) -> NDArray[np.bool_]:
        """Return which hashes occurred before, in this batch or an earlier one, and add all."""
        found = np.ones(len(batch), dtype=np.bool_)
        new, first = np.unique(batch, return_index=True)
        found[first] = False
        for run in self._runs:
            found |= member(batch, run)
        if not self.full:
            self.count += len(new)
            while self._runs and len(self._runs[-1]) <= len(new):
                new = np.concatenate([self._runs.pop(), new])
                new.sort(kind="stable")  # merges runs that are already sorted
            self._runs.append(new)
        return found


def member(batch: Hashes, known: Hashes) -> NDArray[np.bool_]:
    """Return which hashes of a batch are in a sorted array."""
    if not len(known):
        return np.zeros(len(batch), dtype=np.bool_)
    positions = np.searchsorted(known, batch).clip(max=len(known) - 1)
    return np.asarray(known[positions] == batch)


class SharedPairs:
    """The pairs and sources of a held-out split that also occur in another; 18 bytes per pair.

    Args:
        pairs: hashes of the held-out pairs.
        sources: hashes of their source sides, in the same order.
    """

    def __init__(self, pairs: Hashes, sources: Hashes) -> None:
        self._own = pairs, sources
        self._found = np.zeros(len(pairs), dtype=np.bool_), np.zeros(len(pairs), dtype=np.bool_)

    def update(self, pairs: Hashes, sources: Hashes) -> None:
        """Compare with a batch of the other split."""
        for own, found, other in zip(self._own, self._found, (pairs, sources), strict=True):
            found |= member(own, np.unique(other))

    @property
    def pairs(self) -> NDArray[np.intp]:
        """Indices of pairs that occur in the other split with both sides."""
        return np.flatnonzero(self._found[0])

    @property
    def sources(self) -> NDArray[np.intp]:
        """Indices of pairs of which only the source occurs in the other split."""
        return np.flatnonzero(self._found[1] & ~self._found[0])


class Overlap(NamedTuple):
    """The overlap of a held-out split with the training set."""

    split: str
    lines: int
    pairs: int
    sources: int  # without those of `pairs`

    def __str__(self) -> str:
        return (
            f"{self.pairs:,} of the {self.lines:,} pairs of {self.split} are also in the training "
            f"set, and {self.sources:,} more of its sources, with another translation"
        )


def overlaps(train: Text, heldout: Mapping[str, Text]) -> list[Overlap]:
    """Return the overlap of each held-out split with the training set, if there is any."""
    files = {
        split: cache_folder() / "overlap" / f"{train.fingerprint}-{text.fingerprint}.json"
        for split, text in heldout.items()
    }
    counts = {split: known for split, file in files.items() if (known := read_cached(file))}
    shared = {
        split: SharedPairs(*side_hashes(heldout[split])) for split in heldout if split not in counts
    }
    if shared:
        sources = {source for split in shared for source in heldout[split].sources()}
        for batch in counted(train.batches(), "looking for overlap", total=len(train)):
            candidates = side_hashes(pair for pair in batch if pair.source in sources)
            for one in shared.values():
                one.update(*candidates)
    for split, one in shared.items():
        counts[split] = {"pairs": len(one.pairs), "sources": len(one.sources)}
        write_cached(files[split], counts[split])
    found = [Overlap(split, len(heldout[split]), **counts[split]) for split in heldout]
    return [one for one in found if one.pairs or one.sources]


def same_as_training(split: str) -> UserError:
    """Return the error for a test set that is the same as the training set."""
    return UserError(
        f"{split} has the same pairs as the training set: use data.file to divide one file into "
        "training, validation and test pairs (data.validation=1000 data.tests=[1000])"
    )
