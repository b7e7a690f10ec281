"""The local contributions of ALTI (Ferrando et al. 2022, https://arxiv.org/abs/2203.04212).

An attention layer with a residual connection returns a sum of vectors: the residual input, the
bias, and one for each source position. The contribution of a position is by how much its vector
makes the L1 norm of the sum larger: max(0, ||sum||_1 - ||sum - vector||_1). Post-norm layers
normalize the sum; this is linear for a given standard deviation, so every vector is normalized with
that of the sum.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seq2seq.interpret.methods.base import (
    Method,
    Table,
    UnsupportedModelError,
    encoded,
    in_batches,
    without_padding,
)
from seq2seq.interpret.methods.vectors import distributions, source_reads
from seq2seq.models.results import SourceRead
from seq2seq.text.batching import Batch
from seq2seq.translation.translation import Translation
from seq2seq.translation.translator import Translator


class Alti(Method):
    """The contribution of each source position to each source attention layer of a Transformer.

    Rows are divided by their sums; the contribution of the residual input is left out. A row is
    zero if no position makes the norm larger.
    """

    name, signed = "alti", False

    @torch.inference_mode()
    def values(
        self, translator: Translator, translations: Sequence[Translation], tables: Sequence[Table]
    ) -> list[Float[Tensor, "layers 1 tgt src"]]:
        """Return the contributions of each translation."""

        def work(batch: Batch, rows: list[int]) -> Tensor:
            reads = source_reads(translator.model, batch, self.name)
            layers = [contributions(read) for read in reads]
            found = [one for one in layers if one is not None]
            if len(found) < len(layers):
                raise UnsupportedModelError(
                    f"{type(translator.model).__name__} has no residual connection around "
                    "attention to the source alone, which --method alti needs: use --method vectors"
                )
            return distributions(torch.stack(found, dim=1)).unsqueeze(2)

        pairs = encoded(translator, translations)
        return without_padding(in_batches(translator, pairs, work), pairs)


def contributions(read: SourceRead) -> Float[Tensor, "batch tgt src"] | None:
    """Return the contribution of each source position; None without a residual connection."""
    if read.output is None:
        return None
    rows = []
    for place, output in enumerate(read.output.unbind(1)):  # one at a time, to save memory
        parts = torch.einsum("bhs,bshd->bsd", read.weights[:, :, place], read.values)
        scale = scale_of(read.norm, output)
        whole, parts = centred(read.norm, output) * scale, centred(read.norm, parts)
        parts = parts * scale.unsqueeze(1)
        norm = whole.abs().sum(-1, keepdim=True)
        rows.append(norm - (whole.unsqueeze(1) - parts).abs().sum(-1))
    return torch.stack(rows, dim=1).clamp(min=0)


def centred(norm: nn.Module | None, x: Float[Tensor, "*any dim"]) -> Float[Tensor, "*any dim"]:
    """Subtract the mean of each vector if the normalization does."""
    return x - x.mean(-1, keepdim=True) if isinstance(norm, nn.LayerNorm) else x


def scale_of(norm: nn.Module | None, x: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch dim"]:
    """Return the factors by which the normalization multiplies the elements of centred x."""
    if not isinstance(norm, nn.LayerNorm | nn.RMSNorm):
        return torch.ones_like(x)
    squares = centred(norm, x).square().mean(-1, keepdim=True)
    return norm.weight / (squares + (norm.eps or 0.0)).sqrt()
