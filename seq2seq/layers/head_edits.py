"""Switch off attention heads by editing weights: nothing in a forward pass changes."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class HeadEdits:
    """Edits of the weights of one attention layer, in place; a head is counted from 0.

    Attributes:
        heads: number of heads.
        zero: removes what a head adds to the output of the layer. Its attention is unchanged.
        uniform: makes the scores of a head equal, so that it attends equally to all positions that
            are not masked. None if a bias of the scores, such as ALiBi, prevents that.
    """

    heads: int
    zero: Callable[[int], None]
    uniform: Callable[[int], None] | None


@torch.no_grad()
def set_to_zero(*parts: Tensor) -> None:
    """Set tensors, or slices of them, to zero in place."""
    for part in parts:
        part.zero_()
