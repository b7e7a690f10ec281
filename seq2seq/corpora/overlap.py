"""The same text twice: inside a split, and across splits, found by hashes in bounded memory.

A text is known by Python's own hash of it, 64 bits under a key that each process draws anew. Among
n different texts, some two of them then look equal with a probability of about n^2 / 2^65: one in
370,000 for ten million lines.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seq2seq.corpora.cache import cache_folder, counted
from seq2seq.corpora.known import note, recall
from seq2seq.corpora.text import Pair, Text
from seq2seq.errors import UserError

Hashes = NDArray[np.int64]

MOST = 1 << 25  # hashes that `Seen` keeps: 256 MiB


def hashes(items: Sequence[object]) -> Hashes:
    """A hash of each, the same for equal ones within this process."""
    return np.fromiter(map(hash, items), np.int64, len(items))


def both(pairs: Iterable[Pair]) -> tuple[Hashes, Hashes]:
    """The hashes of pairs and of their sources, those with an empty side left out."""
    pairs = [pair for pair in pairs if pair.source and pair.target]
    return hashes(pairs), hashes([pair.source for pair in pairs])


class HashSet:
    """Hashes met so far, 8 bytes each, in sorted runs of ever doubling length.

    After MOST of them no more are added: the later ones are still looked for among the first.
    """

    def __init__(self) -> None:
        self._runs: list[Hashes] = []
        self.count = 0

    @property
    def full(self) -> bool:
        """Whether what is met now is no longer remembered."""
        return self.count >= MOST

    def repeated(self, batch: Hashes) -> NDArray[np.bool_]:
        """Which of these were met before, in this batch or an earlier one; then remember them."""
        found = np.ones(len(batch), dtype=np.bool_)
        new, first = np.unique(batch, return_index=True)
        found[first] = False
        for run in self._runs:
            found |= member(batch, run)
        if not self.full:
            self.count += len(new)
            while self._runs and len(self._runs[-1]) <= len(new):
                new = np.concatenate([self._runs.pop(), new])
                new.sort(kind="stable")  # which merges runs that are sorted already
            self._runs.append(new)
        return found


def member(these: Hashes, known: Hashes) -> NDArray[np.bool_]:
    """Which of these are in a sorted array."""
    if not len(known):
        return np.zeros(len(these), dtype=np.bool_)
    places = np.searchsorted(known, these).clip(max=len(known) - 1)
    return np.asarray(known[places] == these)


class Shared:
    """Which pairs and which sources of a held-out split are met in another; 18 bytes a pair.

    Args:
        pairs: hashes of the held-out pairs.
        sources: hashes of their source sides, in the same order.
    """

    def __init__(self, pairs: Hashes, sources: Hashes) -> None:
        self._own = pairs, sources
        self._met = np.zeros(len(pairs), dtype=np.bool_), np.zeros(len(pairs), dtype=np.bool_)

    def meet(self, pairs: Hashes, sources: Hashes) -> None:
        """Look at a batch of the other split."""
        for own, met, other in zip(self._own, self._met, (pairs, sources), strict=True):
            met |= member(own, np.unique(other))

    @property
    def pairs(self) -> NDArray[np.intp]:
        """Which were met with both sides."""
        return np.flatnonzero(self._met[0])

    @property
    def sources(self) -> NDArray[np.intp]:
        """Which were met with their source side, but never with both."""
        return np.flatnonzero(self._met[1] & ~self._met[0])


class Overlap(NamedTuple):
    """How much of a held-out split stands in the training text too."""

    split: str
    lines: int
    pairs: int
    sources: int  # beyond those pairs

    def __str__(self) -> str:
        return (
            f"{self.pairs:,} of the {self.lines:,} pairs of {self.split} are also trained on, and "
            f"{self.sources:,} more of its sources, translated otherwise"
        )


def overlaps(train: Text, heldout: Mapping[str, Text]) -> list[Overlap]:
    """What held-out splits share with the training text, those that share nothing left out."""
    files = {
        split: cache_folder() / "overlap" / f"{train.fingerprint}-{text.fingerprint}.json"
        for split, text in heldout.items()
    }
    counts = {split: known for split, file in files.items() if (known := recall(file))}
    shared = {split: Shared(*both(heldout[split])) for split in heldout if split not in counts}
    if shared:
        sources = {source for split in shared for source in heldout[split].sources()}
        for batch in counted(train.batches(), "looking for overlap", total=len(train)):
            near = both(pair for pair in batch if pair.source in sources)
            for one in shared.values():
                one.meet(*near)
    for split, one in shared.items():
        counts[split] = {"pairs": len(one.pairs), "sources": len(one.sources)}
        note(files[split], counts[split])
    found = [Overlap(split, len(heldout[split]), **counts[split]) for split in heldout]
    return [one for one in found if one.pairs or one.sources]


def same_as_training(split: str) -> UserError:
    """What to raise for a test set that is the training text."""
    return UserError(
        f"{split} is the same text as the training text: data.file divides one file into training, "
        "validation and test pairs (data.validation=1000 data.tests=[1000])"
    )
