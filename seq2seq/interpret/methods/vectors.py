"""Norms of the vectors that attention reads (Kobayashi et al. 2020).

https://aclanthology.org/2020.emnlp-main.574. An attention layer adds sum_j sum_h a^h_ij f^h(x_j) to
its output, where a^h_ij is the weight of head h and f^h(x_j) = W_O^h W_V^h x_j is the transformed
value vector. A large weight of a short vector adds little, so the norm of sum_h a^h_ij f^h(x_j)
replaces the weight. In a recurrent network with attention, the context sum_j a_ij h_j is read by
several matrices; f(h_j) = C h_j, where C is all of them stacked.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from seq2seq.interpret.methods.base import (
    Method,
    Table,
    UnsupportedModelError,
    encoded,
    in_batches,
    without_padding,
)
from seq2seq.models.base import Seq2Seq
from seq2seq.models.results import SourceRead
from seq2seq.text.batching import Batch
from seq2seq.translation.translation import Translation
from seq2seq.translation.translator import Translator


class Vectors(Method):
    """The norm of what each source position adds to each layer; rows are divided by their sums.

    The vectors of the heads are added before the norm, so there is one map for each layer.
    """

    name, signed = "vectors", False

    @torch.inference_mode()
    def values(
        self, translator: Translator, translations: Sequence[Translation], tables: Sequence[Table]
    ) -> list[Float[Tensor, "layers 1 tgt src"]]:
        """Return the norms of each translation."""

        def work(batch: Batch, rows: list[int]) -> Tensor:
            reads = source_reads(translator.model, batch, self.name)
            norms = torch.stack([weighted_norms(read) for read in reads], dim=1)
            return distributions(norms).unsqueeze(2)

        pairs = encoded(translator, translations)
        return without_padding(in_batches(translator, pairs, work), pairs)


def source_reads(model: Seq2Seq, batch: Batch, method: str) -> list[SourceRead]:
    """Return what every attention layer of a model reads.

    Raises:
        UnsupportedModelError: the model has no value vectors; the method is named.
    """
    if reads := model.source_reads(batch):
        return reads
    raise UnsupportedModelError(
        f"{type(model).__name__} has no vectors that attention reads from the source, so --method "
        f"{method} cannot be applied to it: use --method occlusion"
    )


def weighted_norms(read: SourceRead) -> Float[Tensor, "batch tgt src"]:
    """Return the norm of the weighted sum of the vectors of all heads.

    The vectors of all pairs of positions would take much memory, so the squared norm is computed as
    sum_h sum_g a^h a^g f^h . f^g, from the products of the heads at each source position.
    """
    values = read.values.cpu().double()  # squares of small sums of large vectors; MPS has no double
    products = values @ values.transpose(-2, -1)  # [batch src heads heads]
    weights = read.weights.cpu().double().permute(0, 3, 2, 1)  # [batch src tgt heads]
    squares = ((weights @ products) * weights).sum(-1)
    return squares.clamp(min=0).sqrt().transpose(1, 2).to(read.weights)


def distributions(values: Float[Tensor, "*any src"]) -> Float[Tensor, "*any src"]:
    """Divide each row by its sum; a row of zeros is left as it is."""
    total = values.sum(-1, keepdim=True)
    return torch.where(total > 0, values / total, values)
