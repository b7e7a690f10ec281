"""Cross-entropy over a large vocabulary, computed with its gradient in chunks of positions."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

# Number of logits in one chunk, by device type. On a CPU a chunk fits into the last-level cache.
CHUNK_SIZE = {"cpu": 2**23}
DEFAULT_CHUNK_SIZE = 2**27


def cross_entropy(
    states: Float[Tensor, "positions width"],
    weight: Float[Tensor, "vocab width"],
    bias: Float[Tensor, " vocab"],
    targets: Int[Tensor, " positions"],
    smoothing: float = 0.0,
    r_drop: float = 0.0,
    real: Bool[Tensor, " positions"] | None = None,
) -> Float[Tensor, ""]:
    """Return the cross-entropy of `softmax(states @ weight.T + bias)`, summed over positions.

    Equal to `F.cross_entropy` with reduction="sum". The logits of all positions are by far the
    largest tensor of a training step; here neither they nor their gradient are ever stored whole.

    With r_drop, the second half of the positions repeats the first half with other dropout masks,
    and r_drop / 2 * (KL(p || q) + KL(q || p)) of their predictions p and q is added (R-Drop, Wu et
    al. 2021, equations 3 and 4).

    Args:
        states: input of the output layer.
        weight: weight of the output layer, one row for each token of the vocabulary.
        bias: bias of the output layer.
        targets: id of the target token at each position.
        smoothing: label smoothing, the probability mass spread uniformly over the vocabulary
            (Szegedy et al. 2016).
        r_drop: weight alpha of the divergence of R-Drop.
        real: False at positions that add nothing; both halves are the same with r_drop.
    """
    needs_grad = torch.is_grad_enabled()
    loss = _ChunkedCrossEntropy.apply(
        states, weight, bias, targets, 1 - smoothing, r_drop, real, needs_grad
    )
    if smoothing:  # the mean logit is the logit of the mean weight: no pass over the vocabulary
        with torch.autocast(states.device.type, enabled=False):
            mean = at_least_float32(weight).mean(0)
            mean_logits = at_least_float32(states) @ mean + at_least_float32(bias).mean()
            if real is not None:
                mean_logits = mean_logits * real
            loss = loss - smoothing * mean_logits.sum()
    return loss


def guided_cross_entropy(
    weights: Float[Tensor, "batch tgt src"], links: Float[Tensor, "batch tgt src"]
) -> Float[Tensor, ""]:
    """Return the cross-entropy of attention weights with distributions, summed over their rows.

    It is the sum over i and j of -G_ij log A_ij, for the distributions G and the weights A: the
    alignment loss of Garg et al. (2019, "Multi-task Learning"), without their division by the
    number of rows. A row of zeros in `links` adds nothing.

    Args:
        weights: attention before dropout.
        links: a distribution or zeros for each target token.
    """
    weights = at_least_float32(weights)
    return -(links.to(weights) * weights.clamp_min(torch.finfo(weights.dtype).tiny).log()).sum()


def at_least_float32(tensor: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Convert half precision to float32; keep float32 and float64."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def symmetric_divergence(
    logits: Float[Tensor, "rows vocab"],
) -> tuple[Float[Tensor, ""], Float[Tensor, "rows vocab"]]:
    """Return KL(p || q) + KL(q || p), and its gradient with respect to the logits.

    p are the predictions of the first half of the rows, q those of the second half; the divergence
    is summed over rows.
    """
    log_p, log_q = logits.log_softmax(1).chunk(2)
    p, q = log_p.exp(), log_q.exp()
    difference = log_p - log_q
    p_to_q = (p * difference).sum(1, keepdim=True)
    q_to_p = -(q * difference).sum(1, keepdim=True)
    grad_p = p * (difference - p_to_q) + p - q
    grad_q = q * (-difference - q_to_p) + q - p
    return p_to_q.sum() + q_to_p.sum(), torch.cat([grad_p, grad_q])


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Sum over positions of log Z - confidence * target logit; Z is the softmax denominator."""

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        weight: Tensor,
        bias: Tensor,
        targets: Tensor,
        confidence: float,
        r_drop: float,
        real: Tensor | None,
        needs_grad: bool,
    ) -> Tensor:
        copies = 2 if r_drop else 1  # a chunk has the same positions of both copies
        rows = CHUNK_SIZE.get(states.device.type, DEFAULT_CHUNK_SIZE) // len(weight) // copies
        chunks = states.unflatten(0, (copies, -1)).split(max(1, rows), dim=1)
        parts = targets.view(copies, -1).split(max(1, rows), dim=1)
        every = [None] * len(parts)
        kept = every if real is None else real.view(copies, -1).split(max(1, rows), dim=1)
        total: Any = 0.0
        grad_states: list[Tensor] = []
        grad_layer: list[Tensor] = []
        for both, ids, keep in zip(chunks, parts, kept, strict=True):
            chunk, target = both.flatten(0, 1), ids.reshape(-1, 1)
            logits = at_least_float32(F.linear(chunk, weight, bias))
            if keep is not None and r_drop:  # equal in both copies, so without divergence
                logits = logits.masked_fill(~keep.reshape(-1, 1), 0.0)
            p = logits.softmax(1)
            # log Z = logit - log p of any token; the most probable one has p >= 1 / vocab.
            log_z = logits.amax(1) - p.amax(1).log()
            losses = log_z - confidence * logits.gather(1, target).squeeze(1)
            total = total + (losses if keep is None else losses * keep.reshape(-1)).sum()
            if needs_grad:
                p.scatter_add_(1, target, p.new_full(target.shape, -confidence))
                if keep is not None:
                    p.mul_(keep.reshape(-1, 1))
            if r_drop:
                divergence, grad = symmetric_divergence(logits)
                total = total + r_drop / 2 * divergence
                p.add_(grad, alpha=r_drop / 2)
            if needs_grad:
                p = p.to(weight.dtype)
                grad_states.append((p @ weight).unflatten(0, (copies, -1)))
                # Chunks are summed in float32: half precision would lose digits in each sum.
                grads = [at_least_float32(p.T @ chunk), at_least_float32(p).sum(0)]
                grad_layer = [*map(Tensor.add_, grad_layer, grads)] if grad_layer else grads
        if needs_grad:
            grad_weight, grad_bias = grad_layer
            ctx.save_for_backward(
                torch.cat(grad_states, dim=1).flatten(0, 1),
                grad_weight.to(weight.dtype),
                grad_bias.to(bias.dtype),
            )
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        grad_states, grad_weight, grad_bias = (grad_output * grad for grad in ctx.saved_tensors)
        return grad_states, grad_weight, grad_bias, *[None] * 5
