"""Cross-entropy and perplexity of a model on pairs of sentences."""

import math
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from seq2seq.models.base import Autoregressive
from seq2seq.text.batching import Ids, collate, halve_on_out_of_memory, pack


@runtime_checkable
class Pairs(Protocol):
    """Ids of both sides, pair by pair."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> tuple[Ids, Ids]: ...


@torch.inference_mode()
def mean_loss(model: Autoregressive, pairs: Pairs, *, batch_tokens: int = 4096) -> float:
    """Cross-entropy in nats a target token (EOS included), every pair counted, none left out."""
    device = next(model.parameters()).device
    lengths = np.array(
        [max(len(s), len(t)) + 1 for s, t in map(pairs.__getitem__, range(len(pairs)))]
    )
    total, tokens = 0.0, 0

    def read(rows: NDArray[np.integer[Any]]) -> tuple[float, int]:
        batch = collate([pairs[row] for row in rows.tolist()]).to(device)
        return float(model.loss(batch)), batch.num_tokens

    for batch in pack(np.argsort(lengths, kind="stable"), lengths, batch_tokens):
        for _, (loss, count) in halve_on_out_of_memory(batch, read):
            total, tokens = total + loss, tokens + count
    return total / tokens


def perplexity(loss: float) -> float:
    """exp of a mean loss, capped where that would overflow (JSON has no infinity)."""
    return math.exp(min(loss, 700.0))
