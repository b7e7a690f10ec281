"""Layers whose weights begin as in Bahdanau et al. (2014, appendix B.1)."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seq2seq.layers.dropout import Dropout


def init_recurrent(name: str, weight: Tensor) -> None:
    """Initialize a parameter of a recurrent layer (Bahdanau et al. 2014, appendix B.1).

    Recurrent matrices are orthogonal for each gate, other matrices N(0, 0.01^2), biases zero.
    """
    if name.startswith("bias"):
        nn.init.zeros_(weight)
    elif name.startswith("weight_hh"):
        with torch.no_grad():
            for gate in weight.split(weight.size(1)):
                nn.init.orthogonal_(gate)
    else:
        nn.init.normal_(weight, std=0.01)


def linear(inputs: int, outputs: int, *, bias: bool = True) -> nn.Linear:
    """Linear layer: weight N(0, 0.01^2), bias zero (Bahdanau et al. 2014, appendix B.1)."""
    layer = nn.Linear(inputs, outputs, bias=bias)
    nn.init.normal_(layer.weight, std=0.01)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


class Embedding(nn.Embedding):
    """Embedding with dropout, initialized with N(0, 0.01^2) (Bahdanau et al. 2014, B.1)."""

    def __init__(self, vocab: int, dim: int, dropout: float) -> None:
        super().__init__(vocab, dim)
        self.dropout = Dropout(dropout)
        nn.init.normal_(self.weight, std=0.01)

    def forward(self, ids: Int[Tensor, "*shape"]) -> Float[Tensor, "*shape dim"]:
        """Return the embeddings of ids."""
        return self.dropout(super().forward(ids))
