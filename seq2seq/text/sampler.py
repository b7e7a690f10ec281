"""A resumable sampler of batches with a token budget and sentences of similar length."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from seq2seq.errors import UserError
from seq2seq.text.batching import pack


class TokenBatches:
    """Endless batches of row numbers, epoch after epoch, with a state that can be saved.

    Every epoch sorts the rows by length, breaking ties at random, divides them into batches and
    shuffles the batches. The order depends only on the seed and the epoch, so that the state is
    three numbers. It does not depend on the number of processes, which take turns: of R processes,
    process r takes the batches r, r + R, r + 2R, ... of the endless stream. Together they thus read
    every batch once an epoch, and R processes read in one round what one process reads in R.

    Args:
        rows: the usable rows of the corpus.
        source_lengths: source length of each row of the corpus, without EOS.
        target_lengths: target length of each row of the corpus, without EOS.
        budget: maximum number of tokens per batch on its longer side, including padding.
        seed: seed of the order.
        rank: index of this process.
        ranks: number of processes.

    Attributes:
        epoch: number of completed epochs.
        position: number of batches of the current epoch that have been read by all processes; may
            exceed the length of the epoch until the next batch is read.
        place: (epoch, number) of the last batch of this process, counting from (0, 1); the same
            for any number of processes.

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
        # Lengths with EOS of the usable rows only, in the smallest type: there may be millions.
        sides = source_lengths[rows] + 1, target_lengths[rows] + 1
        longest = int(max(side.max() for side in sides))
        self.source, self.target = (side.astype(np.min_scalar_type(longest)) for side in sides)
        if longest > budget:
            raise UserError(
                f"train.batch_tokens={budget} cannot hold the longest training pair "
                f"({longest} tokens): raise it, or lower data.max_length"
            )
        self.epoch, self.position, self.place = 0, 0, (0, 0)
        self._batches = self._cut(0)
        self._next: list[np.ndarray] | None = None  # the batches of the next epoch, once needed
        if len(self._batches) < ranks:
            raise UserError(
                f"the corpus has {len(self._batches)} batches of {budget} tokens, too few for "
                f"trainer.devices={ranks}: lower train.batch_tokens"
            )

    def _cut(self, epoch: int) -> list[np.ndarray]:
        """Return the batches of an epoch, for all processes, as indices into `rows`."""
        generator = np.random.default_rng([self.seed, epoch])
        # Sort by target length, then source length, then at random (radix sort for small integers).
        order = generator.permutation(len(self.rows))
        for side in (self.source, self.target):
            order = order[np.argsort(side[order], kind="stable")]
        batches = pack(order, np.maximum(self.source, self.target), self.budget)
        return [batches[i] for i in generator.permutation(len(batches))]

    def __len__(self) -> int:
        """Number of batches per epoch."""
        return len(self._batches)

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
                self.position -= len(self)
                self._next_epoch()
            number = self.position + self.rank
            batches, epoch = self._batches, self.epoch
            if number >= len(self):  # the processes share the first batches of the next epoch
                batches, epoch, number = self._following(), epoch + 1, number - len(self)
            self.place = epoch, number + 1
            self.position += self.ranks
            yield self.rows[batches[number]]

    def _following(self) -> list[np.ndarray]:
        """The batches of the next epoch."""
        if self._next is None:
            self._next = self._cut(self.epoch + 1)
        return self._next

    def _next_epoch(self) -> None:
        """Begin the next epoch."""
        self._batches, self._next = self._following(), None
        self.epoch += 1

    def next_rows(self) -> np.ndarray:
        """Return the next batch; at the end of an epoch, one of the first of that epoch."""
        return self._batches[(self.position + self.rank) % len(self)]

    def state_dict(self) -> dict[str, Any]:
        """Return the position in the stream of batches."""
        state = {"seed": self.seed, "epoch": self.epoch, "position": self.position}
        return {**state, "batches": len(self)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue at the position of another sampler over the same corpus.

        With another number of processes, the stream continues at the same batch. If an epoch now
        has another number of batches (another budget or other rows, or a save of an older version
        with several processes), the same fraction of it counts as completed. States saved by older
        versions lack this number.
        """
        self.seed, self.epoch, self.position = state["seed"], state["epoch"], state["position"]
        self._batches, self._next = self._cut(self.epoch), None
        before = state.get("batches")
        if before not in (None, len(self)):
            self.position = self.position * len(self) // before
        # Several processes may have begun the next epoch together, if the number is known.
        self.position = min(self.position, (2 if before == len(self) else 1) * len(self))
