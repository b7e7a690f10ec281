"""Word dropout: replace random input tokens by the unknown token."""

import dataclasses

import torch
from jaxtyping import Int
from torch import Tensor

from seq2seq.text.batching import Batch
from seq2seq.text.special_ids import SpecialIds


def drop_words(batch: Batch, special: SpecialIds, *, source: float, target: float) -> Batch:
    """Replace tokens that the model reads by the unknown token; those to predict are unchanged.

    Word dropout of Gal and Ghahramani (2016), as used for machine translation with few pairs by
    Sennrich and Zhang (2019) and, with the unknown token instead of a zero vector, by Nguyen and
    Salazar (2019). Each piece is replaced independently; padding, BOS and EOS never are.

    Args:
        batch: a batch on the CPU; random numbers are drawn only for a probability above 0.
        special: the ids of special tokens.
        source: probability for a source token.
        target: probability for a token that the decoder reads.
    """
    if source:
        src = dropped(batch.src, source, special)
        batch = dataclasses.replace(batch, src=src, src_out=batch.src)
    if target:
        batch = dataclasses.replace(batch, tgt_in=dropped(batch.tgt_in, target, special))
    return batch


def dropped(
    ids: Int[Tensor, "batch len"], probability: float, special: SpecialIds
) -> Int[Tensor, "batch len"]:
    """Return ids in which each token is replaced by the unknown token with this probability."""
    drop = torch.rand(ids.shape) < probability
    for kept in (special.pad, special.bos, special.eos):
        drop &= ids != kept
    return ids.masked_fill(drop, special.unk)
