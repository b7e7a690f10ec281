"""Cross-entropy over a large vocabulary, its gradient made with it, a few positions at a time."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

# Logits that exist at once: on a CPU as many as its last cache holds.
AT_ONCE = {"cpu": 2**23}
ELSEWHERE = 2**27


def cross_entropy(
    states: Float[Tensor, "positions width"],
    weight: Float[Tensor, "vocab width"],
    bias: Float[Tensor, " vocab"],
    words: Int[Tensor, " positions"],
    smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """The sum over positions of -log p(word), p the softmax of `states @ weight.T + bias`.

    The same as `F.cross_entropy` of all logits, which are the largest tensor of a training step by
    far: here neither they nor their gradient are ever whole.

    Args:
        states: what the output layer reads.
        weight: a row for each word of the vocabulary.
        bias: a number for each.
        words: the right one at each position.
        smoothing: share of the target given to all words alike (Szegedy et al. 2016).
    """
    needs_grad = torch.is_grad_enabled()
    loss = _ChunkedCrossEntropy.apply(states, weight, bias, words, 1 - smoothing, needs_grad)
    if smoothing:  # the mean logit is that of the mean word: no pass over the vocabulary
        with torch.autocast(states.device.type, enabled=False):
            mean = full(weight).mean(0)
            loss = loss - smoothing * (full(states) @ mean + full(bias).mean()).sum()
    return loss


def full(tensor: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The tensor in single precision, or in double where it is double."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


class _ChunkedCrossEntropy(torch.autograd.Function):
    """The sum of log Z - share * logit of the right word; Z normalises the softmax."""

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        weight: Tensor,
        bias: Tensor,
        words: Tensor,
        share: float,
        needs_grad: bool,
    ) -> Tensor:
        rows = max(1, AT_ONCE.get(states.device.type, ELSEWHERE) // len(weight))
        total: Any = 0.0
        to_states: list[Tensor] = []
        to_words: list[Tensor] = []
        for part, right in zip(states.split(rows), words.unsqueeze(1).split(rows), strict=True):
            logits = full(F.linear(part, weight, bias))
            p = logits.softmax(1)
            # The likeliest word tells Z: its probability is no less than 1 / vocab.
            log_z = logits.amax(1) - p.amax(1).log()
            total = total + (log_z - share * logits.gather(1, right).squeeze(1)).sum()
            if needs_grad:
                p.scatter_add_(1, right, p.new_full(right.shape, -share))
                p = p.to(weight.dtype)
                to_states.append(p @ weight)
                # Chunks are summed in single precision: in half, each sum would lose digits.
                gradients = [full(p.T @ part), full(p).sum(0)]
                to_words = [*map(Tensor.add_, to_words, gradients)] if to_words else gradients
        if needs_grad:
            to_weight, to_bias = to_words
            ctx.save_for_backward(
                torch.cat(to_states), to_weight.to(weight.dtype), to_bias.to(bias.dtype)
            )
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        to_states, to_weight, to_bias = (gradient * gradients for gradients in ctx.saved_tensors)
        return to_states, to_weight, to_bias, None, None, None
