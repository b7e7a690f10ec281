"""What attention layers keep of earlier positions, so that a decoder computes it once.

Every tensor of a cache has the shape [batch len ...]: a cache of any kind grows along axis 1, and a
search reorders it along axis 0. Each attention layer documents its kind.
"""

from typing import Any, NamedTuple, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor


class KeyValueCache(NamedTuple):
    """Keys and values of multi-head, grouped-query or multi-query attention."""

    keys: Float[Tensor, "batch len heads width"]
    values: Float[Tensor, "batch len heads width"]


class LatentCache(NamedTuple):
    """Latent vectors and rotary keys of latent attention; rotary is 0 without rotary positions."""

    latent: Float[Tensor, "batch len latent"]
    key: Float[Tensor, "batch len rotary"]


class SourceCache(NamedTuple):
    """The output of the encoder itself, from which every layer computes its keys and values."""

    states: Float[Tensor, "batch len dim"]


class CacheElements(NamedTuple):
    """Elements that a model caches for each token of source and target, in all layers."""

    source: int
    target: int


Cache = KeyValueCache | LatentCache | SourceCache
AnyCache = TypeVar("AnyCache", bound=Cache)


def cached_length(cache: Cache | None) -> int:
    """Return the number of positions in a cache; 0 for None."""
    return 0 if cache is None else cache[0].size(1)


def grow(past: Cache | None, new: AnyCache) -> AnyCache:
    """Return a cache with the new positions after the earlier ones; None is an empty cache."""
    parts: Any = map(joined, [None] * len(new) if past is None else past, new)
    return type(new)(*parts)


def joined(
    past: Float[Tensor, "batch past *rest"] | None, new: Float[Tensor, "batch new *rest"]
) -> Float[Tensor, "batch len *rest"]:
    """Concatenate along axis 1. With heads, those of one head are adjacent in memory.

    The layout does not change the result. Without it, every product of a decoding step would copy
    the keys and values first.
    """
    if new.dim() < 4:
        return new if past is None else torch.cat([past, new], dim=1)
    parts = [part.transpose(1, 2) for part in (past, new) if part is not None]
    return torch.cat(parts, dim=2).transpose(1, 2)


def nbytes(tree: Any) -> int:
    """Return the size in bytes of a cache, or of all tensors in a nested tuple of caches."""
    if isinstance(tree, Tensor):
        return tree.numel() * tree.element_size()
    return 0 if tree is None else sum(map(nbytes, tree))
