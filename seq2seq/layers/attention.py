"""The attention function, and the additive and the scaled dot-product score.

All attention layers compute the same function with different scores:

    weights = softmax(score(query, keys)), over the keys that are not masked
    context = weights @ values

The returned weights have the shape [..., queries, keys] and are those before dropout; every row
sums to one.
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from seq2seq.layers.dropout import Dropout

AdditiveInit = Literal["paper", "xavier"]

VECTOR = 16  # numbers in single precision in a register of 512 bits


class AttentionOutput(NamedTuple):
    """Context vectors and attention weights; weights is None if a fused kernel was used."""

    context: Float[Tensor, "*batch queries width"]
    weights: Float[Tensor, "*batch queries keys"] | None


class AttentionSteps(NamedTuple):
    """What one attention layer computes on the way from queries to contexts, as numbers to show.

    Attributes:
        kind: the score. scaled_dot_product: query . key / sqrt(width). dot_product: query . key.
            additive: energy . tanh(query + key).
        query: the queries as they are compared with the keys.
        keys: the keys as they are compared with the queries.
        energy: the vector v of an additive score; None for the others.
        scores: the scores.
        weights: their softmax over the source.
        values: the vectors that are averaged.
        context: their average.
    """

    kind: Literal["scaled_dot_product", "dot_product", "additive"]
    query: Float[Tensor, "batch heads tgt width"]
    keys: Float[Tensor, "batch heads src width"]
    energy: Float[Tensor, " width"] | None
    scores: Float[Tensor, "batch heads tgt src"]
    weights: Float[Tensor, "batch heads tgt src"]
    values: Float[Tensor, "batch heads src value_width"]
    context: Float[Tensor, "batch heads tgt value_width"]


def masked_softmax(
    scores: Float[Tensor, "*batch queries keys"],
    mask: Bool[Tensor, "*#batch #queries keys"] | None,
    bias: Float[Tensor, "*#batch queries keys"] | None = None,
) -> Float[Tensor, "*batch queries keys"]:
    """Return the softmax over the keys; a key is masked out where the mask is False.

    The bias is added to the scores.
    """
    if bias is not None:
        scores = scores + bias.to(scores.dtype)
    return softmax(scores if mask is None else scores.masked_fill(~mask, float("-inf")))


def softmax(scores: Float[Tensor, "*batch keys"]) -> Float[Tensor, "*batch keys"]:
    """Return the softmax over the last axis.

    On a CPU, torch takes several times as long for fewer than 16 numbers as for 16, because it does
    not use vector instructions for them. Fewer numbers are therefore extended by -inf, which does
    not change the result. A traced graph would keep the number of the example.
    """
    missing = VECTOR - scores.size(-1)
    if scores.device.type != "cpu" or is_traced() or missing <= 0:
        return scores.softmax(dim=-1)
    return F.pad(scores, (0, missing), value=float("-inf")).softmax(dim=-1)[..., :-missing]


def is_traced() -> bool:
    """Return whether torch.compile, torch.export or torch.jit.trace records a graph."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined]


def attend(
    scores: Float[Tensor, "*batch queries keys"],
    values: Float[Tensor, "*batch keys width"],
    mask: Bool[Tensor, "*#batch #queries keys"] | None,
    dropout: Dropout | None = None,
) -> tuple[Float[Tensor, "*batch queries width"], Float[Tensor, "*batch queries keys"]]:
    """Return the average of the values weighted by the softmax of the scores, and the weights.

    A key is masked out where the mask is False.
    """
    weights = masked_softmax(scores, mask)
    return (weights if dropout is None else dropout(weights)) @ values, weights


def stack_layers(
    weights: Sequence[Float[Tensor, "batch heads queries keys"] | None],
) -> Float[Tensor, "batch layers heads queries keys"]:
    """Stack the weights of the layers of a pass that was asked for its weights."""
    return torch.stack([one for one in weights if one is not None], dim=1)


def renormalized(weights: Float[Tensor, "*batch keys"]) -> Float[Tensor, "*batch keys"]:
    """Divide a part of the weights of each query by its sum, so that it is a distribution."""
    return weights / weights.sum(-1, keepdim=True).clamp_min(torch.finfo(weights.dtype).tiny)


class AdditiveScore(nn.Module):
    """Additive attention score, v . tanh(W query + U key) (Bahdanau et al. 2014, appendix A.1.2).

    Call `project` once for each source sentence and pass its result to `forward`. As in the
    paper's appendix B.1, W and U are initialized with N(0, 0.001^2) and v with zeros (`paper`), so
    that the initial attention is uniform. All units then begin to learn in the same direction;
    `xavier` draws the three with Xavier uniform, so that they differ from the start.

    On a CPU, in single or double precision, the score is computed as
    v . (2 sigmoid(2 W query + 2 U key) - 1), which is mathematically equal: a sigmoid takes a third
    of the time of a tanh there. In half precision the subtraction loses too many digits, so half
    precision and all other devices use tanh.
    """

    def __init__(
        self, query_dim: int, key_dim: int, dim: int, init: AdditiveInit = "paper"
    ) -> None:
        super().__init__()
        self.query = nn.Linear(query_dim, dim, bias=False)
        self.key = nn.Linear(key_dim, dim, bias=False)
        self.energy = nn.Linear(dim, 1, bias=False)
        if init == "xavier":
            for layer in (self.query, self.key, self.energy):
                nn.init.xavier_uniform_(layer.weight)
            return
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


def scaled_dot_steps(
    query: Float[Tensor, "batch heads tgt width"],
    keys: Float[Tensor, "batch heads src width"],
    values: Float[Tensor, "batch heads src value_width"],
    mask: Bool[Tensor, "batch src"],
) -> AttentionSteps:
    """Return the steps of scaled dot-product attention; the mask is False at padding."""
    scores = scaled_dot_score(query, keys)
    context, weights = attend(scores, values, mask[:, None, None])
    kind: Literal["scaled_dot_product"] = "scaled_dot_product"
    return AttentionSteps(kind, query, keys, None, scores, weights, values, context)


def shared_product(
    left: Float[Tensor, "batch heads rows inner"],
    right: Float[Tensor, "batch groups inner columns"],
) -> Float[Tensor, "batch heads rows columns"]:
    """Return matrix products in which each group of consecutive heads shares a right factor.

    The heads of a group are further rows of one product, so that the right factor is not copied.
    """
    heads, groups = left.size(1), right.size(1)
    if heads == groups:
        return left @ right
    product = left.unflatten(1, (groups, -1)).flatten(2, 3) @ right
    return product.unflatten(2, (heads // groups, -1)).flatten(1, 2)


def dot_product_attention(
    query: Float[Tensor, "batch heads queries width"],
    keys: Float[Tensor, "batch groups keys width"],
    values: Float[Tensor, "batch groups keys value_width"],
    mask: Bool[Tensor, "#batch #queries keys"] | None,
    bias: Float[Tensor, "#batch heads queries keys"] | None,
    dropout: Dropout,
    weights: bool,
) -> tuple[
    Float[Tensor, "batch heads queries value_width"],
    Float[Tensor, "batch heads queries keys"] | None,
]:
    """Scaled dot-product attention; each group of consecutive heads shares keys and values.

    Args:
        query: queries of every head.
        keys: keys of every group of heads.
        values: values of every group of heads.
        mask: False where a key is masked out.
        bias: added to the scaled scores.
        dropout: applied to the weights, but not to the returned ones.
        weights: return the weights; False allows a fused kernel.
    """
    mask = None if mask is None else mask.unsqueeze(1)
    # On a CPU this is faster than the fused kernels; the gradients of those of a GPU are not
    # deterministic.
    plain = query.device.type == "cpu" or torch.are_deterministic_algorithms_enabled()
    if weights or plain:
        # Scaling the queries instead of the scores takes far fewer multiplications.
        scores = shared_product(query / math.sqrt(query.size(-1)), keys.transpose(-2, -1))
        attention = masked_softmax(scores, mask, bias)
        return shared_product(dropout(attention), values), attention
    if bias is not None:
        bias = bias.to(query.dtype)
        mask = bias if mask is None else bias.masked_fill(~mask, float("-inf"))
    if (shared := query.size(1) // keys.size(1)) > 1:
        keys, values = (part.repeat_interleave(shared, dim=1) for part in (keys, values))
    p = dropout.p if dropout.training else 0.0
    context = F.scaled_dot_product_attention(query, keys, values, mask, dropout_p=p)
    return context, None
