"""Training pairs that are read while training, without storing them, from a position on."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from seq2seq.corpora.text import Pair
from seq2seq.errors import UserError

DELAYS = (1.0, 4.0, 16.0)  # seconds before another attempt to read from the network


class PairStream(ABC):
    """The pairs of a training text in order, pass after pass, with a position that can be saved.

    Args:
        what: the dataset, for messages.
        remote: whether a failed read is worth another attempt.

    Attributes:
        passes: number of passes over the text that have been read to the end.
        count: number of pairs read in this pass.
    """

    def __init__(self, what: str, *, remote: bool = False) -> None:
        self.what, self.remote = what, remote
        self.passes, self.count = 0, 0
        self._rows: Iterator[Pair] | None = None
        self._pairs: list[Pair] = []  # those that `take` has read so far
        self._ahead: list[Pair] = []  # a pair that was read to see whether the pass has ended
        self._place: dict[str, Any] | None = None  # the position before it

    @abstractmethod
    def open(self, place: dict[str, Any] | None) -> Iterator[Pair]:
        """Start reading from a position that `place` returned; None is the beginning."""

    @abstractmethod
    def place(self) -> dict[str, Any]:
        """Return the position after the pair that was read last, as plain values."""

    def take(self, count: int) -> list[Pair]:
        """Return the next `count` pairs, or fewer if the pass ends; then the next pass begins.

        Raises:
            UserError: the text cannot be read.
        """
        state = self.state_dict()
        for delay in (*DELAYS, None):
            try:
                return self._take(count)
            except UserError:
                raise
            except Exception as error:  # anything that the dependencies of a reader raise
                if delay is None or not self.remote:
                    raise self._broken(error) from error
                time.sleep(delay)
                self.load_state_dict(state)
        raise AssertionError("the last attempt returns or raises")

    def _take(self, count: int) -> list[Pair]:
        rows = self._rows = self._rows or self.open(self._place)
        pairs = self._pairs = self._ahead
        self._ahead = []
        while len(pairs) < count and (pair := next(rows, None)) is not None:
            pairs.append(pair)
        self.count += len(pairs)
        if len(pairs) == count:
            self._place = self.place()
            self._ahead = [pair for pair in [next(rows, None)] if pair is not None]
        if not self._ahead:
            self.passes, self.count = self.passes + 1, 0
            self._rows, self._place = None, None
        return pairs

    def state_dict(self) -> dict[str, Any]:
        """Return the position, as plain values."""
        return {"passes": self.passes, "count": self.count, "place": self._place}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue at a position that `state_dict` returned."""
        self.passes, self.count, self._place = state["passes"], state["count"], state["place"]
        self._rows, self._ahead = None, []

    def drawn(self) -> dict[str, int]:
        """Return how many pairs of each part of a mixture have been read; else nothing."""
        return {}

    def one_pass(self) -> Iterator[Pair]:
        """Yield all pairs of a pass, from the beginning."""
        self.load_state_dict({"passes": 0, "count": 0, "place": None})
        while not self.passes:
            yield from self.take(1000)

    def _broken(self, error: Exception) -> UserError:
        reason = str(error.__cause__ or error).split("\n")[0] or type(error).__name__
        count = self.count + len(self._pairs)
        return UserError(
            f"reading {self.what} failed after {count:,} pairs: {reason}; an interrupted training "
            "is resumed by the same command"
        )
