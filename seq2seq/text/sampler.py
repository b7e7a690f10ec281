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
        draws: which of `rows`, by index, each epoch of a mixture has; None is all of them.

    Attributes:
        epoch: number of completed epochs.
        position: number of batches of the current epoch that have been read by all processes; may
            exceed the length of the epoch until the next batch is read.
        place: (epoch, number) of the last batch of this process, counting from (0, 1); the same
            for any number of processes.
        seen: number of pairs of each part of a mixture that have been read by all processes.

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
        self.epoch, self.position, self.place = 0, 0, (0, 0)
        self.seen = np.zeros(len(draws.shares) if draws else 0, np.int64)
        self._batches = self._cut(0)
        self._next: list[np.ndarray] | None = None  # the batches of the next epoch, once needed

    def _cut(self, epoch: int) -> list[np.ndarray]:
        """Return the batches of an epoch, for all processes, as indices into `rows`."""
        generator = np.random.default_rng([self.seed, epoch])
        rows = self.draws.rows(epoch) if self.draws else len(self.rows)
        batches = cut(rows, self.source, self.target, self.budget, generator)
        if len(batches) < self.ranks:
            raise UserError(
                f"the corpus has {len(batches)} batches of {self.budget} tokens, too few for "
                f"trainer.devices={self.ranks}: lower train.batch_tokens"
            )
        return batches

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
        return 1 - sum(int(side[order].sum()) for side in sides) / padded

    @property
    def epochs(self) -> float:
        """Number of epochs so far, including the fraction of the current one."""
        return self.epoch + self.position / len(self)

    def __iter__(self) -> Iterator[np.ndarray]:
        while True:
            if self.position >= len(self):
                self.position -= len(self)
                self._next_epoch()
            if self.draws:
                shared = [self._numbered(self.position + rank)[1] for rank in range(self.ranks)]
                self.seen += self.draws.counts(np.concatenate(shared))
            self.place, batch = self._numbered(self.position + self.rank)
            self.position += self.ranks
            yield self.rows[batch]

    def _numbered(self, number: int) -> tuple[tuple[int, int], np.ndarray]:
        """The place and the indices of a batch of this epoch, or of the beginning of the next."""
        if number < len(self):
            return (self.epoch, number + 1), self._batches[number]
        number -= len(self)  # the processes share the first batches of the next epoch
        return (self.epoch + 1, number + 1), self._following()[number]

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
        counts = {"seen": self.seen.tolist()} if self.draws else {}
        return {**state, "batches": len(self), **counts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue at the position of another sampler over the same corpus.

        With another number of processes, the stream continues at the same batch. If an epoch now
        has another number of batches (another budget or other rows, or a save of an older version
        with several processes), the same fraction of it counts as completed. States saved by older
        versions lack this number.
        """
        self.seed, self.epoch, self.position = state["seed"], state["epoch"], state["position"]
        self._batches, self._next = self._cut(self.epoch), None
        seen = state.get("seen") or []
        if len(seen) == len(self.seen):  # else the parts have changed
            self.seen = np.array(seen, np.int64)
        before = state.get("batches")
        if before not in (None, len(self)):
            self.position = self.position * len(self) // before
        # Several processes may have begun the next epoch together, if the number is known.
        self.position = min(self.position, (2 if before == len(self) else 1) * len(self))


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
