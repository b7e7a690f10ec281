"""The input of a Transformer's first layer: token, segment and position embeddings."""

import math

from jaxtyping import Float, Int
from torch import Tensor

from seq2seq.layers.parts import Parts
from seq2seq.layers.positions import sinusoidal


def embed(
    parts: Parts,
    tokens: Float[Tensor, "batch len dim"],
    places: Int[Tensor, "#batch len"],
    learned: Float[Tensor, "*#batch len dim"] | None,
    segment: Float[Tensor, " dim"] | None = None,
) -> Float[Tensor, "batch len dim"]:
    """Return (token + segment embeddings) times sqrt(dim), plus position encodings if added.

    The scaling is that of Vaswani et al. 2017, section 3.4. Rotary positions and ALiBi are not
    added here, because they act in the attention.

    Args:
        parts: the hyperparameters.
        tokens: the embeddings of the tokens.
        places: places of the tokens, counted from 0, for sinusoidal encodings.
        learned: the learned encodings of these places; None if the model has none.
        segment: the embedding of the part of the sequence (Devlin et al. 2018); None if not marked.
    """
    x = (tokens if segment is None else tokens + segment) * math.sqrt(parts.dim)
    if learned is not None:
        return x + learned
    return x + sinusoidal(places, parts.dim).to(x) if parts.positions == "sinusoidal" else x
