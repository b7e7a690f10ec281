"""The order of batches: budgets of tokens, sentences of like length together, resumable."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from seq2seq.errors import UserError
from seq2seq.text.batching import pack


class TokenBatches:
    """Endless batches of row numbers, epoch after epoch; the position is a state to save.

    Every epoch sorts the rows by length with chance deciding between equals, cuts them into
    batches, and shuffles the batches. Both draws depend on the seed and the epoch alone, so that
    the state is three numbers.

    Args:
        rows: the usable rows of the corpus.
        source_lengths: ids of each row of the corpus, without EOS.
        target_lengths: the same for the target.
        budget: tokens a batch on its longer side, padding included.
        seed: decides the order.
        rank: which of `ranks` processes this is: each takes every ranks-th batch.
        ranks: how many processes share an epoch.

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
    ) -> None:
        self.rows, self.seed, self.budget = rows, seed, budget
        self.rank, self.ranks = rank, ranks
        # Of the rows in use, with the EOS, in the fewest bytes: there may be many millions.
        sides = source_lengths[rows] + 1, target_lengths[rows] + 1
        longest = int(max(side.max() for side in sides))
        self.source, self.target = (side.astype(np.min_scalar_type(longest)) for side in sides)
        if longest > budget:
            raise UserError(
                f"train.batch_tokens={budget} cannot hold the longest training pair "
                f"({longest} tokens): raise it, or lower data.max_length"
            )
        self.epoch, self.position = 0, 0
        self._batches = self._cut()
        if len(self._batches) < ranks:
            raise UserError(
                f"the corpus makes {len(self._batches)} batches of {budget} tokens, too few for "
                f"trainer.devices={ranks}: lower train.batch_tokens"
            )

    def _cut(self) -> list[np.ndarray]:
        """The batches of the present epoch, in order, of all processes, as places in `rows`."""
        chance = np.random.default_rng([self.seed, self.epoch])
        # By target, then source, then chance; small numbers are sorted by counting them.
        order = chance.permutation(len(self.rows))
        for side in (self.source, self.target):
            order = order[np.argsort(side[order], kind="stable")]
        batches = pack(order, np.maximum(self.source, self.target), self.budget)
        return [batches[i] for i in chance.permutation(len(batches))]

    def __len__(self) -> int:
        """Batches an epoch, for one process."""
        return len(self._batches) // self.ranks

    @property
    def padding(self) -> float:
        """The share of the present epoch's tokens, both sides, that is padding."""
        counts = np.array([len(batch) for batch in self._batches])
        order, begins = np.concatenate(self._batches), np.cumsum(counts) - counts
        sides = self.source, self.target
        padded = sum(int(np.maximum.reduceat(side[order], begins) @ counts) for side in sides)
        return 1 - sum(int(side.sum()) for side in sides) / padded

    @property
    def epochs(self) -> float:
        """Epochs gone through so far, with the fraction."""
        return self.epoch + self.position / len(self)

    def __iter__(self) -> Iterator[np.ndarray]:
        while True:
            if self.position >= len(self):
                self.epoch, self.position = self.epoch + 1, 0
                self._batches = self._cut()
            batch = self.next_rows()
            self.position += 1
            yield self.rows[batch]

    def next_rows(self) -> np.ndarray:
        """The batch that comes next; at the very end of an epoch, its first one."""
        return self._batches[self.position % len(self) * self.ranks + self.rank]

    def state_dict(self) -> dict[str, Any]:
        """Where the stream of batches stands."""
        place = {"seed": self.seed, "epoch": self.epoch, "position": self.position}
        return {**place, "batches": len(self)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where another sampler over the same corpus stood.

        Where an epoch has another number of batches now (another budget or other rows), the same
        share of it is behind us. Saves of older versions have no number of batches.
        """
        self.seed, self.epoch, self.position = state["seed"], state["epoch"], state["position"]
        self._batches = self._cut()
        if (before := state.get("batches")) not in (None, len(self)):
            self.position = self.position * len(self) // before
        self.position = min(self.position, len(self))
