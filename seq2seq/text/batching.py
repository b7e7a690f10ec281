"""Batches of sentence pairs with a budget of tokens.

The budget includes padding, so that all batches cost about the same. Pairs of similar length are
batched together, so that little of the budget is padding.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from seq2seq.errors import UserError
from seq2seq.text.special_ids import SpecialIds

Ids = Sequence[int | np.integer[Any]] | NDArray[np.int32]
Result = TypeVar("Result")


@dataclass  # not frozen: Lightning rebuilds it field by field for trainer.precision=64-true
class Batch:
    """Token ids, padded on the right.

    src is tokens + EOS, tgt_in is BOS + tokens, tgt_out is tokens + EOS. num_tokens is the number
    of target tokens without padding; it is stored because counting on a GPU would synchronize.
    pad is the id of padding. src_out has the source tokens to predict, if these differ from src, as
    with word dropout. links has the distribution over source tokens that guided attention should
    have at each target token, or zeros; num_linked is the number of rows that are not zero.

    source_lengths and target_lengths are the lengths with EOS. They stay in the memory of the CPU
    on every device, so that reading them does not make the host wait for a GPU; None if unknown.

    A batch of `padded` is static: the sizes of all tensors that a model computes from it must
    depend on the shapes of its tensors alone, as a CUDA graph needs it.
    """

    src: Int[Tensor, "batch src"]
    tgt_in: Int[Tensor, "batch tgt"]
    tgt_out: Int[Tensor, "batch tgt"]
    num_tokens: int
    pad: int
    src_out: Int[Tensor, "batch src"] | None = None
    links: Float[Tensor, "batch tgt src"] | None = None
    num_linked: int = 0
    source_lengths: Int[Tensor, " batch"] | None = None
    target_lengths: Int[Tensor, " batch"] | None = None
    static: bool = False

    @property
    def src_mask(self) -> Bool[Tensor, "batch src"]:
        """True at source tokens, False at padding."""
        return self.src != self.pad

    def twice(self) -> "Batch":
        """Return the batch followed by itself: two passes with different dropout in one."""
        return self.converted(lambda rows: torch.cat([rows, rows]), copies=2)

    def converted(self, work: Callable[[Tensor], Tensor], *, copies: int = 1) -> "Batch":
        """Return a batch with `work`, which repeats the rows `copies` times, on each tensor."""
        optional = (None if one is None else work(one) for one in (self.src_out, self.links))
        src_out, links = optional
        source_lengths, target_lengths = (
            one if one is None else one.repeat(copies)
            for one in (self.source_lengths, self.target_lengths)
        )
        return Batch(
            work(self.src),
            work(self.tgt_in),
            work(self.tgt_out),
            copies * self.num_tokens,
            self.pad,
            src_out,
            links,
            copies * self.num_linked,
            source_lengths,
            target_lengths,
            self.static,
        )

    def padded(self, shape: tuple[int, int, int], special: SpecialIds) -> "Batch":
        """Return the batch with padding up to a shape, as a static one.

        Added rows are an empty source, EOS alone, and a target without any token to predict.

        Args:
            shape: number of rows, and of source and target tokens.
            special: the ids of special tokens.
        """
        rows, source, target = shape

        def extended(ids: Tensor, length: int, first: int) -> Tensor:
            """Add columns of padding, and rows of padding after a first token."""
            before, now = ids.shape
            ids = F.pad(ids, (0, length - now, 0, rows - before), value=self.pad)
            ids[before:, 0] = first
            return ids

        src_out, links = self.src_out, self.links
        if src_out is not None:
            src_out = extended(src_out, source, special.eos)
        if links is not None:
            count, at_target, at_source = links.shape
            missing = (source - at_source, target - at_target, rows - count)
            links = F.pad(links, [size for one in missing for size in (0, one)])
        return Batch(
            extended(self.src, source, special.eos),
            extended(self.tgt_in, target, special.bos),
            extended(self.tgt_out, target, self.pad),
            self.num_tokens,
            self.pad,
            src_out,
            links,
            self.num_linked,
            static=True,
        )

    def to(self, device: torch.device) -> "Batch":
        """Copy to a device, unless it is there; to a GPU asynchronously, from pinned memory."""
        if self.src.device.type == device.type:
            return self
        pin = device.type == "cuda"
        return self.converted(
            lambda rows: (rows.pin_memory() if pin else rows).to(device, non_blocking=pin)
        )


def pad(rows: Sequence[Ids], special: SpecialIds, *, end: bool = False) -> Int[Tensor, "batch len"]:
    """Stack rows of ids, padded on the right; with `end`, each row ends with EOS."""
    lengths = np.array([len(row) for row in rows])
    table = np.full((len(rows), lengths.max() + end), special.pad, dtype=np.int64)
    table[np.arange(table.shape[1]) < lengths[:, None]] = np.concatenate(rows)  # type: ignore[arg-type]
    if end:
        table[np.arange(len(rows)), lengths] = special.eos
    return torch.from_numpy(table)


def collate(pairs: Sequence[tuple[Ids, Ids]], special: SpecialIds) -> Batch:
    """Create a batch from pairs of ids without BOS or EOS."""
    sources, targets = zip(*pairs, strict=True)
    return Batch(
        src=pad(sources, special, end=True),
        tgt_in=F.pad(pad(targets, special), (1, 0), value=special.bos),
        tgt_out=pad(targets, special, end=True),
        num_tokens=sum(map(len, targets)) + len(targets),
        pad=special.pad,
        source_lengths=lengths_of(sources),
        target_lengths=lengths_of(targets),
    )


def lengths_of(rows: Sequence[Ids]) -> Int[Tensor, " batch"]:
    """Return the length of each row with EOS, in the memory of the CPU."""
    return torch.tensor([len(row) + 1 for row in rows])


def pack(order: np.ndarray, lengths: np.ndarray, budget: int) -> list[np.ndarray]:
    """Divide ordered rows into batches of at most `budget` tokens, including padding.

    Args:
        order: row numbers, with rows of similar length next to each other.
        lengths: number of tokens of each row, on its longer side.
        budget: maximum number of tokens per batch and side; a single row may exceed it.
    """
    sorted_lengths, batches, start = lengths[order], [], 0
    while start < len(order):
        # Upper bound on the batch size: all rows as short as the first one.
        rows = sorted_lengths[start : start + max(1, budget // int(sorted_lengths[start]))]
        tokens = np.maximum.accumulate(rows) * np.arange(1, len(rows) + 1)
        end = start + max(1, int(np.searchsorted(tokens, budget, side="right")))
        batches.append(order[start:end])
        start = end
    return batches


def halve_on_out_of_memory(
    rows: NDArray[np.integer[Any]], work: Callable[[NDArray[np.integer[Any]]], Result]
) -> Iterator[tuple[NDArray[np.integer[Any]], Result]]:
    """Apply `work` to the rows of a batch; on out of memory, retry with halves of it.

    Raises:
        UserError: a single row does not fit into memory.
    """
    pending = [rows]
    while pending:
        part = pending.pop(0)
        try:
            result = work(part)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            if len(part) == 1:
                raise UserError(
                    "out of memory on a single sentence: allow a shorter translation "
                    "(search.max_length, --max-length) or a smaller beam (--beam), split the "
                    "longest sentences, or use the CPU (trainer.accelerator=cpu, --device cpu)"
                ) from error
            pending = [*np.array_split(part, 2), *pending]
            continue
        yield part, result


def out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the device or the machine is out of memory."""
    phrases = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(phrase in str(error).lower() for phrase in phrases)
    )
