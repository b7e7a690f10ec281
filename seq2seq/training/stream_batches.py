"""Batches of a text that is read while training, cut from a bounded number of pairs.

A block is the next `size` pairs of the stream, in random order: its pairs are sorted by length,
divided into batches, and the batches are shuffled, as in an epoch of a text that is stored. Only
the pairs of one block are in memory. The state is the position of the stream at the beginning of
the block and the number of batches used; to resume, the block is read again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq2seq.corpora.encoded import Usable
from seq2seq.corpora.encoded import usable as usable_rows
from seq2seq.corpora.streams import PairStream
from seq2seq.corpora.text import Pair
from seq2seq.errors import UserError
from seq2seq.text.sampler import cut
from seq2seq.text.tokenizer import Tokenizers
from seq2seq.training.examples import Segmented


class BlockIds:
    """The ids of the pairs of a block."""

    def __init__(self, pairs: Sequence[Pair], tokenizers: Tokenizers) -> None:
        self._sides = tuple(
            [np.array(ids, np.int32) for ids in tokenizer.encode([pair[side] for pair in pairs])]
            for side, tokenizer in enumerate(tokenizers)
        )
        self.source_lengths, self.target_lengths = (
            np.array([len(ids) for ids in side], np.int32) for side in self._sides
        )

    def __len__(self) -> int:
        return len(self._sides[0])

    def __getitem__(self, index: int, /) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        return self._sides[0][index], self._sides[1][index]


@dataclass
class Counts:
    """What this process has read.

    Attributes:
        read: number of pairs.
        used: pairs that are neither empty nor too long.
        empty: pairs with an empty side.
        too_long: pairs with a side of more than `max_length` pieces.
        used_in_pass: used pairs of the current pass.
        held_out: pairs that are also in the validation or a test set.
    """

    read: int = 0
    used: int = 0
    empty: int = 0
    too_long: int = 0
    used_in_pass: int = 0
    held_out: int = 0

    def add(self, usable: Usable) -> None:
        """Count the pairs of a block."""
        self.used += len(usable.rows)
        self.used_in_pass += len(usable.rows)
        self.empty += usable.empty
        self.too_long += usable.too_long
        self.read += len(usable.rows) + usable.empty + usable.too_long


@dataclass
class StreamBatches:
    """Endless batches of a stream, with a state that can be saved.

    Attributes:
        stream: the pairs of this process.
        tokenizers: of both sides.
        max_length: maximum number of pieces of a source or target.
        size: number of pairs of a block.
        budget: maximum number of tokens per batch on its longer side, including padding.
        seed: seed of the order.
        sampling: strength of subword sampling; 0 disables it.
        growth: ratio of the number of pieces with and without sampling.
        held_out: the pairs of the validation and test sets.
        block: number of the current block.
        position: number of its batches that have been used.
        counts: what has been read so far, with the current block.
    """

    stream: PairStream
    tokenizers: Tokenizers
    max_length: int
    size: int
    budget: int
    seed: int
    sampling: float = 0.0
    growth: float = 1.0
    held_out: frozenset[Pair] = frozenset()
    block: int = 0
    position: int = 0
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        self._begin: dict[str, Any] = {}  # the state at the beginning of the block
        self._batches: list[NDArray[np.int64]] = []
        self.examples: Segmented | None = None  # the pairs of the block
        self._mark()

    @property
    def epochs(self) -> float:
        """Number of passes over the stream; the length of one is unknown, so this is whole."""
        done = self.position >= len(self._batches)
        return float(self.stream.passes if done else self._begin["stream"]["passes"])

    @property
    def first_row(self) -> int:
        """The number of pairs that were read in this pass before the block."""
        count: int = self._begin["stream"]["count"]
        return count

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        while True:
            batch = self.next_rows()
            self.position += 1
            yield batch

    def next_rows(self) -> NDArray[np.int64]:
        """Return the next batch, as rows of `examples`, without using it."""
        while self.position >= len(self._batches):
            self.block, self.position = self.block + 1, 0
            self._mark()
            self._read()
        return self._batches[self.position]

    def _mark(self) -> None:
        self._begin = {"stream": self.stream.state_dict(), "counts": dict(vars(self.counts))}

    def _read(self) -> None:
        """Read a block and cut it into batches.

        Raises:
            UserError: a whole pass has no usable pair.
        """
        passes = self.stream.passes
        pairs = self.stream.take(self.size)
        ids = BlockIds(pairs, self.tokenizers)
        kept = usable_rows(ids, self.max_length)
        self.counts.add(kept)
        self.counts.held_out += sum(pair in self.held_out for pair in pairs)
        if self.stream.passes > passes:
            if not self.counts.used_in_pass:
                raise UserError(
                    f"no training pair is left of {self.stream.what}: {self.counts.empty:,} have "
                    f"an empty side, {self.counts.too_long:,} are longer than "
                    f"data.max_length={self.max_length} pieces"
                )
            self.counts.used_in_pass = 0
        self.examples = Segmented(
            pairs, ids, self.tokenizers, self.max_length, self.sampling, self.seed
        )
        source, target = self.examples.lengths(self.budget, self.growth)
        generator = np.random.default_rng([self.seed, self.block])
        self._batches = cut(kept.rows, source + 1, target + 1, self.budget, generator)

    def state_dict(self) -> dict[str, Any]:
        """Return the position, as plain values."""
        place = {"block": self.block, "position": self.position, **self._begin}
        return {**place, "total": dict(vars(self.counts)), "drawn": self.stream.drawn()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue at a position that `state_dict` returned, and read its block again."""
        self.block, self.position = state["block"], state["position"]
        self.stream.load_state_dict(state["stream"])
        self.counts = Counts(**state["counts"])
        self._mark()
        self._batches = []
        if self.block:
            self._read()
