"""Multi-head latent attention: keys and values are projections of one small cached vector.

DeepSeek-V2 (DeepSeek-AI 2024), section 2.1. The equations of the paper, by number:

    (9)       c = latent_norm(latent(x))           the cached latent vector
    (10, 11)  k_i = key_i(c), v_i = value_i(c)     keys and values of head i
    (12, 13)  q_i = query_i(x)                     or of a latent vector, compress_query(x)
    (14, 15)  qR_i = RoPE(query_rotary_i(x)), kR = RoPE(rotary_key(x)); one kR for all heads
    (16-19)   scores (q_i . k_i + qR_i . kR) / sqrt(width + rotary), then multi-head attention

The RMS norms of the latent vectors are those of the published model. A rotation between query and
key would prevent the absorbed form, therefore only qR and kR carry positions; without rotary
positions they are left out.
"""

import math

import torch
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
from seq2seq.layers.cache import LatentCache
from seq2seq.layers.cached_attention import CachedAttention, Options
from seq2seq.layers.normalization import RMSNorm
from seq2seq.layers.positions import Rotation, rotate


class LatentAttention(CachedAttention[LatentCache]):
    """Multi-head latent attention. As in the paper, no projection has a bias.

    Args:
        dim: size of input and output.
        heads: number of heads, each of size dim / heads.
        dropout: dropout probability on attention weights.
        latent_dim: size of the cached latent vector.
        rotary_dim: size of the rotary key; 0 leaves it out.
        query_latent_dim: size of the latent vector of the queries; None computes them from the
            input.

    Raises:
        ValueError: dim is not divisible by heads.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        dropout: float,
        *,
        latent_dim: int,
        rotary_dim: int = 0,
        query_latent_dim: int | None = None,
    ) -> None:
        super().__init__(dim, heads, dropout)
        self.compress_query: nn.Module = nn.Identity()
        if query_latent_dim is not None:
            self.compress_query = nn.Sequential(
                nn.Linear(dim, query_latent_dim, bias=False), RMSNorm(query_latent_dim)
            )
        query_dim = dim if query_latent_dim is None else query_latent_dim
        self.query = nn.Linear(query_dim, dim, bias=False)
        self.latent = nn.Linear(dim, latent_dim, bias=False)
        self.latent_norm = RMSNorm(latent_dim)
        self.key = nn.Linear(latent_dim, dim, bias=False)
        self.value = nn.Linear(latent_dim, dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)
        self.query_rotary: nn.Linear | None = None
        self.rotary_key: nn.Linear | None = None
        if rotary_dim:
            self.query_rotary = nn.Linear(query_dim, heads * rotary_dim, bias=False)
            self.rotary_key = nn.Linear(dim, rotary_dim, bias=False)
        self.cache_width, self.rotary_width = latent_dim + rotary_dim, rotary_dim

    def remember(
        self, x: Float[Tensor, "batch len dim"], rotation: Rotation | None = None
    ) -> LatentCache:
        """Return the latent vectors and rotary keys of x; `rotation` is that of its positions."""
        latent = self.latent_norm(self.latent(x))
        key = latent[..., :0]
        if self.rotary_key is not None and rotation is not None:
            key = rotate(self.rotary_key(x), rotation)
        return LatentCache(latent, key)

    def values(self, cache: LatentCache) -> Float[Tensor, "batch len heads width"]:
        """Return the value vectors of each head."""
        return self.split(self.value(cache.latent))

    def query_projections(self) -> list[tuple[nn.Linear, int]]:
        """Return the projections of the queries and of the rotary queries."""
        found = [(self.query, self.width)]
        return found + (
            [] if self.query_rotary is None else [(self.query_rotary, self.rotary_width)]
        )

    def source_steps(
        self,
        x: Float[Tensor, "batch queries dim"],
        cache: LatentCache,
        mask: Bool[Tensor, "batch len"],
    ) -> AttentionSteps:
        """Return the steps of the attention from x to a source; the mask is False at padding."""
        query, _ = self.queries(x, None)  # a source has no rotary keys
        keys, values = (
            self.split(part(cache.latent)).transpose(1, 2) for part in (self.key, self.value)
        )
        return scaled_dot_steps(query, keys, values, mask)

    def queries(
        self, x: Float[Tensor, "batch len dim"], rotation: Rotation | None
    ) -> tuple[Float[Tensor, "batch heads len width"], Float[Tensor, "batch heads len rotary"]]:
        """Return the queries, and the rotary queries (of width 0 if there are none)."""
        x = self.compress_query(x)
        query = self.split(self.query(x)).transpose(1, 2)
        if self.query_rotary is None or rotation is None:
            return query, query[..., :0]
        rotary = self.query_rotary(x).unflatten(-1, (-1, self.rotary_width))
        return query, rotate(rotary, rotation).transpose(1, 2)

    def attend(
        self, x: Float[Tensor, "batch queries dim"], cache: LatentCache, options: Options
    ) -> tuple[
        Float[Tensor, "batch heads queries width"], Float[Tensor, "batch heads queries keys"] | None
    ]:
        """Attend to the keys and values of the latent vectors, or in the absorbed form.

        Raises:
            ValueError: the rotation is missing, or the layer takes none.
        """
        if (options.rotation is None) != (self.rotary_width == 0):
            raise ValueError(f"rotary_dim={self.rotary_width} does not fit the rotation")
        queries = self.queries(x, options.rotation)
        form = self._absorbed if options.absorbed else self._plain
        return form(*queries, cache, options)

    def _plain(
        self, query: Tensor, rotary_query: Tensor, cache: LatentCache, options: Options
    ) -> tuple[Tensor, Tensor | None]:
        """Attend to the keys and values of all cached positions (equations 10, 11 and 15-18)."""
        keys, values = (
            self.split(projected(cache.latent)).transpose(1, 2)
            for projected in (self.key, self.value)
        )
        if self.rotary_width:
            rotary_key = cache.key.unsqueeze(1).expand(-1, keys.size(1), -1, -1)
            query = torch.cat([query, rotary_query], dim=-1)
            keys = torch.cat([keys, rotary_key.to(keys.dtype)], dim=-1)
        mask, _, bias, weights, _ = options
        return dot_product_attention(query, keys, values, mask, bias, self.dropout, weights)

    def _absorbed(
        self, query: Tensor, rotary_query: Tensor, cache: LatentCache, options: Options
    ) -> tuple[Tensor, Tensor | None]:
        """Attend to the latent vectors themselves (see `absorbed`)."""
        key, value = (p.weight.unflatten(0, (-1, self.width)) for p in (self.key, self.value))
        scale = 1 / math.sqrt(self.width + self.rotary_width)
        latent, rotary_key = (part.unsqueeze(1) for part in cache)  # shared by all heads
        scores = shared_product(absorb(query * scale, key), latent.transpose(-2, -1))
        if self.rotary_width:
            scores = scores + shared_product(rotary_query * scale, rotary_key.transpose(-2, -1))
        mask = None if options.mask is None else options.mask.unsqueeze(1)
        attention = masked_softmax(scores, mask, options.bias)
        context = shared_product(self.dropout(attention), latent)
        return expand(context, value), attention if options.weights else None
