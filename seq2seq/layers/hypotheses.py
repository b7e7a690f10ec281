"""The hypotheses of one sentence as parts of one sequence, which share the source before it."""

import torch
from jaxtyping import Bool
from torch import Tensor

from seq2seq.layers.cache import Cache


def target_mask(
    source: Bool[Tensor, "batch src"], beam: int, past: int, length: int
) -> Bool[Tensor, "batch queries keys"]:
    """Return which keys the new tokens of each hypothesis attend to.

    The keys are the source, then the cached tokens of every hypothesis, then the new tokens of
    every hypothesis.

    Args:
        source: False at padding.
        beam: number of hypotheses of each sentence.
        past: number of cached tokens of a hypothesis.
        length: number of its new tokens.
    """
    same = torch.eye(beam, dtype=torch.bool, device=source.device)
    earlier = torch.ones(length, past, dtype=torch.bool, device=source.device)
    causal = torch.ones(length, length, dtype=torch.bool, device=source.device).tril()
    own = torch.cat([block(same, earlier), block(same, causal)], dim=1)
    seen = source.unsqueeze(1).expand(-1, own.size(0), -1)
    return torch.cat([seen, own.expand(source.size(0), -1, -1)], dim=2)


def side_by_side(cache: Cache, batch: int) -> Cache:
    """Return the caches of the hypotheses of each sentence one after another along the length."""
    return type(cache)(*(part.unflatten(0, (batch, -1)).flatten(1, 2) for part in cache))


def block(
    same: Bool[Tensor, "beam beam"], part: Bool[Tensor, "length keys"]
) -> Bool[Tensor, "queries all_keys"]:
    """Return a block matrix with `part` where the hypothesis of queries and keys is the same."""
    beam = same.size(0)
    both = same.view(beam, 1, beam, 1) & part.view(1, part.size(0), 1, part.size(1))
    return both.reshape(beam * part.size(0), beam * part.size(1))
