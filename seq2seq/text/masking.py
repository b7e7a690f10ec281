"""Masks of target tokens, for masked language models."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from torch import Tensor

from seq2seq.text.special_ids import SpecialIds


def real_tokens(
    tgt_out: Int[Tensor, "batch tgt"], special: SpecialIds
) -> Bool[Tensor, "batch tgt"]:
    """Return where a target has a token that may be masked: not padding, not EOS."""
    return (tgt_out != special.pad) & (tgt_out != special.eos)


def random_counts(lengths: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
    """Draw how many tokens of each row to mask, uniformly from one to all; none of an empty row.

    Args:
        lengths: numbers of tokens that may be masked; in the memory of the CPU if the sum of the
            result is needed without waiting for a GPU.
    """
    drawn = 1 + (torch.rand_like(lengths, dtype=torch.float32) * lengths).long()
    return drawn.minimum(lengths)


def random_masks(
    real: Bool[Tensor, "batch tgt"], counts: Int[Tensor, " batch"]
) -> Bool[Tensor, "batch tgt"]:
    """Draw which tokens to mask: the given number of those of each row that may be masked."""
    masked = counts.to(real.device, non_blocking=True).unsqueeze(1)
    order = torch.rand(real.shape, device=real.device).masked_fill(~real, 2.0).argsort(1)
    return real & (order.argsort(1) < masked)


def each_masked(
    tgt: Int[Tensor, "batch tgt"], special: SpecialIds
) -> Iterator[Int[Tensor, "batch tgt"]]:
    """Iterate over the places of a target: tokens + EOS with the token of the place masked.

    Args:
        tgt: BOS + tokens, padded.
        special: the ids of special tokens.
    """
    tokens = F.pad(tgt[:, 1:], (0, 1), value=special.pad)
    ends = (tokens != special.pad).sum(1, keepdim=True)
    whole = tokens.scatter(1, ends, special.eos)
    for place in range(tokens.size(1)):
        masked = whole.clone()
        masked[:, place].masked_fill_(tokens[:, place] != special.pad, special.mask)
        yield masked
