"""Whether a model uses the source: the loss with wrong sources, and how much attention varies.

A Transformer can train for hours as a language model of the target. Its loss then is the same with
the source of another sentence, or its attention is the same for all target tokens, so that it reads
the source as a set of words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seq2seq.models.base import Seq2Seq
from seq2seq.scoring.perplexity import Pairs, mean_loss
from seq2seq.text.batching import Ids, collate

LOSS_PAIRS, ATTENTION_PAIRS = 200, 32  # few, because this is computed at every validation
SMALLEST_GAIN = 0.05  # nats per piece
SMALLEST_VARIATION = 0.03  # share of the attention; 1 is attention to another token at each step
SHORTEST = 3  # source tokens; attention to fewer can hardly vary


@dataclass(frozen=True)
class SourceUse:
    """How much a model uses its source.

    Attributes:
        gain: loss with the source of another sentence minus loss with the right one, in nats per
            target piece.
        variation: mean distance (total variation) of the attention of a target token from the mean
            attention of its sentence, averaged over heads, in the layer where it is largest; None
            without attention.
    """

    gain: float
    variation: float | None

    def remark(self, model: Mapping[str, Any]) -> str | None:
        """Return one sentence if the source is not used, with remedies; None if it is.

        Args:
            model: the section `model` of the configuration.
        """
        if self.gain < SMALLEST_GAIN:
            return (
                "the model does not use its source yet: the sources of other sentences change its "
                f"validation loss by only {self.gain:+.3f} (remedies: {remedies(model)})"
            )
        if self.variation is not None and self.variation < SMALLEST_VARIATION:
            return (
                "the model attends to the same source tokens at every target token: its attention "
                f"differs from that of the other tokens by {self.variation:.1%} only (remedies: "
                f"{remedies(model)})"
            )
        return None


def remedies(model: Mapping[str, Any]) -> str:
    """Return what may help a model to use its source, without keys that this model lacks."""
    some = ["a lower train.learning_rate", "a longer train.warmup_steps"]
    if model.get("norm") == "post":
        some.append("model.norm=pre")
    if smaller := {"xavier": "joint or small", "joint": "small"}.get(
        model.get("attention_init", "")
    ):
        some.append(f"model.attention_init={smaller}")
    some += [f"model.{key}=xavier" for key in ("init", "align_init") if model.get(key) == "paper"]
    return ", ".join([*some, "less dropout, or more pairs"])


@torch.inference_mode()
def source_use(model: Seq2Seq, pairs: Pairs) -> SourceUse | None:
    """Measure how much a model in evaluation mode uses the sources of some pairs.

    Returns:
        The result; None if there are fewer than two pairs.
    """
    some = sample(pairs, LOSS_PAIRS)
    if len(some) < 2:
        return None
    half = len(some) // 2
    others = [some[(i + half) % len(some)][0] for i in range(len(some))]
    wrong = [(source, target) for source, (_, target) in zip(others, some, strict=True)]
    return SourceUse(
        mean_loss(model, wrong) - mean_loss(model, some),
        variation(model, sample(some, ATTENTION_PAIRS)),
    )


def sample(pairs: Pairs, most: int) -> list[tuple[Ids, Ids]]:
    """Return at most this many pairs, at equal distances."""
    rows = np.linspace(0, len(pairs) - 1, min(most, len(pairs))).astype(int)
    return [pairs[row] for row in rows.tolist()]


@torch.inference_mode()
def variation(model: Seq2Seq, pairs: Sequence[tuple[Ids, Ids]]) -> float | None:
    """Return the `SourceUse.variation` of a model; None without attention or long sources."""
    pairs = [pair for pair in pairs if len(pair[0]) + 1 >= SHORTEST and len(pair[1])]
    if not pairs:
        return None
    batch = collate(pairs, model.special).to(next(model.parameters()).device)
    attention = model.hidden(batch.tgt_in, model.encode(batch.src, batch.src_mask)).attention
    if attention is None:
        return None
    lengths = [len(target) + 1 for _, target in pairs]
    by_layer = [
        distance_from_mean(one[:, :, :length])
        for one, length in zip(attention.float(), lengths, strict=True)
    ]
    return float(torch.cat(by_layer, dim=1).mean(1).max())


def distance_from_mean(
    attention: Float[Tensor, "layers heads tgt src"],
) -> Float[Tensor, "layers tgt"]:
    """Return the distance of each row of one sentence from the mean row, averaged over heads."""
    difference = attention - attention.mean(2, keepdim=True)
    return (difference.abs().sum(-1) / 2).mean(1)
