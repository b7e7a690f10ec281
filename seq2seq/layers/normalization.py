"""RMS norm in mixed precision."""

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
