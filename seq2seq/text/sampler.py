"""A resumable sampler of batches with a token budget and sentences of similar length."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from seq2seq.errors import UserError
from seq2seq.text.batching import pack
from seq2seq.text.part_draws import PartDraws


class TokenBatches:
    """Endless batches of row numbers, epoch after epoch, with a state that can be saved.

    Every epoch sorts the rows by length, breaking ties at random, divides them into batches and
    shuffles the batches. The order depends only on the seed and the epoch, so that the state is
    three numbers.

    Args:
        rows: the usable rows of the corpus.
        source_lengths: source length of each row of the corpus, without EOS.
        target_lengths: target length of each row of the corpus, without EOS.
        budget: maximum number of tokens per batch on its longer side, including padding.
        seed: seed of the order.
        rank: index of this process; it takes every `ranks`-th batch.
        ranks: number of processes that share an epoch.
        draws: which of `rows`, by index, each epoch of a mixture has; None is all of them.

    Raises:
        UserError: the longest pair does not fit into the budget, or there are fewer batches than
            processes.
    """

    def __init__(
        self,
        rows: np.ndarray,
        source_lengths: np.ndarray,
        target_lengths: np.ndarray,
        *,
        budget: int,
        seed: int,
        rank: int = 0,
        ranks: int = 1,
        draws: PartDraws | None = None,
    ) -> None:
        self.rows, self.seed, self.budget, self.draws = rows, seed, budget, draws
        self.rank, self.ranks = rank, ranks
        # Lengths with EOS of the usable rows only, in the smallest type: there may be millions.
        sides = source_lengths[rows] + 1, target_lengths[rows] + 1
        longest = int(max(side.max() for side in sides))
        self.source, self.target = (side.astype(np.min_scalar_type(longest)) for side in sides)
        if longest > budget:
            raise UserError(
                f"train.batch_tokens={budget} cannot hold the longest training pair "
                f"({longest} tokens): raise it, or lower data.max_length"
            )
        self.epoch, self.position = 0, 0
        self.seen = np.zeros(len(draws.shares) if draws else 0, np.int64)  # pairs of each part
        self._batches = self._cut()

    def _cut(self) -> list[np.ndarray]:
        """Return the batches of the current epoch, for all processes, as indices into `rows`."""
        generator = np.random.default_rng([self.seed, self.epoch])
        rows = self.draws.rows(self.epoch) if self.draws else len(self.rows)
        batches = cut(rows, self.source, self.target, self.budget, generator)
        if len(batches) < self.ranks:
            raise UserError(
                f"the corpus has {len(batches)} batches of {self.budget} tokens, too few for "
                f"trainer.devices={self.ranks}: lower train.batch_tokens"
            )
        return batches

    def __len__(self) -> int:
        """Number of batches per epoch and process."""
        return len(self._batches) // self.ranks

    @property
    def padding(self) -> float:
        """The share of padding in the tokens of the current epoch, both sides."""
        counts = np.array([len(batch) for batch in self._batches])
        order, starts = np.concatenate(self._batches), np.cumsum(counts) - counts
        sides = self.source, self.target
        padded = sum(int(np.maximum.reduceat(side[order], starts) @ counts) for side in sides)
        return 1 - sum(int(side.sum()) for side in sides) / padded

    @property
    def epochs(self) -> float:
        """Number of epochs so far, including the fraction of the current one."""
        return self.epoch + self.position / len(self)

    def __iter__(self) -> Iterator[np.ndarray]:
        while True:
            if self.position >= len(self):
                self.epoch, self.position = self.epoch + 1, 0
                self._batches = self._cut()
            batch = self.next_rows()
            if self.draws:
                start = self.position * self.ranks
                shared = np.concatenate(self._batches[start : start + self.ranks])
                self.seen += self.draws.counts(shared)
            self.position += 1
            yield self.rows[batch]

    def next_rows(self) -> np.ndarray:
        """Return the next batch; at the end of an epoch, the first batch of that epoch."""
        return self._batches[self.position % len(self) * self.ranks + self.rank]

    def state_dict(self) -> dict[str, Any]:
        """Return the position in the stream of batches."""
        state = {"seed": self.seed, "epoch": self.epoch, "position": self.position}
        counts = {"seen": self.seen.tolist()} if self.draws else {}
        return {**state, "batches": len(self), **counts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue at the position of another sampler over the same corpus.

        If an epoch now has another number of batches (another budget or other rows), the same
        fraction of it counts as completed. States saved by older versions lack this number.
        """
        self.seed, self.epoch, self.position = state["seed"], state["epoch"], state["position"]
        self._batches = self._cut()
        seen = state.get("seen") or []
        if len(seen) == len(self.seen):  # else the parts have changed
            self.seen = np.array(seen, np.int64)
        if (before := state.get("batches")) not in (None, len(self)):
            self.position = self.position * len(self) // before
        self.position = min(self.position, len(self))


def cut(
    rows: np.ndarray | int,
    source: np.ndarray,
    target: np.ndarray,
    budget: int,
    generator: np.random.Generator,
) -> list[np.ndarray]:
    """Divide rows into batches of similar length, in random order.

    Args:
        rows: indices of the rows, of which one may occur more than once; a number is all below it.
        source: source length of each index.
        target: target length of each index.
        budget: maximum number of tokens per batch on its longer side, including padding.
        generator: random generator of the order.
    """
    # Sort by target length, then source length, then at random (radix sort for small integers).
    order = generator.permutation(rows)
    for side in (source, target):
        order = order[np.argsort(side[order], kind="stable")]
    batches = pack(order, np.maximum(source, target), budget)
    return [batches[i] for i in generator.permutation(len(batches))]
