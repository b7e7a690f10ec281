"""The training pairs of each epoch of a mixture, in proportion to the weights of its parts."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray


def shares_of(weights: Sequence[float], temperature: float = 1.0) -> list[float]:
    """Return the probability of each part: weight^(1 / temperature), normalized.

    A temperature above 1 moves the shares towards equal ones (Arivazhagan et al. 2019, section
    3.3).
    """
    logits = np.log(np.asarray(weights, np.float64)) / temperature
    scaled = np.exp(logits - logits.max())
    shares: list[float] = (scaled / scaled.sum()).tolist()
    return shares


class PartDraws:
    """The rows of each epoch of a mixture.

    An epoch has as many rows as all parts have together. After every epoch, the number of rows of
    a part drawn so far is its share of all, rounded. The rows of a part are in random order, and
    each is drawn once before any is drawn again, also across epochs. All depends only on the seed
    and the number of the epoch.

    Args:
        bounds: the first row of each part, and the number of rows.
        shares: the share of each part; they sum to 1.
        seed: seed of the order.
    """

    def __init__(self, bounds: Sequence[int], shares: Sequence[float], seed: int) -> None:
        self.bounds, self.shares, self.seed = [*bounds], [*shares], seed

    def drawn(self, part: int, epoch: int) -> int:
        """Return how many rows of a part are drawn before an epoch."""
        return round(epoch * self.bounds[-1] * self.shares[part])

    def rows(self, epoch: int) -> NDArray[np.int64]:
        """Return the rows of an epoch, one part after another."""
        parts = [
            self.bounds[part] + self.order(part, self.drawn(part, epoch), end)
            for part in range(len(self.shares))
            if (end := self.drawn(part, epoch + 1)) > self.drawn(part, epoch)
        ]
        return np.concatenate(parts)

    def order(self, part: int, start: int, end: int) -> NDArray[np.int64]:
        """Return draws `start` to `end` (exclusive) of a part, counted over all epochs."""
        size = self.bounds[part + 1] - self.bounds[part]
        return np.concatenate(list(orders(size, start, end, (self.seed, part))))

    def counts(self, rows: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return how many of some rows each part has."""
        own = np.searchsorted(self.bounds, rows, side="right") - 1
        return np.bincount(own, minlength=len(self.shares)).astype(np.int64)


def orders(size: int, start: int, end: int, seed: tuple[int, ...]) -> Iterator[NDArray[np.int64]]:
    """Yield the places `start` to `end` of an endless sequence of permutations of `size` rows."""
    for turn in range(start // size, -(-end // size)):
        order = np.random.default_rng([*seed, turn]).permutation(size)
        yield order[max(start - turn * size, 0) : end - turn * size].astype(np.int64)
