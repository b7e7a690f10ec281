"""The interface of attention layers with a cache of earlier positions."""

from abc import ABC, abstractmethod
from typing import Generic, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from seq2seq.layers.attention import AttentionOutput, AttentionSteps
from seq2seq.layers.cache import AnyCache
from seq2seq.layers.dropout import Dropout
from seq2seq.layers.head_edits import HeadEdits, set_to_zero
from seq2seq.layers.positions import Rotation


class Options(NamedTuple):
    """How to attend to cached positions.

    Attributes:
        mask: False where a position is masked out.
        rotation: rotation of the queries (rotary positions).
        bias: added to the scores (ALiBi).
        weights: return the weights; False allows a fused kernel.
        absorbed: compute no keys and values of a cache without them, with the same result: less
            work for few queries.
    """

    mask: Bool[Tensor, "#batch #queries keys"] | None
    rotation: Rotation | None
    bias: Float[Tensor, "#batch heads queries keys"] | None
    weights: bool
    absorbed: bool


class CachedAttention(nn.Module, ABC, Generic[AnyCache]):
    """Abstract attention layer with heads, whose keys and values come from a cache.

    Args:
        dim: size of input and output.
        heads: number of query heads, each of size dim / heads.
        dropout: dropout probability on attention weights. The returned weights are those before
            dropout.

    Attributes:
        cache_width: elements that the cache holds for every position.
        rotary_width: width of the rotation that `remember` and `forward` take.

    Raises:
        ValueError: dim is not divisible by heads.
    """

    cache_width: int
    rotary_width: int
    out: nn.Linear

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"dim ({dim}) must be divisible by heads ({heads})")
        self.width, self.dropout = dim // heads, Dropout(dropout)

    def split(self, x: Float[Tensor, "batch len dim"]) -> Float[Tensor, "batch len heads width"]:
        """Split the last axis into heads."""
        return x.unflatten(-1, (-1, self.width))

    @abstractmethod
    def remember(
        self, x: Float[Tensor, "batch len dim"], rotation: Rotation | None = None
    ) -> AnyCache:
        """Return the cache of x; `rotation` is that of its positions."""

    @abstractmethod
    def attend(
        self, x: Float[Tensor, "batch queries dim"], cache: AnyCache, options: Options
    ) -> tuple[
        Float[Tensor, "batch heads queries width"], Float[Tensor, "batch heads queries keys"] | None
    ]:
        """Return the context vectors and the attention weights of each head."""

    @abstractmethod
    def values(self, cache: AnyCache) -> Float[Tensor, "batch len heads width"]:
        """Return the value vectors of each head."""

    @abstractmethod
    def query_projections(self) -> list[tuple[nn.Linear, int]]:
        """Return the projections that compute the queries, and the size of a head in each."""

    def head_edits(self, *, biased: bool = False) -> HeadEdits:
        """Return how to switch heads off.

        Args:
            biased: whether a bias is added to the scores, so that no weight makes them equal.
        """

        def zero(head: int) -> None:
            """Zero what the output projection reads of the head."""
            set_to_zero(self.out.weight[:, head * self.width : (head + 1) * self.width])

        def uniform(head: int) -> None:
            """Zero the query of the head, so that all its scores are zero."""
            for projection, width in self.query_projections():
                rows = slice(head * width, (head + 1) * width)
                set_to_zero(projection.weight[rows])
                if projection.bias is not None:
                    set_to_zero(projection.bias[rows])

        heads = self.out.in_features // self.width
        return HeadEdits(heads, zero, None if biased else uniform)

    @abstractmethod
    def source_steps(
        self,
        x: Float[Tensor, "batch queries dim"],
        cache: AnyCache,
        mask: Bool[Tensor, "batch len"],
    ) -> AttentionSteps:
        """Return the steps of the attention from x to a source; the mask is False at padding."""

    def value_vectors(self, cache: AnyCache) -> Float[Tensor, "batch len heads dim"]:
        """Return what a weight of one of each head and position adds to the output."""
        values = self.values(cache)
        out = self.out.weight.unflatten(1, values.shape[2:])
        return torch.einsum("blhw,dhw->blhd", values, out)

    def forward(
        self,
        x: Float[Tensor, "batch queries dim"],
        cache: AnyCache,
        mask: Bool[Tensor, "#batch #queries keys"] | None,
        *,
        rotation: Rotation | None = None,
        bias: Float[Tensor, "#batch heads queries keys"] | None = None,
        weights: bool = True,
        absorbed: bool = False,
    ) -> AttentionOutput:
        """Attend from each position of x to the cached positions.

        The mask and all keyword arguments are those of `Options`.
        """
        options = Options(mask, rotation, bias, weights, absorbed)
        context, attention = self.attend(x, cache, options)
        return AttentionOutput(self.out(context.transpose(1, 2).flatten(-2)), attention)
