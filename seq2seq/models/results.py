"""What the methods of a model return."""

from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

Memory = Any
State = Any


class Hidden(NamedTuple):
    """Input of the output layer at each target position, and the attention weights.

    attention is None if the model has no attention or if the caller passed `weights=False`.
    """

    states: Float[Tensor, "batch tgt width"]
    attention: Float[Tensor, "batch layers heads tgt src"] | None


class OutputLayer(NamedTuple):
    """Weight and bias of the linear output layer, one row for each token of the vocabulary."""

    weight: Float[Tensor, "vocab width"]
    bias: Float[Tensor, " vocab"]


class GuidedLoss(NamedTuple):
    """The loss of `Seq2Seq.loss`, and the cross-entropy of guided attention, both in nats.

    Both are sums: over target tokens, and over target tokens with links.
    """

    loss: Float[Tensor, ""]
    guided: Float[Tensor, ""]


class Output(NamedTuple):
    """Predictions at all target positions; attention is None if the model has none."""

    logits: Float[Tensor, "batch tgt vocab"]
    attention: Float[Tensor, "batch layers heads tgt src"] | None


class Maps(NamedTuple):
    """All attention weights of a forced pass; a map that the model does not have is None.

    Each row is a distribution. Where one softmax covers source and target (`joint_attention`), a
    row of `source` and the same row of `target` sum to one together. Weights of padding are zero;
    rows of padding have no meaning.

    Attributes:
        source: from each target position to the source.
        target: from each target position to the target so far, that is to the tokens of
            `Batch.tgt_in`. A MaskedLM attends to the whole target, those of `Batch.tgt_out`. (See
            `target_input`.)
        encoder: from each source position to the source.
    """

    source: Float[Tensor, "batch layers heads tgt src"] | None
    target: Float[Tensor, "batch layers heads tgt tgt"] | None = None
    encoder: Float[Tensor, "batch layers heads src src"] | None = None


class SourceRead(NamedTuple):
    """What one attention layer reads of the source at each target position, as a sum.

    The layer adds the sum over heads and source positions of weight times value to `output`, which
    also has the residual input and the bias.

    Attributes:
        weights: the attention weights to the source.
        values: the transformed value vectors: what a weight of one adds.
        output: the sum; None if there is no residual connection, or it is not known.
        norm: the normalization of the sum; None if there is none.
    """

    weights: Float[Tensor, "batch heads tgt src"]
    values: Float[Tensor, "batch src heads width"]
    output: Float[Tensor, "batch tgt width"] | None = None
    norm: nn.Module | None = None


class Step(NamedTuple):
    """Predictions at one target position, and the state for the next step."""

    logits: Float[Tensor, "rows vocab"]
    attention: Float[Tensor, "rows layers heads src"] | None
    state: State


class Iteration(NamedTuple):
    """Result of one iteration of `fit`: the loss in nats, summed over target tokens, their number.

    What a token is depends on the model, for example a word.
    """

    loss: float
    tokens: int
