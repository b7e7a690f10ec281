"""A translation as the library returns it: text, scores, pieces and attention."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from seq2seq.search.base import Hypothesis
from seq2seq.text.tokenizer import Tokenizers

BATCH_TOKENS = 1024  # of source, padding included: what a beam of five turns into 5,120
END = "</s>"  # how the end of a sentence is shown


@dataclass(frozen=True)
class Translation:
    """A source text and one translation of it.

    score is what the search ranked it by, log_probability that of its pieces in nats. The pieces
    of both sides end with `</s>`; attention has a row for each target piece and a column for each
    source piece, in each layer and head, or is None where it was not asked for or the model has
    none.
    """

    source: str
    text: str
    score: float
    log_probability: float
    source_pieces: list[str]
    target_pieces: list[str]
    attention: Float[Tensor, "layers heads tgt src"] | None
    cut: bool  # the search's longest length ended it, not the model


def present(
    text: str, hypothesis: Hypothesis, tokenizers: Tokenizers, cap: int | None = None
) -> Translation:
    """A hypothesis with its text and pieces."""
    return Translation(
        source=text,
        text=tokenizers.target.decode(hypothesis.tokens),
        score=hypothesis.score,
        log_probability=hypothesis.log_probability,
        source_pieces=[*tokenizers.source.surfaces(text), END],
        target_pieces=[*tokenizers.target.pieces(hypothesis.tokens), END],
        attention=hypothesis.attention,
        cut=cap is not None and len(hypothesis.tokens) >= cap,
    )
