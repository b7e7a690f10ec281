"""The deep output of the recurrent models: a hidden layer before the output layer."""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from seq2seq.layers.dropout import Dropout
from seq2seq.layers.paper_initialization import linear


class DeepOutput(nn.Module):
    """Deep output: a hidden layer over state, previous token and context, then the output layer.

    t = maxout(U s + V E y + C c), logits = W t (Bahdanau et al. 2014, A.2.2; Pascanu et al. 2014;
    Goodfellow et al. 2013), or tanh in place of maxout. The state s is s_i, as in equation 4 of
    Bahdanau et al.; their appendix prints s_(i-1).

    Args:
        kind: maxout takes the maximum of each pair of units, tanh applies tanh to each unit.
        inputs: total size of state, previous token and context.
        dim: size of t.
        vocab: size of the vocabulary.
        dropout: dropout probability on t.
    """

    def __init__(
        self, kind: Literal["maxout", "tanh"], inputs: int, dim: int, vocab: int, dropout: float
    ) -> None:
        super().__init__()
        self.kind = kind
        self.mix = linear(inputs, 2 * dim if kind == "maxout" else dim)
        self.dropout = Dropout(dropout)
        self.words = linear(dim, vocab)

    def forward(
        self,
        *inputs: Float[Tensor, "*batch _"],
        product: Float[Tensor, "*batch mixed"] | None = None,
    ) -> Float[Tensor, "*batch dim"]:
        """Return the hidden layer t; the model applies the output layer.

        Args:
            inputs: all inputs, or without the last ones if `product` is given.
            product: the product of the last ones with their part of the weight.
        """
        given = torch.cat(inputs, dim=-1)
        if product is None:
            x = self.mix(given)
        else:
            x = product + F.linear(given, self.mix.weight[:, : given.size(-1)], self.mix.bias)
        x = x.unflatten(-1, (-1, 2)).amax(dim=-1) if self.kind == "maxout" else x.tanh()
        return self.dropout(x)
