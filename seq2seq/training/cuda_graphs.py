"""Training passes as CUDA graphs: all kernels of a forward and backward pass in one launch.

Models of a few million parameters compute for a few milliseconds per update. Launching each of
their hundreds or thousands of kernels from Python takes several times as long. A CUDA graph records
the launches once, for fixed shapes and addresses, and replays them together.

Batches are therefore padded to a small number of shapes, with one graph for each. Padding is not
part of the loss. Gradients are added to tensors that stay allocated.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

from seq2seq.models.base import Seq2Seq
from seq2seq.settings.config import TrainerConfig
from seq2seq.text.batching import Batch, out_of_memory

MAX_GRAPHS = 256  # graphs; later shapes are computed without one


class Shares(NamedTuple):
    """The weights of both losses in what is differentiated: numbers, or tensors in a graph."""

    loss: float | Tensor
    guided: float | Tensor


class Losses(NamedTuple):
    """The losses of a batch, detached; the second is that of guided attention."""

    loss: Tensor
    guided: Tensor | None


Pass = Callable[[Batch, Shares], Losses]  # forward and backward, which adds to the gradients
Shape = tuple[int, int, int]  # rows, source tokens, target tokens


class RecordingError(Exception):
    """A pass could not be recorded as a CUDA graph."""


def use_graphs(settings: TrainerConfig, device: torch.device) -> bool:
    """Whether to train with CUDA graphs; by default, wherever it is possible."""
    if settings.cuda_graphs is not None:
        return settings.cuda_graphs
    alone = settings.devices == 1 and not settings.compile
    return device.type == "cuda" and alone and settings.precision != "16-mixed"


def rounded(number: int) -> int:
    """Round up to one of four numbers for each power of two, and to a multiple of 4."""
    step = max(4, 2 ** (number.bit_length() - 3))
    return -(-number // step) * step


def shape_for(batch: Batch, longest: int | None) -> Shape:
    """Return the shape to pad a batch to, at most a quarter more in each dimension.

    Args:
        batch: any batch.
        longest: the largest number of tokens of a sentence; None does not round the numbers of
            tokens, for a model that has no positions beyond those that it learns.
    """
    (rows, source), target = batch.src.shape, batch.tgt_out.size(1)
    if longest is None:
        return rounded(rows), source, target
    source, target = (max(length, min(rounded(length), longest)) for length in (source, target))
    return rounded(rows), source, target


class Recorded(NamedTuple):
    """One recorded pass: the tensors that it reads, what replays it, and those that it writes."""

    batch: Batch
    replay: Callable[[], None]
    losses: Losses


class Graphs:
    """Passes that are recorded for each shape when a batch first has it, and then replayed.

    Args:
        run: the pass to record.
        model: whose gradients it adds to.
        longest: that of `shape_for`.
        record: records a pass; a test on a CPU passes its own.
    """

    def __init__(
        self,
        run: Pass,
        model: Seq2Seq,
        longest: int | None,
        record: "Callable[[Pass, Batch, Shares], Recorded] | None" = None,
    ) -> None:
        self.run, self.special, self.longest = run, model.special, longest
        self.parameters = [one for one in model.parameters() if one.requires_grad]
        for parameter in self.parameters:
            parameter.grad = torch.zeros_like(parameter)  # a graph adds to this address
        device = self.parameters[0].device
        self.numbers = torch.zeros(2, dtype=self.parameters[0].dtype, device=device)
        self.shares = Shares(*self.numbers.unbind())
        self.record = record or GraphRecorder(device)
        self.recorded: dict[Shape, Recorded] = {}

    def padded(self, batch: Batch) -> Batch:
        """Return the batch with the padding of its shape."""
        return batch.padded(shape_for(batch, self.longest), self.special)

    def zero_gradients(self) -> None:
        """Set all gradients to zero, at their addresses."""
        torch._foreach_zero_([one.grad for one in self.parameters if one.grad is not None])

    def __call__(self, batch: Batch, shares: Shares) -> Losses:
        """Compute the losses of a padded batch and add its gradients.

        Raises:
            RecordingError: the pass cannot be recorded; the gradients are unchanged.
        """
        rows, source = batch.src.shape
        shape = rows, source, batch.tgt_out.size(1)
        recorded = self.recorded.get(shape)
        if recorded is None:
            if len(self.recorded) >= MAX_GRAPHS:
                return self.run(batch, shares)
            self.numbers.zero_()  # the first pass, before recording, adds zeros to the gradients
            recorded = self.recorded[shape] = self.record(self.run, copy_of(batch), self.shares)
        for own, new in zip(tensors_of(recorded.batch), tensors_of(batch), strict=True):
            own.copy_(new, non_blocking=True)
        for number, value in zip(self.shares, shares, strict=True):
            number.fill_(value)  # type: ignore[union-attr]
        recorded.replay()
        loss, guided = recorded.losses
        return Losses(loss.clone(), None if guided is None else guided.clone())


def tensors_of(batch: Batch) -> list[Tensor]:
    """Return the tensors of a batch on its device."""
    every = (batch.src, batch.tgt_in, batch.tgt_out, batch.src_out, batch.links)
    return [one for one in every if one is not None]


def copy_of(batch: Batch) -> Batch:
    """Return a batch with tensors of its own."""
    return batch.converted(torch.clone)


class GraphRecorder:
    """Records passes as CUDA graphs, which share their memory, since one runs at a time."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.stream = device, recording_stream(device)
        self.pool = torch.cuda.graph_pool_handle()

    def __call__(self, run: Pass, batch: Batch, shares: Shares) -> Recorded:
        """Record a pass on a batch whose tensors keep their addresses."""
        with self.random_state_kept():
            # Libraries allocate and choose their kernels in a first pass.
            self.stream.wait_stream(torch.cuda.current_stream(self.device))
            with torch.cuda.stream(self.stream):
                run(batch, shares)
            torch.cuda.current_stream(self.device).wait_stream(self.stream)
            graph = torch.cuda.CUDAGraph()
            try:
                with torch.cuda.graph(
                    graph, self.pool, self.stream, capture_error_mode="thread_local"
                ):
                    losses = run(batch, shares)
            except RuntimeError as error:
                if out_of_memory(error):
                    raise
                raise RecordingError(str(error).strip().split("\n")[0]) from error
        return Recorded(batch, graph.replay, losses)

    @contextmanager
    def random_state_kept(self) -> Iterator[None]:
        """Context manager after which the random numbers continue where they were."""
        state = torch.cuda.get_rng_state(self.device)
        try:
            yield
        finally:
            torch.cuda.set_rng_state(state, self.device)


@functools.cache
def recording_stream(device: torch.device) -> torch.cuda.Stream:
    """Return the stream to record on: one, because libraries keep memory for every stream."""
    return torch.cuda.Stream(device)
