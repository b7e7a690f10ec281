"""Integrated gradients (Sundararajan et al. 2017, https://arxiv.org/abs/1703.01365, equation 1).

The gradient is integrated along the straight line from the source with all words hidden by the mean
embedding to the source itself. The values of a target token sum to the difference of its
log-probability between both ends, up to the error of the numerical integration (completeness).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from seq2seq.interpret.methods.gradient import GradientMethod, Point


@dataclass(frozen=True)
class IntegratedGradients(GradientMethod):
    """The integral of the gradient, by Gauss-Legendre quadrature.

    Args:
        question: what is explained.
        steps: the number of points on the line.
    """

    steps: int = 20
    name = "integrated_gradients"

    def points(
        self,
        vectors: Float[Tensor, "batch src width"],
        mean: Float[Tensor, "batch src width"],
        mask: Bool[Tensor, "batch src"],
    ) -> Iterator[Point]:
        """Yield the points of the quadrature with their weights, which sum to one."""
        for place, weight in zip(*np.polynomial.legendre.leggauss(self.steps), strict=True):
            yield Point(mean + (1 + place) / 2 * (vectors - mean), float(weight) / 2)
