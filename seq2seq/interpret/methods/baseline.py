"""Vectors that take the place of a source word: the mean embedding."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seq2seq.interpret.methods.base import UnsupportedModelError
from seq2seq.translation.translator import Translator

CHUNK = 1 << 14  # vectors computed at once


@torch.inference_mode()
def mean_vectors(translator: Translator, length: int) -> Float[Tensor, "src width"]:
    """Return the mean of what the encoder reads (`embed_source`) over all pieces, by position.

    It has the encoding of the position, but tells nothing about the word there.

    Args:
        translator: the trained run.
        length: the number of positions.

    Raises:
        UnsupportedModelError: the model has no embeddings.
    """
    model = translator.model
    if model.fits:
        raise UnsupportedModelError(
            f"{type(model).__name__} has no embeddings, so there is no mean embedding: use "
            "--method occlusion with --hide drop or --hide unk"
        )
    device = next(model.parameters()).device
    pieces = range(len(translator.tokenizers.source))
    ids = torch.tensor([i for i in pieces if i not in model.special.pieces], device=device)
    total = torch.zeros(())
    for chunk in ids.split(max(1, CHUNK // length)):
        vectors = model.embed_source(chunk.unsqueeze(1).expand(-1, length))
        total = total.to(vectors) + vectors.sum(0)
    return total / len(ids)


def with_words_hidden(
    translator: Translator,
    embedded: Float[Tensor, "batch src width"],
    src: Int[Tensor, "batch src"],
) -> Float[Tensor, "batch src width"]:
    """Replace the vectors of all pieces by the mean, except those of prefix, `</s>` and padding."""
    mean = mean_vectors(translator, src.size(1)).to(embedded)
    special = translator.model.special
    kept = (src == special.eos) | (src == special.pad)
    kept[:, : len(translator.tokenizers.source.prefix)] = True
    return torch.where(kept.unsqueeze(-1), embedded, mean)
