"""Forced decoding: a given target is read by the model, with its attention and log-probability."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from seq2seq.models.base import Autoregressive
from seq2seq.text.batching import PAD, collate, halve_on_out_of_memory, pack
from seq2seq.text.tokenizer import Tokenizers
from seq2seq.translation.translation import BATCH_TOKENS, END, Translation


@torch.inference_mode()
def force(
    model: Autoregressive,
    tokenizers: Tokenizers,
    pairs: Sequence[tuple[str, str]],
    *,
    scored: bool = True,
) -> list[Translation]:
    """Read the given targets, with all attention; pairs of like length are read together.

    Args:
        model: what reads.
        tokenizers: of the model.
        pairs: sources and targets.
        scored: also tell their log-probability, else NaN: the output layer is much of the work.
    """
    device = next(model.parameters()).device
    sides = list(zip(*pairs, strict=True))
    source_ids, target_ids = (
        tokenizer.encode(texts) for tokenizer, texts in zip(tokenizers, sides, strict=True)
    )
    ids = list(zip(source_ids, target_ids, strict=True))
    lengths = np.array([max(map(len, pair)) + 1 for pair in ids])
    found: dict[int, Translation] = {}

    def read(rows: NDArray[np.integer[Any]]) -> tuple[Tensor, Tensor | None]:
        batch = collate([ids[row] for row in rows.tolist()]).to(device)
        memory = model.encode(batch.src, batch.src_mask)
        states, attention = model.hidden(batch.tgt_in, memory)
        if not scored:
            return torch.full((len(rows),), math.nan), attention
        logits = model.project(states)
        losses = cross_entropy(logits.mT, batch.tgt_out, ignore_index=PAD, reduction="none")
        return losses.sum(1).neg(), attention

    for batch in pack(np.argsort(lengths, kind="stable"), lengths, BATCH_TOKENS):
        for rows, (totals, attention) in halve_on_out_of_memory(batch, read):
            for i, row in enumerate(rows.tolist()):
                source, target = (len(side) + 1 for side in ids[row])
                found[row] = Translation(
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
    return [found[row] for row in range(len(pairs))]
