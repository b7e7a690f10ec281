"""SmoothGrad: gradients averaged over copies of the input with noise (Smilkov et al. 2017).

https://arxiv.org/abs/1706.03825; for translation, Ding et al. 2019, https://aclanthology.org/W19-5201.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from seq2seq.interpret.methods.gradient import GradientMethod, Point


@dataclass(frozen=True)
class SmoothGrad(GradientMethod):
    """Input times the mean gradient at noisy copies of the input.

    The noise of a sentence depends only on the numbers of its pieces and units, so that a sentence
    has the same result in every batch.

    Args:
        question: what is explained.
        copies: the number of copies.
        noise: the standard deviation of the noise, as a share of the range of the input values of
            the sentence (section 2 of Smilkov et al.).
    """

    copies: int = 30
    noise: float = 0.15
    name = "smoothgrad"

    def points(
        self,
        vectors: Float[Tensor, "batch src width"],
        mean: Float[Tensor, "batch src width"],
        mask: Bool[Tensor, "batch src"],
    ) -> Iterator[Point]:
        """Yield noisy copies."""
        lengths = mask.sum(1).tolist()
        for copy in range(self.copies):
            noisy = vectors.clone()
            for row, length in zip(noisy, lengths, strict=True):
                own = row[:length]
                random = torch.Generator().manual_seed(copy)
                noise = torch.randn(own.shape, generator=random).to(own)
                own += self.noise * (own.max() - own.min()) * noise
            yield Point(noisy, 1 / self.copies)
