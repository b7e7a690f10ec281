"""Recurrent networks and cells."""

import warnings
from collections.abc import Iterable
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from seq2seq.layers.host_sizes import lengths_on_host
from seq2seq.layers.paper_initialization import init_recurrent

Kind = Literal["gru", "lstm", "tanh"]
Init = Literal["paper", "xavier"]
GATES = {"gru": 3, "lstm": 4, "tanh": 1}
PARTS = {"gru": 1, "lstm": 2, "tanh": 1}  # tensors in a state: an LSTM has hidden and cell state


class Recurrence(nn.Module):
    """Stack of recurrent layers over whole sequences, in one fused call.

    The state is one tensor of shape [batch layers parts*dim] for every kind of cell; the batch is
    the first axis. `tanh` is the Elman network (1990). The GRU is that of Cho et al. (2014) with
    the reset gate applied after the recurrent product, as in cuDNN.

    Args:
        kind: gru, lstm or tanh.
        inputs: input size.
        dim: units of each layer and direction.
        layers: number of stacked layers.
        dropout: dropout probability between the layers.
        bidirectional: run in both directions and concatenate the states.
    """

    def __init__(
        self,
        kind: Kind,
        inputs: int,
        dim: int,
        *,
        layers: int,
        dropout: float,
        bidirectional: bool = False,
    ) -> None:
        super().__init__()
        self.kind, self.directions = kind, 2 if bidirectional else 1
        network = {"gru": nn.GRU, "lstm": nn.LSTM, "tanh": nn.RNN}[kind]
        self.network = network(
            inputs,
            dim,
            layers,
            batch_first=True,
            bidirectional=bidirectional,
            dropout=dropout if layers > 1 else 0.0,
        )
        for name, weight in self.network.named_parameters():
            init_recurrent(name, weight)

    def forward(
        self, x: Float[Tensor, "batch len inputs"], state: Float[Tensor, "batch layers width"]
    ) -> tuple[Float[Tensor, "batch len dim"], Float[Tensor, "batch layers width"]]:
        """Run from the given state.

        Returns:
            The states of the top layer at every position, and the final state of every layer.
        """
        parts = tuple(
            part.transpose(0, 1).contiguous() for part in state.chunk(PARTS[self.kind], dim=-1)
        )
        states, last = self._run(x, parts if self.kind == "lstm" else parts[0])
        return states, self._joined(last)

    def read(
        self,
        x: Float[Tensor, "batch len inputs"],
        mask: Bool[Tensor, "batch len"],
        lengths: Int[Tensor, " batch"] | None = None,
        *,
        static: bool = False,
    ) -> tuple[Float[Tensor, "batch len both"], Float[Tensor, "batch layers directions width"]]:
        """Run from a zero state over the unmasked positions.

        Args:
            x: the inputs, padded on the right.
            mask: False at padding.
            lengths: number of unmasked positions of each row, in the memory of the CPU. None counts
                them, which makes the host wait for a GPU.
            static: do not use the lengths, but a loop over time steps, for `Batch.static`.

        Returns:
            The states of the top layer at every position, both directions concatenated, and the
            final state of every layer and direction.
        """
        if static:
            return self._read_in_steps(x, mask)
        # torch sorts the rows too (`enforce_sorted=False`), but waits for the device to undo it.
        descending, order = lengths_on_host(lengths, mask).sort(descending=True)
        there, back = (one.to(x.device, non_blocking=True) for one in (order, order.argsort()))
        packed = pack_padded_sequence(x.index_select(0, there), descending, batch_first=True)
        states, last = self._run(packed)
        padded, _ = pad_packed_sequence(states, batch_first=True, total_length=x.size(1))
        final = self._joined(last).unflatten(1, (-1, self.directions))
        return padded.index_select(0, back), final.index_select(0, back)

    def _read_in_steps(
        self, x: Float[Tensor, "batch len inputs"], mask: Bool[Tensor, "batch len"]
    ) -> tuple[Float[Tensor, "batch len both"], Float[Tensor, "batch layers directions width"]]:
        """Do what `read` does in one step for each position, for both directions at once.

        A packed sequence would need the lengths, and the fused call on padded rows would continue
        through the padding.
        """
        network, final = self.network, []
        for layer in range(network.num_layers):
            if layer and self.training:
                x = F.dropout(x, network.dropout)
            inputs, recurrent, biases = [], [], []
            for suffix in ("", "_reverse")[: self.directions]:
                sides = [f"{side}_l{layer}{suffix}" for side in ("ih", "hh")]
                (inner, outer), (inner_bias, outer_bias) = (
                    [getattr(network, f"{kind}_{side}") for side in sides]
                    for kind in ("weight", "bias")
                )
                inputs.append(F.linear(flip(x, mask) if suffix else x, inner, inner_bias))
                recurrent.append(outer.T)
                biases.append(outer_bias.unsqueeze(0))
            products, weight, bias = (torch.stack(one) for one in (inputs, recurrent, biases))
            size = network.hidden_size
            state = products.new_zeros(*products.shape[:2], PARTS[self.kind] * size)
            states = []
            for product, unmasked in zip(products.unbind(2), mask.unbind(1), strict=True):
                step = torch.baddbmm(bias, state[..., :size], weight)
                new = next_state(self.kind, product, step, state)
                state = torch.where(unmasked.view(1, -1, 1), new, state)
                states.append(state[..., :size])
            both = torch.stack(states, dim=2).unbind()
            both = (both[0], *(flip(one, mask) for one in both[1:]))
            x = torch.cat(both, dim=-1) * mask.unsqueeze(-1)
            final.append(state)
        return x, torch.stack(final).permute(2, 0, 1, 3)

    def _run(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        """Run the network over padded or packed inputs.

        In one call over several layers, cuDNN draws dropout from a state of its own, which seeding
        does not reset: a resumed run would not repeat.
        """
        network = self.network
        drops = self.training and network.dropout and network.num_layers > 1
        on_gpu = next(network.parameters()).device.type == "cuda"
        return self._run_layers(x, state) if drops and on_gpu else network(x, state)

    def _run_layers(self, x: Any, state: Any) -> tuple[Any, Any]:
        """Do what the network does, in one call for each layer."""
        network, packed = self.network, isinstance(x, PackedSequence)
        layer_of: Any = {"gru": torch.gru, "lstm": torch.lstm, "tanh": torch.rnn_tanh}[self.kind]
        data, sizes = (x.data, (x.batch_sizes,)) if packed else (x, ())
        if state is None:
            rows = int(x.batch_sizes[0]) if packed else len(x)
            zeros = data.new_zeros(network.num_layers * self.directions, rows, network.hidden_size)
            state = (zeros, zeros) if self.kind == "lstm" else zeros
        parts = state if isinstance(state, tuple) else (state,)
        final = []
        for layer in range(network.num_layers):
            if layer and self.training:
                data = F.dropout(data, network.dropout)
            first = [part.split(self.directions)[layer] for part in parts]
            own = slice(layer * self.directions, (layer + 1) * self.directions)
            weights = [weight for side in network.all_weights[own] for weight in side]
            options = (True, 1, 0.0, self.training, network.bidirectional)
            with warnings.catch_warnings():
                # Weights of one layer alone are copied, since cuDNN orders those of all layers.
                warnings.filterwarnings("ignore", "RNN module weights are not part of single")
                data, *last = layer_of(
                    data,
                    *sizes,
                    first if self.kind == "lstm" else first[0],
                    weights,
                    *options,
                    *(() if packed else (True,)),
                )
            final.append(last)
        ends = tuple(torch.cat(ends) for ends in zip(*final, strict=True))
        states = x._replace(data=data) if packed else data
        return states, ends if self.kind == "lstm" else ends[0]

    def _joined(self, last: Tensor | tuple[Tensor, Tensor]) -> Tensor:
        """Join the final states that torch returns into one tensor with the batch first."""
        parts = last if isinstance(last, tuple) else (last,)
        return torch.cat(parts, dim=-1).transpose(0, 1)


class Cell(nn.Module):
    """One recurrent step with precomputed input products.

    The equations and the initialization are those of `Recurrence`. The caller computes what does
    not depend on the previous state, for all positions at once.
    """

    def __init__(self, kind: Kind, dim: int) -> None:
        super().__init__()
        self.kind = kind
        self.recurrent = nn.Linear(dim, GATES[kind] * dim)
        init_recurrent("weight_hh", self.recurrent.weight)
        init_recurrent("bias", self.recurrent.bias)

    def forward(
        self, inputs: Float[Tensor, "batch gates"], state: Float[Tensor, "batch width"]
    ) -> Float[Tensor, "batch width"]:
        """Return the next state; inputs are the products of the input with the gate weights."""
        hidden = state.chunk(PARTS[self.kind], dim=-1)[0]
        return next_state(self.kind, inputs, self.recurrent(hidden), state)


def next_state(
    kind: Kind,
    inputs: Float[Tensor, "*batch gates"],
    recurrent: Float[Tensor, "*batch gates"],
    state: Float[Tensor, "*batch width"],
) -> Float[Tensor, "*batch width"]:
    """Return the next state of a cell.

    Args:
        kind: gru, lstm or tanh.
        inputs: products of the input with the weights of the gates, with their bias.
        recurrent: the same of the hidden state.
        state: the state, of an LSTM with its cell.
    """
    if kind == "tanh":
        return torch.tanh(inputs + recurrent)
    if kind == "gru":
        dim = state.size(-1)
        # Split instead of slicing: the gradient of a slice allocates a full tensor of zeros.
        gates, new = inputs.split([2 * dim, dim], dim=-1)
        recurrent_gates, recurrent_new = recurrent.split([2 * dim, dim], dim=-1)
        reset, update = torch.sigmoid(gates + recurrent_gates).chunk(2, dim=-1)
        return torch.lerp(torch.tanh(torch.addcmul(new, reset, recurrent_new)), state, update)
    _, cell = state.chunk(2, dim=-1)
    input_gate, forget_gate, new, output_gate = (inputs + recurrent).chunk(4, -1)
    cell = forget_gate.sigmoid() * cell + input_gate.sigmoid() * new.tanh()
    return torch.cat([output_gate.sigmoid() * cell.tanh(), cell], dim=-1)


def flip(
    x: Float[Tensor, "batch len dim"], mask: Bool[Tensor, "batch len"]
) -> Float[Tensor, "batch len dim"]:
    """Reverse each sequence; its padding stays on the right."""
    indices = torch.arange(x.size(1), device=x.device)
    indices = torch.where(mask, mask.sum(1, keepdim=True) - 1 - indices, indices)
    return x.gather(1, indices.unsqueeze(-1).expand_as(x))


def initialize_recurrent(modules: Iterable[nn.Module], init: Init) -> None:
    """Draw the weights of modules and of what they contain again, unless `init` is `paper`.

    With `xavier`, embeddings are N(0, 1/dim) and other matrices Xavier uniform (Glorot and Bengio
    2010, equation 16). Recurrent matrices stay orthogonal and biases zero. N(0, 0.01^2), as in the
    paper, makes the states at first so small that training begins slowly.
    """
    if init == "paper":
        return
    for module in modules:
        match module:
            case Cell():
                continue
            case nn.Embedding():
                nn.init.normal_(module.weight, std=module.embedding_dim**-0.5)
            case nn.Linear():
                nn.init.xavier_uniform_(module.weight)
            case nn.RNNBase():
                for name, weight in module.named_parameters():
                    if name.startswith("weight_ih"):
                        nn.init.xavier_uniform_(weight)
        initialize_recurrent(module.children(), init)
