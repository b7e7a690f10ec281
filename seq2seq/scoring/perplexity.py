"""Cross-entropy and perplexity of a model on sentence pairs."""

import math
from itertools import chain
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from seq2seq.models.base import Seq2Seq
from seq2seq.system.share import ALONE, Share
from seq2seq.text.batching import Ids, collate, halve_on_out_of_memory, pack


@runtime_checkable
class Pairs(Protocol):
    """Source and target ids of sentence pairs."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> tuple[Ids, Ids]: ...


@torch.inference_mode()
def mean_loss(
    model: Seq2Seq, pairs: Pairs, *, batch_tokens: int = 4096, share: Share = ALONE
) -> float:
    """Compute the cross-entropy of all pairs, in nats per target token, including EOS.

    If the model has a pseudo-likelihood (`model.pseudo_likelihood`), it is that.

    Args:
        model: the model.
        pairs: source and target ids.
        batch_tokens: maximum tokens per batch, including padding.
        share: divides the batches among processes; the result is the same in each, and as of one.
    """
    device = next(model.parameters()).device
    lengths = np.array(
        [max(len(s), len(t)) + 1 for s, t in map(pairs.__getitem__, range(len(pairs)))]
    )

    def batch_loss(rows: NDArray[np.integer[Any]]) -> tuple[float, int]:
        batch = collate([pairs[row] for row in rows.tolist()], model.special).to(device)
        return float(model.loss(batch)), batch.num_tokens

    def losses(batch: NDArray[np.integer[Any]]) -> list[tuple[float, int]]:
        return [found for _, found in halve_on_out_of_memory(batch, batch_loss)]

    batches = pack(np.argsort(lengths, kind="stable"), lengths, batch_tokens)
    total, tokens = 0.0, 0
    for loss, count in chain.from_iterable(share.map(losses, batches)):
        total, tokens = total + loss, tokens + count
    return total / tokens


def perplexity_key(model: Seq2Seq | type[Seq2Seq]) -> str:
    """Return the key under which the perplexity of a model is stored, as it is not always one."""
    return "pseudo_perplexity" if model.pseudo_likelihood else "perplexity"


def perplexity(loss: float) -> float:
    """Return exp(loss), with the loss capped at 700, since JSON cannot represent infinity."""
    return math.exp(min(loss, 700.0))
