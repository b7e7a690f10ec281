"""Forced decoding: compute the attention and log-probability of given translations."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seq2seq.models.base import Seq2Seq
from seq2seq.text.batching import collate, halve_on_out_of_memory, pack
from seq2seq.text.tokenizer import Tokenizers
from seq2seq.translation.translation import BATCH_TOKENS, END, Translation


@torch.inference_mode()
def force(
    model: Seq2Seq,
    tokenizers: Tokenizers,
    pairs: Sequence[tuple[str, str]],
    *,
    scored: bool = True,
) -> list[Translation]:
    """Force-decode the given targets, with attention; pairs of similar length share a batch.

    The log-probability of a masked language model is a pseudo-log-likelihood: each token is
    predicted from all others (Salazar et al. 2020), and the length from the source.

    Args:
        model: the model.
        tokenizers: the source and target tokenizers.
        pairs: source and target sentences.
        scored: compute log-probabilities; otherwise they are NaN, which saves the output layer.
    """
    device = next(model.parameters()).device
    sides = list(zip(*pairs, strict=True))
    source_ids, target_ids = (
        tokenizer.encode(texts) for tokenizer, texts in zip(tokenizers, sides, strict=True)
    )
    ids = list(zip(source_ids, target_ids, strict=True))
    lengths = np.array([max(map(len, pair)) + 1 for pair in ids])
    translations: dict[int, Translation] = {}

    def decode(rows: NDArray[np.integer[Any]]) -> tuple[Tensor, Tensor | None]:
        batch = collate([ids[row] for row in rows.tolist()], model.special).to(device)
        memory = model.encode(batch.src, batch.src_mask)
        states, attention = model.hidden(batch.tgt_in, memory)
        if not scored:
            return torch.full((len(rows),), math.nan), attention
        return model.log_probability(states, batch, memory), attention

    for batch in pack(np.argsort(lengths, kind="stable"), lengths, BATCH_TOKENS):
        for rows, (totals, attention) in halve_on_out_of_memory(batch, decode):
            for i, row in enumerate(rows.tolist()):
                source, target = (len(side) + 1 for side in ids[row])
                translations[row] = Translation(
                    source=pairs[row][0],
                    text=pairs[row][1],
                    score=float(totals[i]),
                    log_probability=float(totals[i]),
                    source_pieces=[*tokenizers.source.surfaces(pairs[row][0]), END],
                    target_pieces=[*tokenizers.target.surfaces(pairs[row][1]), END],
                    attention=attention
                    if attention is None
                    else attention[i, :, :, :target, :source].cpu(),
                    cut=False,
                )
    return [translations[row] for row in range(len(pairs))]
