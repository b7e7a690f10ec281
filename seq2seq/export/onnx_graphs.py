"""Models as two functions of tensors, encoder and decoder step, and their ONNX graphs."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import jaxtyping
import torch
from torch import Tensor, nn

from seq2seq.export.onnx_layers import OPSET, exportable
from seq2seq.models.base import Autoregressive

SOURCE, TOKEN, LOGITS, ATTENTION, STATE = "source", "token", "logits", "attention", "state"
NEXT = "next_"  # begins the name of an output that is a part of the next state


def named(tree: Any, name: str) -> dict[str, Tensor]:
    """Return the tensors of a nested tuple by name: its fields or indices, with dots between.

    A field may be None, as that of what only a beam computes; it has no name.
    """
    if tree is None:
        return {}
    if isinstance(tree, Tensor):
        return {name: tree}
    keys = getattr(tree, "_fields", range(len(tree)))
    parts = (named(part, f"{name}.{key}") for key, part in zip(keys, tree, strict=True))
    return {key: tensor for part in parts for key, tensor in part.items()}


def replaced(tree: Any, tensors: Iterator[Tensor]) -> Any:
    """Return a nested tuple with other tensors, in the order of `named`."""
    if tree is None:
        return None
    if isinstance(tree, Tensor):
        return next(tensors)
    parts = [replaced(part, tensors) for part in tree]
    return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)


class Encoder(nn.Module):
    """From source ids to memory and initial state, of which it returns the tensors in `names`."""

    def __init__(self, model: Autoregressive, names: Sequence[str]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, source: Tensor) -> tuple[Tensor, ...]:
        """Encode sentences; padding is where the id of padding is."""
        memory = self.model.encode(source, source != self.model.special.pad)
        tensors = named(memory, "memory") | named(self.model.start(memory), STATE)
        return tuple(map(filled, (tensors[name] for name in self.names)))


def filled(tensor: Tensor) -> Tensor:
    """Return a tensor; without elements, another one that is computed from nothing.

    An empty cache is computed by layers, whose operators in ONNX do not all accept empty tensors.
    """
    return tensor if tensor[:1].numel() else torch.zeros(tensor.shape, dtype=tensor.dtype)


class DecoderStep(nn.Module):
    """From a token, memory and state to logits, attention weights (if any) and the next state.

    Args:
        model: the model.
        memory: memory of any batch, for the structure.
        state: the same of the state.
    """

    def __init__(self, model: Autoregressive, memory: Any, state: Any) -> None:
        super().__init__()
        self.model, self.structure = model, (memory, state)

    def forward(self, token: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Read one token of each sentence; the tensors are those of memory and state."""
        memory, state = replaced(self.structure, iter(tensors))
        logits, attention, state = self.model.step(token, memory, state)
        weights = () if attention is None else (attention,)
        return (logits, *weights, *named(state, STATE).values())


class Example(NamedTuple):
    """Inputs of both graphs, and outputs of the encoder."""

    source: Tensor
    token: Tensor
    memory: Any
    state: Any

    @classmethod
    def make(cls, model: Autoregressive, batch: int, length: int, past: int) -> "Example":
        """Encode sentences of a length and decode tokens; none of them has a meaning.

        Args:
            model: the model.
            batch: number of sentences.
            length: length of the sentences in tokens.
            past: number of tokens that are decoded.
        """
        special = model.special
        source = torch.full((batch, length), special.unk)
        source[:, -1], token = special.eos, torch.full((batch,), special.unk)
        memory = model.encode(source, source != special.pad)
        state = model.start(memory)
        for _ in range(past):
            state = model.step(token, memory, state).state
        return cls(source, token, memory, state)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The tensors of memory and state by name."""
        return named(self.memory, "memory") | named(self.state, STATE)


class Graphs(NamedTuple):
    """The ONNX programs of a model, and the names of their inputs and outputs.

    Attributes:
        encoder: from `source` to the tensors in `carried`.
        decoder: from `token` and the tensors in `carried` to logits, attention and next state.
        carried: the names of memory and state.
        attention: whether the decoder returns attention weights.
    """

    encoder: Any
    decoder: Any
    carried: list[str]
    attention: bool


def axes(small: Example, large: Example) -> dict[str, dict[int, str]]:
    """Return the name of each axis of memory and state whose size is not always the same."""
    sizes = {
        (len(small.source), len(large.source)): "batch",
        (small.source.size(1), large.source.size(1)): "source_length",
    }
    found = {}
    for name, one in small.tensors.items():
        pairs = list(zip(one.shape, large.tensors[name].shape, strict=True))
        found[name] = {
            axis: sizes.get(pair, "past") for axis, pair in enumerate(pairs) if pair[0] != pair[1]
        }
    return found


@torch.no_grad()
def graphs(model: Autoregressive) -> Graphs:
    """Return the ONNX programs of a model; batch, source and target may have any length."""
    example = Example.make(model, 2, 5, 3)  # all sizes differ
    dynamic = axes(example, Example.make(model, 3, 7, 4))
    step = model.step(example.token, example.memory, example.state)
    attention = [] if step.attention is None else [ATTENTION]
    copy, states = exportable(model), list(named(example.state, STATE))
    decoder = program(
        DecoderStep(copy, example.memory, example.state),
        {TOKEN: example.token, **example.tensors},
        {"token": {0: "batch"}, "tensors": tuple(dynamic.values())},
        [LOGITS, *attention, *(NEXT + name for name in states)],
    )
    # What only the initial state is computed from is no input of the step.
    inputs = decoder.model.graph.inputs
    for value in [one for one in inputs if not one.uses()]:
        inputs.remove(value)
    carried = [value.name for value in inputs if value.name != TOKEN]
    encoder = program(
        Encoder(copy, carried),
        {SOURCE: example.source},
        {"source": {0: "batch", 1: "source_length"}},
        carried,
    )
    return Graphs(encoder, decoder, carried, bool(attention))


@contextmanager
def tracing() -> Iterator[None]:
    """Suppress what disturbs an export.

    These are warnings and log messages, which PyTorch and onnxscript write about themselves, and
    checks of shapes by jaxtyping (in tests), which would fix the compared sizes in the graph.
    """
    level, unchecked = logging.root.manager.disable, jaxtyping.config.jaxtyping_disable
    logging.disable(logging.WARNING)
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
        jaxtyping.config.update("jaxtyping_disable", unchecked)


def program(
    module: nn.Module,
    inputs: dict[str, Tensor],
    dynamic_shapes: dict[str, Any],
    output_names: list[str],
) -> Any:
    """Return the ONNX program of a module.

    Args:
        module: the module.
        inputs: inputs of any size, by name.
        dynamic_shapes: the name of each axis of any size, by parameter of `forward` and axis.
        output_names: names of the outputs.
    """
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass

    with tracing():
        found: Any = torch.onnx.export(
            module,
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=output_names,
            dynamic_shapes=dynamic_shapes,
            dynamo=True,
            opset_version=OPSET,
            verbose=False,
        )
    ClearMetadataAndDocStringPass()(found.model)  # these have lines of code and paths of its files
    return found
