"""A stream of several parts, for a mixture with a part that is read while training."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np

from seq2seq.corpora.streams import PairStream
from seq2seq.corpora.text import Lines, Pair
from seq2seq.errors import UserError


class StoredStream(PairStream):
    """The pairs of a text that is stored, in another random order in every pass.

    Args:
        what: the text, for messages.
        text: the text.
        seed: seed of the order.
        rank: number of this process; it gets every `ranks`-th pair of a pass.
        ranks: number of processes.
    """

    def __init__(self, what: str, text: Lines, seed: int, rank: int, ranks: int) -> None:
        super().__init__(what)
        self.text, self.seed, self.rank, self.ranks = text, seed, rank, ranks

    def open(self, place: dict[str, Any] | None) -> Iterator[Pair]:
        """Start reading at a row of the current pass."""
        self._row = place["row"] if place else 0
        generator = np.random.default_rng([self.seed, self.passes])
        order = generator.permutation(len(self.text))[self.rank :: self.ranks]
        for row in islice(order, self._row, None):
            self._row += 1
            yield self.text[row]

    def place(self) -> dict[str, Any]:
        """Return the row of the current pass."""
        return {"row": self._row}


class MixedStream(PairStream):
    """The pairs of several streams in proportion to their shares, without an end.

    Args:
        streams: the streams, by the name of their part.
        shares: their shares; they sum to 1.
    """

    def __init__(self, streams: Mapping[str, PairStream], shares: list[float]) -> None:
        super().__init__("the mixture")
        self.streams, self.shares = streams, dict(zip(streams, shares, strict=True))

    def drawn(self) -> dict[str, int]:
        """Return how many pairs of each part have been read: its share of all, rounded."""
        return {name: round(self.count * share) for name, share in self.shares.items()}

    def take(self, count: int) -> list[Pair]:
        """Return the next pairs, one part after another: each has its share of all so far."""
        before = self.drawn()
        self.count += count
        pairs: list[Pair] = []
        for name, end in self.drawn().items():
            pairs += self._take_part(name, end - before[name])
        return pairs

    def _take_part(self, name: str, count: int) -> list[Pair]:
        """Return the next pairs of a part, from its next pass if one ends."""
        stream = self.streams[name]
        pairs: list[Pair] = []
        while len(pairs) < count:
            passes, found = stream.passes, stream.take(count - len(pairs))
            pairs += found
            if not found and stream.passes > passes and self._ended_empty(name):
                raise UserError(f"data.parts.{name}: there are no pairs in {stream.what}")
        return pairs

    def _ended_empty(self, name: str) -> bool:
        """Whether another pass over a part has no pair; it begins again afterwards."""
        stream = self.streams[name]
        state = stream.state_dict()
        empty = not stream.take(1)
        stream.load_state_dict(state)
        return empty

    def state_dict(self) -> dict[str, Any]:
        """Return the position in every part, as plain values."""
        parts = {name: stream.state_dict() for name, stream in self.streams.items()}
        return {"passes": 0, "count": self.count, "parts": parts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue at a position that `state_dict` returned."""
        self.count = state["count"]
        for name, stream in self.streams.items():
            stream.load_state_dict(state["parts"][name])

    def open(self, place: dict[str, Any] | None) -> Iterator[Pair]:
        """A mixture has no rows of its own."""
        raise NotImplementedError

    def place(self) -> dict[str, Any]:
        """A mixture has no position of its own."""
        raise NotImplementedError
