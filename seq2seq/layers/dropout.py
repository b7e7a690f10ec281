"""Dropout with masks from random bytes, which is faster than Bernoulli sampling on a CPU."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class Dropout(nn.Dropout):
    """Set each element to zero with probability p during training (Srivastava et al. 2014).

    On a CPU, one Bernoulli sample per element takes several times as long as the surrounding
    arithmetic. Here one random 64-bit integer provides the mask of eight elements, which rounds p
    to the nearest 1/256, unless that is 0 or 1. The remaining elements are scaled with the rounded
    probability, so that the expected value is unchanged.
    """

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Apply dropout in training mode; return x unchanged in evaluation mode."""
        threshold = round(self.p * 256)
        if not self.training or self.p == 0:
            return x
        if x.device.type != "cpu" or threshold in (0, 256):
            return F.dropout(x, self.p)
        integers = torch.empty((x.numel() + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
        keep = integers.view(torch.uint8)[: x.numel()].view(x.shape) >= threshold
        return x * keep.to(x.dtype).mul_(256 / (256 - threshold))
