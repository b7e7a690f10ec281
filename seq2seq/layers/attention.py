"""Attention layers: additive attention and multi-head scaled dot-product attention.

Both compute the same function with different scores:

    weights = softmax(score(query, keys)), over the keys that are not masked
    context = weights @ values

The returned weights have the shape [..., queries, keys] and are those before dropout; every row
sums to one.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from seq2seq.layers.dropout import Dropout


class AttentionOutput(NamedTuple):
    """Context vectors and attention weights; weights is None if a fused kernel was used."""

    context: Float[Tensor, "*batch queries width"]
    weights: Float[Tensor, "*batch queries keys"] | None


def attend(
    scores: Float[Tensor, "*batch queries keys"],
    values: Float[Tensor, "*batch keys width"],
    mask: Bool[Tensor, "*#batch #queries keys"] | None,
    dropout: Dropout | None = None,
) -> tuple[Float[Tensor, "*batch queries width"], Float[Tensor, "*batch queries keys"]]:
    """Return the average of the values weighted by the softmax of the scores, and the weights.

    A key is masked out where the mask is False.
    """
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    weights = scores.softmax(dim=-1)
    return (weights if dropout is None else dropout(weights)) @ values, weights


class AdditiveScore(nn.Module):
    """Additive attention score, v . tanh(W query + U key) (Bahdanau et al. 2014, appendix A.1.2).

    Call `project` once for each source sentence and pass its result to `forward`. As in the
    paper's appendix B.1, W and U are initialized with N(0, 0.001^2) and v with zeros, so that the
    initial attention is uniform.

    On a CPU, in single or double precision, the score is computed as
    v . (2 sigmoid(2 W query + 2 U key) - 1), which is mathematically equal: a sigmoid takes a third
    of the time of a tanh there. In half precision the subtraction loses too many digits, so half
    precision and all other devices use tanh.
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
        """Return the projected keys, U key."""
        return self.key(keys)

    def forward(
        self,
        query: Float[Tensor, "batch queries query_dim"],
        projected_keys: Float[Tensor, "batch keys dim"],
    ) -> Float[Tensor, "batch queries keys"]:
        """Return the score of every query with every key, before the softmax."""
        query, keys = self.query(query).unsqueeze(2), projected_keys.unsqueeze(1)
        if query.device.type == "cpu" and query.dtype in (torch.float32, torch.float64):
            pairs = torch.add(2 * query, keys, alpha=2).sigmoid_()
            return 2 * self.energy(pairs).squeeze(-1) - self.energy.weight.sum()
        return self.energy((query + keys).tanh_()).squeeze(-1)


def scaled_dot_score(
    query: Float[Tensor, "*batch queries width"], keys: Float[Tensor, "*batch keys width"]
) -> Float[Tensor, "*batch queries keys"]:
    """Scaled dot-product score, query . key / sqrt(width) (Vaswani et al. 2017, section 3.2.1)."""
    # Scaling the queries instead of the scores takes far fewer multiplications.
    return (query / math.sqrt(query.size(-1))) @ keys.transpose(-2, -1)


class MultiHeadAttention(nn.Module):
    """Multi-head scaled dot-product attention (Vaswani et al. 2017, section 3.2.2).

    Args:
        dim: size of input and output.
        heads: number of heads, each of size dim / heads.
        dropout: dropout probability on attention weights. The returned weights are those before
            dropout.

    Raises:
        ValueError: dim is not divisible by heads.
    """

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"dim ({dim}) must be divisible by heads ({heads})")
        self.heads, self.dropout = heads, Dropout(dropout)
        self.query, self.key, self.value, self.out = (nn.Linear(dim, dim) for _ in range(4))

    def split(self, x: Float[Tensor, "batch len dim"]) -> Float[Tensor, "batch heads len width"]:
        """Split the last axis into heads."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def project(
        self, x: Float[Tensor, "batch len dim"]
    ) -> tuple[Float[Tensor, "batch heads len width"], Float[Tensor, "batch heads len width"]]:
        """Return the keys and values of x. A decoder caches them between steps."""
        return self.split(self.key(x)), self.split(self.value(x))

    def forward(
        self,
        x: Float[Tensor, "batch queries dim"],
        keys: Float[Tensor, "batch heads keys width"],
        values: Float[Tensor, "batch heads keys width"],
        mask: Bool[Tensor, "#batch #queries keys"] | None,
        weights: bool = True,
    ) -> AttentionOutput:
        """Attend from each position of x; `weights=False` allows a fused kernel.

        A key is masked out where the mask is False.
        """
        query = self.split(self.query(x))
        mask = None if mask is None else mask.unsqueeze(1)
        attention: Tensor | None = None
        if weights or x.device.type == "cpu":  # on a CPU this is faster than the fused kernel
            scores = scaled_dot_score(query, keys)
            context, attention = attend(scores, values, mask, self.dropout)
        else:
            p = self.dropout.p if self.training else 0.0
            context = F.scaled_dot_product_attention(query, keys, values, mask, dropout_p=p)
        return AttentionOutput(self.out(context.transpose(1, 2).flatten(-2)), attention)
