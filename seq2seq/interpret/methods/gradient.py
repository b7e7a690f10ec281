"""Input times gradient: the first-order estimate of what a source word changes.

The value of target token i and source piece j is (x_j - m_j) . d log p(y_i) / d x_j, where x_j is
what the encoder reads at j (`embed_source`) and m_j is the mean of that over all pieces. This is
what occlusion by the mean embedding would change if log p were linear. With m_j = 0 it would be the
product of input and gradient (Ding et al. 2019, https://aclanthology.org/W19-5201), in which the
encoding of the position counts as a part of the word.
"""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from seq2seq.interpret.methods.base import (
    Table,
    UnsupportedModelError,
    encoded,
    in_batches,
    without_padding,
)
from seq2seq.interpret.methods.baseline import with_words_hidden
from seq2seq.interpret.methods.quantity import Quantity
from seq2seq.interpret.methods.question import SignedMethod
from seq2seq.models.base import Seq2Seq
from seq2seq.text.batching import Batch
from seq2seq.translation.translation import Translation
from seq2seq.translation.translator import Translator


class Point(NamedTuple):
    """Where gradients are taken, and with which weight they count."""

    vectors: Float[Tensor, "batch src width"]
    weight: float


@dataclass(frozen=True)
class GradientMethod(SignedMethod):
    """A weighted mean of gradients at several points, times the difference from the mean vector."""

    @abstractmethod
    def points(
        self,
        vectors: Float[Tensor, "batch src width"],
        mean: Float[Tensor, "batch src width"],
        mask: Bool[Tensor, "batch src"],
    ) -> Iterable[Point]:
        """Return the points for the vectors of a batch.

        Args:
            vectors: what the encoder reads.
            mean: the same with all words hidden.
            mask: False at padding.
        """

    def values(
        self, translator: Translator, translations: Sequence[Translation], tables: Sequence[Table]
    ) -> list[Float[Tensor, "1 1 tgt src"]]:
        """Return the products of each translation; the column of `</s>` is zero."""
        model, quantity = translator.model, self.question.quantity(translator, translations)

        def work(batch: Batch, rows: list[int]) -> Tensor:
            with torch.no_grad():
                vectors = model.embed_source(batch.src)
                mean = with_words_hidden(translator, vectors, batch.src)
                change = vectors - mean
                total = vectors.new_zeros(*batch.tgt_out.shape, batch.src.size(1))
            for point, weight in self.points(vectors, mean, batch.src_mask):
                total += weight * products(model, batch, point, change, quantity, rows)
            return total[:, None, None]

        pairs = encoded(translator, translations)
        return without_padding(in_batches(translator, pairs, work), pairs)


@dataclass(frozen=True)
class Gradient(GradientMethod):
    """Input times gradient."""

    name = "gradient"

    def points(
        self,
        vectors: Float[Tensor, "batch src width"],
        mean: Float[Tensor, "batch src width"],
        mask: Bool[Tensor, "batch src"],
    ) -> Iterable[Point]:
        """Return the vectors themselves."""
        return [Point(vectors, 1.0)]


def products(
    model: Seq2Seq,
    batch: Batch,
    vectors: Float[Tensor, "batch src width"],
    change: Float[Tensor, "batch src width"],
    quantity: Quantity,
    pairs: Sequence[int],
) -> Float[Tensor, "batch tgt src"]:
    """Return change . d quantity / d vectors, for each target token and source position.

    There is one backward pass for each target position, of all sentences at once: the sentences of
    a batch do not depend on each other.

    Args:
        model: the model.
        batch: the batch.
        vectors: where the gradient is taken.
        change: what it is multiplied with.
        quantity: what is explained.
        pairs: the number of the pair of each row of the batch.

    Raises:
        UnsupportedModelError: the quantity has no gradient at the source.
    """
    leaf = vectors.detach().requires_grad_()
    # The recurrent networks of cuDNN have no backward pass in evaluation mode.
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        memory = model.encode_embedded(leaf, batch.src_mask)
        states = model.hidden(batch.tgt_in, memory, weights=False).states
        explained = quantity.values(model, states, batch, memory, pairs).sum(0)
        if not explained.requires_grad:
            raise UnsupportedModelError(
                f"no gradient reaches the source of {type(model).__name__}: use --method occlusion"
            )
        rows = []
        for one in explained:
            (gradient,) = torch.autograd.grad(one, leaf, retain_graph=True)
            rows.append((gradient * change).sum(-1))
    return torch.stack(rows, dim=1)
