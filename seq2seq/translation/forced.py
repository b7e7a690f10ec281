"""Forced decoding: compute the attention and log-probability of given translations."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seq2seq.layers.attention import renormalized
from seq2seq.models.base import Seq2Seq
from seq2seq.models.results import Maps
from seq2seq.text.batching import collate, halve_on_out_of_memory, pack
from seq2seq.text.tokenizer import Tokenizers
from seq2seq.translation.translation import END, Translation, batch_tokens


@torch.inference_mode()
def force(
    model: Seq2Seq,
    tokenizers: Tokenizers,
    pairs: Sequence[tuple[str, str]],
    *,
    scored: bool = True,
    maps: bool = False,
) -> list[Translation]:
    """Force-decode the given targets, with attention; pairs of similar length share a batch.

    The log-probability of a masked language model is a pseudo-log-likelihood: each token is
    predicted from all others (Salazar et al. 2020), and the length from the source.

    Args:
        model: the model.
        tokenizers: the source and target tokenizers.
        pairs: source and target sentences.
        scored: compute log-probabilities; otherwise they are NaN, which saves the output layer.
        maps: return all maps of the model, instead of log-probabilities.
    """
    device = next(model.parameters()).device
    sides = list(zip(*pairs, strict=True))
    source_ids, target_ids = (
        tokenizer.encode(texts) for tokenizer, texts in zip(tokenizers, sides, strict=True)
    )
    ids = list(zip(source_ids, target_ids, strict=True))
    lengths = np.array([max(map(len, pair)) + 1 for pair in ids])
    translations: dict[int, Translation] = {}

    def decode(rows: NDArray[np.integer[Any]]) -> tuple[Tensor, Maps]:
        batch = collate([ids[row] for row in rows.tolist()], model.special).to(device)
        unscored = torch.full((len(rows),), math.nan)
        if maps:
            return unscored, model.maps(batch)
        memory = model.encode(batch.src, batch.src_mask)
        states, attention = model.hidden(batch.tgt_in, memory)
        totals = model.log_probability(states, batch, memory) if scored else unscored
        return totals, Maps(attention)

    for batch in pack(np.argsort(lengths, kind="stable"), lengths, batch_tokens(device)):
        for rows, (totals, found) in halve_on_out_of_memory(batch, decode):
            for i, row in enumerate(rows.tolist()):
                source, target = (len(side) + 1 for side in ids[row])
                own = pair_maps(found, i, source, target)
                attention = own.source
                if maps and model.joint_attention and attention is not None:
                    attention = renormalized(attention)
                translations[row] = Translation(
                    source=pairs[row][0],
                    text=pairs[row][1],
                    score=float(totals[i]),
                    log_probability=float(totals[i]),
                    source_pieces=[*tokenizers.source.surfaces(pairs[row][0]), END],
                    target_pieces=[*tokenizers.target.surfaces(pairs[row][1]), END],
                    attention=attention,
                    cut=False,
                    maps=own if maps else None,
                )
    return [translations[row] for row in range(len(pairs))]


def pair_maps(maps: Maps, row: int, source: int, target: int) -> Maps:
    """Return the maps of one pair of a batch, without padding, in the memory of the CPU."""
    sizes = ((target, source), (target, target), (source, source))
    return Maps(
        *(
            None if one is None else one[row, :, :, :rows, :columns].cpu()
            for one, (rows, columns) in zip(maps, sizes, strict=True)
        )
    )
