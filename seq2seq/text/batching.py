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


def halve_on_out_of_memory(
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
