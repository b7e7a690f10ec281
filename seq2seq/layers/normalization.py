"""RMS norm and scale norm in mixed precision."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class RMSNorm(nn.RMSNorm):
    """RMS norm (Zhang and Sennrich 2019), computed in the precision of its weight.

    Under autocast, an input in half precision is normalized in single precision.
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim, eps=1e-6)

    def forward(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Divide by the root mean square over the last axis; keep the type of the input."""
        return super().forward(x.to(self.weight.dtype)).to(x.dtype)


class ScaleNorm(nn.Module):
    """Scale norm, g x / |x| (Nguyen and Salazar 2019, section 2.3), with one weight g.

    g is initialized to sqrt(dim), so that the output has the root mean square of layer norm. It is
    computed in the precision of the weight, as RMS norm is.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(float(dim) ** 0.5))

    def forward(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Scale the last axis to the length g; keep the type of the input."""
        full = x.to(self.weight.dtype)
        return (self.weight * nn.functional.normalize(full, dim=-1, eps=1e-5)).to(x.dtype)
