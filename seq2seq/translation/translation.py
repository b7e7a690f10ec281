"""The result of translating a sentence: text, scores, pieces and attention."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from seq2seq.models.results import Maps
from seq2seq.search.base import Hypothesis
from seq2seq.text.tokenizer import Tokenizers

BATCH_TOKENS = 1024  # source tokens per batch, including padding; 5,120 with a beam of 5
ON_A_GPU = 16  # times as many: a step takes about as long for many sentences as for few
END = "</s>"  # the end-of-sentence symbol in `source_pieces` and `target_pieces`
BEGIN = "<s>"  # the first input of a decoder


def batch_tokens(device: torch.device) -> int:
    """Return the number of tokens of a batch that suits a device, including padding.

    A batch that does not fit into memory is halved (`halve_on_out_of_memory`).
    """
    return BATCH_TOKENS * (1 if device.type == "cpu" else ON_A_GPU)


@dataclass(frozen=True)
class Translation:
    """A source text and one translation.

    Attributes:
        source: the source text.
        text: the translation.
        score: the score by which the search ranked it.
        log_probability: the log-probability of its pieces, in nats.
        source_pieces: the pieces of the source, ending with `</s>`.
        target_pieces: the pieces of the translation, ending with `</s>`.
        attention: attention of each layer and head, with a row per target piece and a column per
            source piece; None if it was not requested or the model has no attention.
        cut: the translation has the maximum length of the search, so that it may be cut off.
        maps: all attention of a forced pass, without the axis of the batch; None if it was not
            requested.
    """

    source: str
    text: str
    score: float
    log_probability: float
    source_pieces: list[str]
    target_pieces: list[str]
    attention: Float[Tensor, "layers heads tgt src"] | None
    cut: bool
    maps: Maps | None = None


def present(
    text: str, hypothesis: Hypothesis, tokenizers: Tokenizers, cap: int | None = None
) -> Translation:
    """Convert a hypothesis to a translation with text and pieces.

    Args:
        text: the source text.
        hypothesis: the result of the search.
        tokenizers: the source and target tokenizers.
        cap: the maximum length of the search, in pieces.
    """
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
