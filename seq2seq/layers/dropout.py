"""Dropout whose masks are cut from random bytes."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class Dropout(nn.Dropout):
    """Forget each number with probability p while training (Srivastava et al. 2014).

    On a CPU one Bernoulli draw a number takes several times as long as the arithmetic around it.
    Eight masks come from one 64-bit draw instead, which rounds p to the nearest 256th; what is
    kept is scaled by that rounded share, so that the mean stays exact.
    """

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """x itself in evaluation; in training x with zeros, the rest scaled up."""
        threshold = round(self.p * 256)
        if not self.training or threshold == 0:
            return x
        if x.device.type != "cpu" or threshold == 256:
            return F.dropout(x, self.p)
        words = torch.empty((x.numel() + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
        kept = words.view(torch.uint8)[: x.numel()].view(x.shape) >= threshold
        return x * kept.to(x.dtype).mul_(256 / (256 - threshold))
