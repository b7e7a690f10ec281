"""Pieces that several variants are built from; nothing moves here before a second one needs it."""

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seq2seq.layers.dropout import Dropout

Kind = Literal["gru", "lstm", "tanh"]
GATES = {"gru": 3, "lstm": 4, "tanh": 1}
PARTS = {"gru": 1, "lstm": 2, "tanh": 1}  # of a state: an LSTM's is hidden and cell side by side


class Recurrence(nn.Module):
    """A stack of recurrent layers over whole sequences, in one fused call.

    Its state is one tensor for every kind of cell, [batch layers parts*dim], so that the batch is
    the first axis. `tanh` is Elman's network (1990); the GRU is that of Cho et al. (2014) with the
    reset gate applied after the recurrent product, as cuDNN has it.

    Args:
        kind: gru, lstm or tanh.
        inputs: width of what goes in.
        dim: units a layer and direction.
        layers: how many, one above the other.
        dropout: probability between the layers.
        bidirectional: also read from the end, and return both readings side by side.
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
        """The top layer's states at every position, and the last state of every layer."""
        parts = tuple(
            part.transpose(0, 1).contiguous() for part in state.chunk(PARTS[self.kind], dim=-1)
        )
        states, last = self.network(x, parts if self.kind == "lstm" else parts[0])
        return states, self._joined(last)

    def read(
        self, x: Float[Tensor, "batch len inputs"], mask: Bool[Tensor, "batch len"]
    ) -> tuple[Float[Tensor, "batch len both"], Float[Tensor, "batch layers directions width"]]:
        """Run from a zero state over the real positions alone; each direction's last states."""
        packed = pack_padded_sequence(x, mask.sum(1).cpu(), batch_first=True, enforce_sorted=False)
        states, last = self.network(packed)
        padded, _ = pad_packed_sequence(states, batch_first=True, total_length=x.size(1))
        return padded, self._joined(last).unflatten(1, (-1, self.directions))

    def _joined(self, last: Tensor | tuple[Tensor, Tensor]) -> Tensor:
        """Torch's last states as one tensor with the batch first."""
        parts = last if isinstance(last, tuple) else (last,)
        return torch.cat(parts, dim=-1).transpose(0, 1)


class Cell(nn.Module):
    """One recurrent transition whose input products were made ahead of time.

    The same equations and initialisation as `Recurrence`; what does not depend on the previous
    state is left to the caller, who makes it for all positions at once.
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
        """The next state; inputs are the products of the input with the gates' weights."""
        if self.kind == "tanh":
            return torch.tanh(inputs + self.recurrent(state))
        if self.kind == "gru":
            dim = state.size(-1)
            # Split, not sliced: the gradient of each slice would be a whole tensor of zeros first.
            gates, new = inputs.split([2 * dim, dim], dim=-1)
            more, recalled = self.recurrent(state).split([2 * dim, dim], dim=-1)
            reset, keep = torch.sigmoid(gates + more).chunk(2, dim=-1)
            return torch.lerp(torch.tanh(torch.addcmul(new, reset, recalled)), state, keep)
        hidden, cell = state.chunk(2, dim=-1)
        enter, forget, new, out = (inputs + self.recurrent(hidden)).chunk(4, dim=-1)
        cell = forget.sigmoid() * cell + enter.sigmoid() * new.tanh()
        return torch.cat([out.sigmoid() * cell.tanh(), cell], dim=-1)


def init_recurrent(name: str, weight: Tensor) -> None:
    """Bahdanau et al. 2014, B.1: recurrent matrices orthogonal, the rest N(0, 0.01^2), biases 0."""
    if name.startswith("bias"):
        nn.init.zeros_(weight)
    elif name.startswith("weight_hh"):
        with torch.no_grad():
            for gate in weight.split(weight.size(1)):
                nn.init.orthogonal_(gate)
    else:
        nn.init.normal_(weight, std=0.01)


def linear(inputs: int, outputs: int, *, bias: bool = True) -> nn.Linear:
    """A linear map that begins as N(0, 0.01^2), its bias at zero (Bahdanau et al. 2014, B.1)."""
    layer = nn.Linear(inputs, outputs, bias=bias)
    nn.init.normal_(layer.weight, std=0.01)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


class Embedding(nn.Embedding):
    """Word vectors with dropout; begin as N(0, 0.01^2) (Bahdanau et al. 2014, B.1)."""

    def __init__(self, vocab: int, dim: int, dropout: float) -> None:
        super().__init__(vocab, dim)
        self.dropout = Dropout(dropout)
        nn.init.normal_(self.weight, std=0.01)

    def forward(self, ids: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape dim"]:
        """The vectors of ids."""
        return self.dropout(super().forward(ids))


class DeepOutput(nn.Module):
    """The output layer of the 2014 papers: a hidden layer over all that is known, then the words.

    t = maxout(U s + V E y + C c), logits = W t (Bahdanau et al. 2014, A.2.2; Pascanu et al. 2014;
    Goodfellow et al. 2013), or tanh in place of maxout. Its state enters as s_i, as in the paper's
    equation 4; the appendix prints s_(i-1).

    Args:
        kind: maxout takes the larger of each pair of numbers, tanh squashes each number.
        inputs: width of state, previous word and context side by side.
        dim: width of t.
        vocab: how many words there are.
        dropout: probability on t.
    """

    def __init__(
        self, kind: Literal["maxout", "tanh"], inputs: int, dim: int, vocab: int, dropout: float
    ) -> None:
        super().__init__()
        self.kind = kind
        self.mix = linear(inputs, 2 * dim if kind == "maxout" else dim)
        self.dropout = Dropout(dropout)
        self.words = linear(dim, vocab)

    def forward(self, *known: Float[Tensor, "*batch _"]) -> Float[Tensor, "*batch dim"]:
        """The layer t before the words."""
        mixed = self.mix(torch.cat(known, dim=-1))
        squashed = (
            mixed.unflatten(-1, (-1, 2)).amax(dim=-1) if self.kind == "maxout" else mixed.tanh()
        )
        return self.dropout(squashed)
