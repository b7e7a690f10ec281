"""The input of a Transformer's first layer: token, segment and position embeddings."""

import math

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from seq2seq.layers.parts import Parts
from seq2seq.layers.positions import fairseq_sinusoidal, sinusoidal

ADDED = {"sinusoidal": sinusoidal, "fairseq": fairseq_sinusoidal}  # formulas, by kind of positions


class TokenEmbedding(nn.Embedding):
    """Vectors of tokens, of any length or divided by their length.

    Division by the length is FixNorm (Nguyen and Chiang 2018; Nguyen and Salazar 2019, section
    2.3). It applies to the input, which is still scaled by sqrt(dim), and to a tied output layer:
    a logit is the length of the decoder state, which the last normalization learns, times a cosine,
    plus the bias. Their code initializes the vectors with U(-0.01, 0.01); this one does not.

    Args:
        vocab: number of tokens.
        dim: size of a vector.
        fix_norm: divide each vector by its length.
    """

    def __init__(self, vocab: int, dim: int, *, fix_norm: bool) -> None:
        super().__init__(vocab, dim)
        self.fix_norm = fix_norm

    @property
    def vectors(self) -> Float[Tensor, "vocab dim"]:
        """The vectors of all tokens, as the model uses them."""
        return F.normalize(self.weight, dim=-1) if self.fix_norm else self.weight

    def forward(self, input: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch dim"]:
        """Return the vectors of tokens."""
        vectors = super().forward(input)
        return F.normalize(vectors, dim=-1) if self.fix_norm else vectors


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
        places: places of the tokens, counted from 0, for encodings that a formula gives.
        learned: the learned encodings of these places; None if the model has none.
        segment: the embedding of the part of the sequence (Devlin et al. 2018); None if not marked.
    """
    x = (tokens if segment is None else tokens + segment) * math.sqrt(parts.dim)
    if learned is not None:
        return x + learned
    formula = ADDED.get(parts.positions)
    return x if formula is None else x + formula(places, parts.dim).to(x)
