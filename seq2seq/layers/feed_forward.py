"""Feed-forward networks of a Transformer layer, applied at each position."""

from jaxtyping import Float
from torch import Tensor, nn

from seq2seq.layers.dropout import Dropout


class FeedForward(nn.Sequential):
    """Position-wise feed-forward network: two linear layers with an activation between.

    ReLU is that of Vaswani et al. (2017, section 3.3), GELU that of Hendrycks and Gimpel (2016),
    swish (SiLU, x * sigmoid(x)) that of Ramachandran et al. (2017), as in Marian's models.
    """

    def __init__(
        self, dim: int, hidden: int, dropout: float, activation: nn.Module, *, bias: bool
    ) -> None:
        super().__init__(
            nn.Linear(dim, hidden, bias=bias),
            activation,
            Dropout(dropout),
            nn.Linear(hidden, dim, bias=bias),
        )


class SwiGLU(nn.Module):
    """Feed-forward network down(swish(gate x) * (up x)) (Shazeer 2020, equation 6).

    It has three matrices: two thirds of the hidden size give as many parameters as two matrices.
    """

    def __init__(self, dim: int, hidden: int, dropout: float, *, bias: bool) -> None:
        super().__init__()
        self.gate, self.up = (nn.Linear(dim, hidden, bias=bias) for _ in range(2))
        self.dropout = Dropout(dropout)
        self.down = nn.Linear(hidden, dim, bias=bias)

    def forward(self, x: Float[Tensor, "batch len dim"]) -> Float[Tensor, "batch len dim"]:
        """Apply the network at each position."""
        return self.down(self.dropout(nn.functional.silu(self.gate(x)) * self.up(x)))
