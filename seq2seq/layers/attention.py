"""Attention, the heart of the toolkit: score, mask, normalise, average.

Every attention here is the same act; only the score differs:

    weights = softmax(score(query, keys), over the keys that are real)
    context = weights @ values

Weights always have the form [..., queries, keys], are taken before dropout, and every row of them
sums to one.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from seq2seq.layers.dropout import Dropout


class Attended(NamedTuple):
    """What was read, and from where; weights is None where nobody asked and a faster way exists."""

    context: Float[Tensor, "*batch queries width"]
    weights: Float[Tensor, "*batch queries keys"] | None


def attend(
    scores: Float[Tensor, "*batch queries keys"],
    values: Float[Tensor, "*batch keys width"],
    mask: Bool[Tensor, "*#batch #queries keys"] | None,
    dropout: Dropout | None = None,
) -> tuple[Float[Tensor, "*batch queries width"], Float[Tensor, "*batch queries keys"]]:
    """Average the values by the softmax of the scores; False in the mask hides a key."""
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    weights = scores.softmax(dim=-1)
    return (weights if dropout is None else dropout(weights)) @ values, weights


class AdditiveScore(nn.Module):
    """v . tanh(W query + U key), Bahdanau et al. 2014, appendix A.1.2.

    `project` is to be applied once a sentence; `forward` takes its result. As in the paper's
    appendix B.1, W and U begin as N(0, 0.001^2) and v at zero: every source word counts the same at
    first.

    On a CPU, in single or double precision, it is computed as
    v . (2 sigmoid(2 W query + 2 U key) - 1), which is the same number: a sigmoid takes a third of
    the time of a tanh there. In half precision the two terms cancel too many digits, so that a tanh
    is used there and on every other device.
    """

    def __init__(self, query_dim: int, key_dim: int, dim: int) -> None:
        super().__init__()
        self.query = nn.Linear(query_dim, dim, bias=False)
        self.key = nn.Linear(key_dim, dim, bias=False)
        self.energy = nn.Linear(dim, 1, bias=False)
        nn.init.normal_(self.query.weight, std=0.001)
        nn.init.normal_(self.key.weight, std=0.001)
        nn.init.zeros_(self.energy.weight)

    def project(self, keys: Float[Tensor, "batch keys key_dim"]) -> Float[Tensor, "batch keys dim"]:
        """U key."""
        return self.key(keys)

    def forward(
        self,
        query: Float[Tensor, "batch queries query_dim"],
        projected_keys: Float[Tensor, "batch keys dim"],
    ) -> Float[Tensor, "batch queries keys"]:
        """Scores of every query with every key, before the softmax."""
        query, keys = self.query(query).unsqueeze(2), projected_keys.unsqueeze(1)
        if query.device.type == "cpu" and query.dtype in (torch.float32, torch.float64):
            pairs = torch.add(2 * query, keys, alpha=2).sigmoid_()
            return 2 * self.energy(pairs).squeeze(-1) - self.energy.weight.sum()
        return self.energy((query + keys).tanh_()).squeeze(-1)


def scaled_dot_score(
    query: Float[Tensor, "*batch queries width"], keys: Float[Tensor, "*batch keys width"]
) -> Float[Tensor, "*batch queries keys"]:
    """query . key / sqrt(width), Vaswani et al. 2017, section 3.2.1."""
    # Scaling the queries and not the products is the same number from far fewer multiplications.
    return (query / math.sqrt(query.size(-1))) @ keys.transpose(-2, -1)


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention in several subspaces at once (Vaswani et al. 2017, 3.2.2).

    Args:
        dim: width of what goes in and comes out.
        heads: subspaces, each dim / heads wide.
        dropout: probability of forgetting a weight (not seen in the weights that are returned).

    Raises:
        ValueError: heads does not divide dim.
    """

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"dim ({dim}) must be divisible by heads ({heads})")
        self.heads, self.dropout = heads, Dropout(dropout)
        self.query, self.key, self.value, self.out = (nn.Linear(dim, dim) for _ in range(4))

    def split(self, x: Float[Tensor, "batch len dim"]) -> Float[Tensor, "batch heads len width"]:
        """Cut the last axis into heads."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def project(
        self, x: Float[Tensor, "batch len dim"]
    ) -> tuple[Float[Tensor, "batch heads len width"], Float[Tensor, "batch heads len width"]]:
        """Keys and values of x; they don't change, so a decoder keeps them."""
        return self.split(self.key(x)), self.split(self.value(x))

    def forward(
        self,
        x: Float[Tensor, "batch queries dim"],
        keys: Float[Tensor, "batch heads keys width"],
        values: Float[Tensor, "batch heads keys width"],
        mask: Bool[Tensor, "#batch #queries keys"] | None,
        weights: bool = True,
    ) -> Attended:
        """Let each position of x read the values; `weights=False` allows a fused kernel."""
        query = self.split(self.query(x))
        mask = None if mask is None else mask.unsqueeze(1)
        if weights or x.device.type == "cpu":  # written out is the faster way on a CPU
            context, seen = attend(scaled_dot_score(query, keys), values, mask, self.dropout)
        else:
            p = self.dropout.p if self.training else 0.0
            context = F.scaled_dot_product_attention(query, keys, values, mask, dropout_p=p)
            seen = None
        return Attended(self.out(context.transpose(1, 2).flatten(-2)), seen)
