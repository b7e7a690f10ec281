"""Attention to vectors that every head projects to keys and values, without computing those.

With keys k_j = K c_j and values v_j = V c_j, attention only needs products that can be regrouped
(DeepSeek-V2, 2024, section 2.1.2):

    score:    q . K c_j       = (K^T q) . c_j
    context:  sum_j a_j V c_j = V sum_j a_j c_j

The right-hand sides need the vectors c_j alone, which all heads share. The result is the same up to
rounding. A decoding step has few queries, so that this costs less than projecting all positions.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def absorb(
    query: Float[Tensor, "batch heads queries width"], weight: Float[Tensor, "groups width latent"]
) -> Float[Tensor, "batch heads queries latent"]:
    """Return K^T q for every query, where K is the key projection of the group of its head."""
    grouped = query.unflatten(1, (weight.size(0), -1))
    return torch.einsum("bgrqw,gwc->bgrqc", grouped, weight).flatten(1, 2)


def expand(
    context: Float[Tensor, "batch heads queries latent"],
    weight: Float[Tensor, "groups width latent"],
) -> Float[Tensor, "batch heads queries width"]:
    """Return V c for every averaged vector c, where V is the value projection of its group."""
    grouped = context.unflatten(1, (weight.size(0), -1))
    return torch.einsum("bgrqc,gwc->bgrqw", grouped, weight).flatten(1, 2)
