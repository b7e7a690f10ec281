"""Multi-head attention, with as many key/value heads as query heads or fewer.

With n query heads of width d, the cache holds for every position:

    multi-head      n key/value heads   2 n d elements   Vaswani et al. 2017, section 3.2.2
    grouped-query   g key/value heads   2 g d elements   Ainslie et al. 2023
    multi-query     1 key/value head    2 d elements     Shazeer 2019
"""

import math

from jaxtyping import Bool, Float
from torch import Tensor, nn

from seq2seq.layers.absorbed import absorb, expand
from seq2seq.layers.attention import (
    AttentionSteps,
    dot_product_attention,
    masked_softmax,
    scaled_dot_steps,
    shared_product,
)
from seq2seq.layers.cache import KeyValueCache, SourceCache
from seq2seq.layers.cached_attention import CachedAttention, Options
from seq2seq.layers.positions import Rotation, rotate


class MultiHeadAttention(CachedAttention[KeyValueCache | SourceCache]):
    """Multi-head scaled dot-product attention; groups of heads may share keys and values.

    Args:
        dim: size of input and output.
        heads: number of query heads, each of size dim / heads.
        dropout: dropout probability on attention weights.
        key_value_heads: number of key/value heads; None is as many as query heads.
        bias: whether the projections have a bias.

    Raises:
        ValueError: dim is not divisible by heads, or heads not by key_value_heads.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        dropout: float,
        *,
        key_value_heads: int | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__(dim, heads, dropout)
        groups = heads if key_value_heads is None else key_value_heads
        if heads % groups:
            raise ValueError(f"heads ({heads}) must be divisible by key_value_heads ({groups})")
        shared = groups * self.width
        self.query = nn.Linear(dim, dim, bias=bias)
        self.key = nn.Linear(dim, shared, bias=bias)
        self.value = nn.Linear(dim, shared, bias=bias)
        self.out = nn.Linear(dim, dim, bias=bias)
        self.cache_width, self.rotary_width = 2 * shared, self.width

    def remember(
        self, x: Float[Tensor, "batch len dim"], rotation: Rotation | None = None
    ) -> KeyValueCache:
        """Return the keys and values of x; `rotation` is that of its positions."""
        keys = self.split(self.key(x))
        keys = keys if rotation is None else rotate(keys, rotation)
        return KeyValueCache(keys, self.split(self.value(x)))

    def of_each_head(
        self, cache: KeyValueCache | SourceCache
    ) -> tuple[Float[Tensor, "batch len heads width"], Float[Tensor, "batch len heads width"]]:
        """Return the keys and the values of each head; those of a group are repeated."""
        if isinstance(cache, SourceCache):
            cache = self.remember(cache.states)
        shared = self.out.in_features // self.width // cache.values.size(2)
        keys, values = (part.repeat_interleave(shared, dim=2) for part in cache)
        return keys, values

    def values(self, cache: KeyValueCache | SourceCache) -> Float[Tensor, "batch len heads width"]:
        """Return the value vectors of each head."""
        return self.of_each_head(cache)[1]

    def source_steps(
        self,
        x: Float[Tensor, "batch queries dim"],
        cache: KeyValueCache | SourceCache,
        mask: Bool[Tensor, "batch len"],
    ) -> AttentionSteps:
        """Return the steps of the attention from x to a source; the mask is False at padding."""
        query = self.split(self.query(x)).transpose(1, 2)
        keys, values = (part.transpose(1, 2) for part in self.of_each_head(cache))
        return scaled_dot_steps(query, keys, values, mask)

    def query_projections(self) -> list[tuple[nn.Linear, int]]:
        """Return the projection of the queries."""
        return [(self.query, self.width)]

    def attend(
        self,
        x: Float[Tensor, "batch queries dim"],
        cache: KeyValueCache | SourceCache,
        options: Options,
    ) -> tuple[
        Float[Tensor, "batch heads queries width"], Float[Tensor, "batch heads queries keys"] | None
    ]:
        """Attend to keys and values, or with a SourceCache to the states themselves.

        `absorbed` has no effect here: keys and values are cached.
        """
        mask, rotation, bias, weights, _ = options
        query = self.split(self.query(x))
        query = (query if rotation is None else rotate(query, rotation)).transpose(1, 2)
        if isinstance(cache, SourceCache):
            return self._from_states(query, cache.states, mask)
        keys, values = (part.transpose(1, 2) for part in cache)
        return dot_product_attention(query, keys, values, mask, bias, self.dropout, weights)

    def _from_states(
        self,
        query: Float[Tensor, "batch heads queries width"],
        states: Float[Tensor, "batch keys dim"],
        mask: Bool[Tensor, "#batch #queries keys"] | None,
    ) -> tuple[
        Float[Tensor, "batch heads queries width"], Float[Tensor, "batch heads queries keys"]
    ]:
        """Attend to states that were not projected (see `absorbed`).

        The bias of the keys adds the same number to all scores of a query, which the softmax
        cancels.
        """
        key, value = (p.weight.unflatten(0, (-1, self.width)) for p in (self.key, self.value))
        shared = states.unsqueeze(1)  # by all heads
        query = absorb(query / math.sqrt(self.width), key)
        scores = shared_product(query, shared.transpose(-2, -1))
        attention = masked_softmax(scores, None if mask is None else mask.unsqueeze(1))
        dropped = self.dropout(attention)
        context = expand(shared_product(dropped, shared), value)
        if self.value.bias is not None:  # times the sum of the weights, which dropout changes
            heads = context.size(1)
            bias = self.value.bias.unflatten(0, (-1, 1, self.width))
            bias = bias.repeat_interleave(heads // bias.size(0), dim=0)
            context = context + dropped.sum(-1, keepdim=True) * bias
        return context, attention
