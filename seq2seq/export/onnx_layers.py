"""Forms of layers that ONNX can hold, with the same weights and results."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from seq2seq.layers.positions import LearnedPositions
from seq2seq.layers.recurrent import PARTS, Recurrence
from seq2seq.models.base import Autoregressive

OPSET = 18  # version of the operators
NETWORKS = {"gru": "GRU", "lstm": "LSTM", "tanh": "RNN"}  # operators of ONNX
# The order of the gates: PyTorch has reset, update, new (GRU) and input, forget, new, output.
GATES = {"gru": (1, 0, 2), "lstm": (0, 3, 1, 2), "tanh": (0,)}
WEIGHTS = ("inputs", "states", "biases")


class OnnxRecurrence(Recurrence):
    """`Recurrence` with the recurrent operators of ONNX, which know the length of each sentence.

    PyTorch's packed sequences have no form in ONNX. The operators cannot be run by PyTorch.
    """

    def __init__(self, recurrence: Recurrence) -> None:
        nn.Module.__init__(self)
        self.kind, self.directions = recurrence.kind, recurrence.directions
        self.network = recurrence.network
        for layer in range(self.network.num_layers):
            for name, tensor in zip(WEIGHTS, ordered(recurrence, layer), strict=True):
                self.register_buffer(f"{name}_{layer}", tensor)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Run from the given state."""
        parts = [part.transpose(0, 1) for part in state.chunk(PARTS[self.kind], dim=-1)]
        return self.run(x, None, parts)

    def read(
        self,
        x: Tensor,
        mask: Tensor,
        lengths: Tensor | None = None,
        *,
        static: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Run from a zero state over the unmasked positions, which the graph counts itself."""
        states, last = self.run(x, mask.sum(1).to(torch.int32), None)
        return states, last.unflatten(1, (-1, self.directions))

    def run(
        self, x: Tensor, lengths: Tensor | None, initial: list[Tensor] | None
    ) -> tuple[Tensor, Tensor]:
        """Run all layers; return the states of the top one and the final state of every layer."""
        x, final = x.transpose(0, 1), []
        for layer in range(self.network.num_layers):
            rows = slice(layer * self.directions, (layer + 1) * self.directions)
            own = [] if initial is None else [part[rows] for part in initial]
            x, last = self.operator(layer, x, lengths, own)
            final.append(last)
        return x.transpose(0, 1), torch.cat(final).transpose(0, 1)

    def operator(
        self, layer: int, x: Tensor, lengths: Tensor | None, initial: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Apply one layer; the length is the first axis, and the direction in the final state."""
        length, batch, _ = x.shape
        dim, parts = self.network.hidden_size, PARTS[self.kind]
        weights = [self.get_buffer(f"{name}_{layer}") for name in WEIGHTS]
        inputs = [x, *weights, lengths, *initial]
        both = self.directions == 2
        attributes: dict[str, Any] = {
            "hidden_size": dim,
            "direction": "bidirectional" if both else "forward",
        }
        if self.kind == "gru":
            attributes["linear_before_reset"] = 1
        final = (self.directions, batch, dim)
        states, *last = torch.onnx.ops.symbolic_multi_out(
            NETWORKS[self.kind],
            inputs,
            attributes,
            dtypes=[x.dtype] * (1 + parts),
            shapes=[(length, self.directions, batch, dim), *[final] * parts],
            version=OPSET,
        )
        return states.transpose(1, 2).flatten(2), torch.cat(list(last), dim=-1)


def ordered(recurrence: Recurrence, layer: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return input weights, recurrent weights and biases of a layer, as ONNX orders them."""

    def gates(name: str, end: str) -> Tensor:
        parts = getattr(recurrence.network, f"{name}_l{layer}{end}").chunk(len(order))
        return torch.cat([parts[gate] for gate in order])

    order, ends = GATES[recurrence.kind], ("", "_reverse")[: recurrence.directions]
    inputs, states, *biases = (
        torch.stack([gates(name, end) for end in ends])
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    return inputs, states, torch.cat(biases, dim=1)


class UncheckedPositions(LearnedPositions):
    """`LearnedPositions` without the check of the length, which would fix the length in a graph."""

    def __init__(self, positions: LearnedPositions) -> None:
        nn.Module.__init__(self)
        self.table = positions.table

    def at(self, places: Tensor, bound: int) -> Tensor:
        """Return the embeddings of given positions, without reading the largest one."""
        return self.table(places)

    def check(self, length: int) -> None:
        """Check nothing: the operator of ONNX fails at a position that has no embedding."""


def exportable(model: Autoregressive) -> Autoregressive:
    """Return a copy of a model whose layers all have a form in ONNX."""
    model = deepcopy(model).eval()
    forms: dict[type[nn.Module], Any] = {
        Recurrence: OnnxRecurrence,
        LearnedPositions: UncheckedPositions,
    }
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) in forms:
                setattr(module, name, forms[type(child)](child))
    return model
