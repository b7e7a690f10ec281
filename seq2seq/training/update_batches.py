"""The batches of the next update, prepared while a device still computes the current one."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seq2seq.errors import UserError
from seq2seq.text.batching import Batch


class DrawnBatch(NamedTuple):
    """Row indices of the training text, and the batch built from them."""

    rows: NDArray[np.integer[Any]]
    batch: Batch


class Place(NamedTuple):
    """The position of a sampler: its state, and the number of epochs so far."""

    state: dict[str, Any]
    epochs: float


class UpdateBatches:
    """The batches of each update, of which those of the next one may be prepared ahead.

    The state to resume from is that after the last update that was taken: what is prepared ahead
    is prepared again by a run that resumes. The batches are therefore the same with and without
    `prepare`, as long as `draw` does not depend on what an update changes.

    Args:
        draw: returns the next batch of the sampler, divided if necessary.
        mark: returns the position of the sampler.
        count: number of batches of the sampler in one update.
    """

    def __init__(
        self, draw: Callable[[], list[DrawnBatch]], mark: Callable[[], Place], count: int
    ) -> None:
        self.draw, self.mark, self.count = draw, mark, count
        self.restart()

    def restart(self) -> None:
        """Forget what is prepared, because the sampler is at another position."""
        self.ready: tuple[list[DrawnBatch], Place] | UserError | None = None
        self.taken = self.mark()

    def prepare(self) -> None:
        """Build the batches of the next update, unless they are ready.

        An error of the training text is raised by `take`, when the current update is complete.
        """
        if self.ready is None:
            try:
                drawn = [part for _ in range(self.count) for part in self.draw()]
                self.ready = drawn, self.mark()
            except UserError as error:
                self.ready = error

    def take(self) -> list[DrawnBatch]:
        """Return the batches of the next update.

        Raises:
            UserError: the training text cannot be read.
        """
        self.prepare()
        ready, self.ready = self.ready, None
        assert ready is not None
        if isinstance(ready, UserError):
            raise ready
        drawn, self.taken = ready
        return drawn
