"""The batches of the next update, prepared while a device still computes the current one."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seq2seq.text.batching import Batch
from seq2seq.text.sampler import TokenBatches


class DrawnBatch(NamedTuple):
    """Row indices of the training text, and the batch built from them."""

    rows: NDArray[np.integer[Any]]
    batch: Batch


class Place(NamedTuple):
    """The position of a sampler: its state, and the number of epochs so far."""

    state: dict[str, Any]
    epochs: float


class Ahead:
    """The batches of each update, of which those of the next one may be prepared ahead.

    The state to resume from is that after the last update that was taken: what is prepared ahead
    is prepared again by a run that resumes. The batches are therefore the same with and without
    `prepare`, as long as `build` depends on its arguments only.

    Args:
        sampler: the sampler of row numbers.
        count: number of batches of the sampler in one update.
        build: returns the batches of some rows at (epoch, position, rank).
    """

    def __init__(
        self,
        sampler: TokenBatches,
        count: int,
        build: Callable[[NDArray[np.integer[Any]], tuple[int, int, int]], list[DrawnBatch]],
    ) -> None:
        self.sampler, self.count, self.build = sampler, count, build
        self.stream = iter(sampler)
        self.ready: tuple[list[DrawnBatch], Place] | None = None
        self.taken = self._place()

    def _place(self) -> Place:
        return Place(self.sampler.state_dict(), self.sampler.epochs)

    def prepare(self) -> None:
        """Build the batches of the next update, unless they are ready."""
        if self.ready is None:
            drawn = []
            for _ in range(self.count):
                rows = next(self.stream)
                place = (self.sampler.epoch, self.sampler.position, self.sampler.rank)
                drawn += self.build(rows, place)
            self.ready = drawn, self._place()

    def take(self) -> list[DrawnBatch]:
        """Return the batches of the next update."""
        self.prepare()
        assert self.ready is not None
        drawn, self.taken = self.ready
        self.ready = None
        return drawn

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from the state of `taken`."""
        self.sampler.load_state_dict(state)
        self.ready, self.taken = None, self._place()
