"""Residual connections of Transformer layers."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from seq2seq.layers.dropout import Dropout

Norm = Literal["pre", "post"]


class Residual(nn.Module):
    """Residual connection with a normalization before the sublayer (`pre`) or after the sum.

    Post-norm is used in the paper (Vaswani et al. 2017, sections 3.1 and 5.4); pre-norm (Xiong et
    al. 2020) trains without a long warm-up.
    """

    def __init__(self, normalization: nn.Module, norm: Norm, dropout: float) -> None:
        super().__init__()
        self.pre, self.norm, self.dropout = norm == "pre", normalization, Dropout(dropout)

    def before(self, x: Float[Tensor, "batch len dim"]) -> Float[Tensor, "batch len dim"]:
        """Return the input of the sublayer."""
        return self.norm(x) if self.pre else x

    def after(
        self, x: Float[Tensor, "batch len dim"], y: Float[Tensor, "batch len dim"]
    ) -> Float[Tensor, "batch len dim"]:
        """Add the output y of the sublayer to its residual input x."""
        x = x + self.dropout(y)
        return x if self.pre else self.norm(x)
