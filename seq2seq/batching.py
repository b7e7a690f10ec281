"""Batches of sentence pairs: what one is, and how a corpus is cut into them.

A batch has a budget of tokens, padding included, so that every batch costs about the same; pairs
of like length go together, so that almost none of it is padding.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from numpy.typing import NDArray
from torch import Tensor

from seq2seq.errors import UserError

PAD, BOS, EOS, UNK = 0, 1, 2, 3  # the ids that tokenizer, models and search agree on

Ids = Sequence[int | np.integer[Any]] | NDArray[np.int32]
Done = TypeVar("Done")


@dataclass  # not frozen: Lightning rebuilds it field by field for trainer.precision=64-true
class Batch:
    """Token ids, padded on the right.

    src is words + EOS, tgt_in BOS + words, tgt_out words + EOS. num_tokens counts the real target
    tokens, beside the tensors because counting them on a GPU would make the host wait.
    """

    src: Int[Tensor, "batch src"]
    tgt_in: Int[Tensor, "batch tgt"]
    tgt_out: Int[Tensor, "batch tgt"]
    num_tokens: int

    @property
    def src_mask(self) -> Bool[Tensor, "batch src"]:
        """True where the source has a real token."""
        return self.src != PAD

    def to(self, device: torch.device) -> "Batch":
        """The same batch on another device; from pinned memory the copy overlaps with work."""
        if device.type == "cpu":
            return self
        pin = device.type == "cuda"
        sides = (self.src, self.tgt_in, self.tgt_out)
        src, tgt_in, tgt_out = (
            (ids.pin_memory() if pin else ids).to(device, non_blocking=pin) for ids in sides
        )
        return Batch(src, tgt_in, tgt_out, self.num_tokens)


def pad(rows: Sequence[Ids], *, end: bool = False) -> Int[Tensor, "batch len"]:
    """Rows of ids as one rectangle, filled up with PAD on the right, each with an EOS if asked."""
    lengths = np.array([len(row) for row in rows])
    table = np.full((len(rows), lengths.max() + end), PAD, dtype=np.int64)
    table[np.arange(table.shape[1]) < lengths[:, None]] = np.concatenate(rows)  # type: ignore[arg-type]
    if end:
        table[np.arange(len(rows)), lengths] = EOS
    return torch.from_numpy(table)


def collate(pairs: Sequence[tuple[Ids, Ids]]) -> Batch:
    """A batch from pairs of ids without BOS or EOS."""
    sources, targets = zip(*pairs, strict=True)
    return Batch(
        src=pad(sources, end=True),
        tgt_in=F.pad(pad(targets), (1, 0), value=BOS),
        tgt_out=pad(targets, end=True),
        num_tokens=sum(map(len, targets)) + len(targets),
    )


def pack(order: np.ndarray, lengths: np.ndarray, budget: int) -> list[np.ndarray]:
    """Cut an order of rows into batches of at most `budget` tokens, padding included.

    Args:
        order: row numbers, like lengths side by side.
        lengths: tokens of each row, of its longer side.
        budget: a batch has at most this many tokens on either side; a single row may exceed it.
    """
    sorted_lengths, batches, start = lengths[order], [], 0
    while start < len(order):
        # No more rows than if all were as short as the first; at least that one.
        rows = sorted_lengths[start : start + max(1, budget // int(sorted_lengths[start]))]
        tokens = np.maximum.accumulate(rows) * np.arange(1, len(rows) + 1)
        end = start + max(1, int(np.searchsorted(tokens, budget, side="right")))
        batches.append(order[start:end])
        start = end
    return batches


def in_halves(
    rows: NDArray[np.integer[Any]], work: Callable[[NDArray[np.integer[Any]]], Done]
) -> Iterator[tuple[NDArray[np.integer[Any]], Done]]:
    """Work on a batch's rows: all at once, or in halves where the memory has no room for that.

    Raises:
        UserError: there is no room for a single row.
    """
    waiting = [rows]
    while waiting:
        part = waiting.pop(0)
        try:
            done = work(part)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            if len(part) == 1:
                raise UserError(
                    "out of memory on a single sentence: allow a shorter translation "
                    "(search.max_length, --max-length) or a smaller beam (--beam), cut the longest "
                    "sentences, or work on the CPU (trainer.accelerator=cpu, --device cpu)"
                ) from error
            waiting = [*np.array_split(part, 2), *waiting]
            continue
        yield part, done


def out_of_memory(error: BaseException) -> bool:
    """Whether a device, or the machine itself, has no room left for a tensor."""
    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)
    )


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
            if self.position == len(self):
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
        return {"seed": self.seed, "epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another sampler over the same corpus stood."""
        self.seed, self.epoch, self.position = state["seed"], state["epoch"], state["position"]
        self._batches = self._cut()
