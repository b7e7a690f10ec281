"""Base class and helpers of beam search and sampling.

Both store back-pointers during the search; tokens and attention of a hypothesis are collected at
the end by following them. Finished sentences are removed from the batch. The result for a sentence
does not depend on the other sentences of the batch.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seq2seq.errors import UserError
from seq2seq.limits import MAX_PIECES
from seq2seq.models.base import Autoregressive, Seq2Seq
from seq2seq.settings.plugins import snake_case
from seq2seq.settings.ranges import Within
from seq2seq.settings.schema import check_values
from seq2seq.text.special_ids import SpecialIds


@dataclass(frozen=True)
class Hypothesis:
    """One translation.

    Attributes:
        tokens: token ids without EOS.
        log_probability: log-probability of tokens and EOS under the model, in nats.
        score: the value by which hypotheses are ranked.
        attention: attention weights with one row for each token and EOS; None if not requested or
            if the model has no attention.
    """

    tokens: list[int]
    log_probability: float
    score: float
    attention: Float[Tensor, "layers heads tgt src"] | None


class BackPointers:
    """The steps of a search: input token, parent row and attention of each row."""

    def __init__(self, attention: bool) -> None:
        self.keep_attention = attention
        self.tokens: list[list[int]] = []
        self.parents: list[list[int]] = []
        self.attention: list[Tensor] = []

    def add(self, tokens: Tensor, parents: Tensor, attention: Tensor | None) -> None:
        """Record one step; parents are row indices of the previous step."""
        self.tokens.append(tokens.tolist())
        self.parents.append(parents.tolist())
        if self.keep_attention and attention is not None:
            self.attention.append(attention)

    def trace_back(
        self, time: int, row: int, length: int
    ) -> tuple[list[int], Float[Tensor, "layers heads tgt src"] | None]:
        """Return the input tokens up to `row` at `time`, without BOS, and their attention.

        The attention at step t belongs to the token predicted there, which is the input of step
        t + 1; the last row belongs to EOS. `length` is the source length without padding.
        """
        tokens, rows = [], []
        for t in range(time, -1, -1):
            tokens.append(self.tokens[t][row])
            rows.append(row)
            row = self.parents[t][row]
        attention = None
        if self.attention:
            steps = zip(self.attention, reversed(rows), strict=False)
            attention = torch.stack([a[r, :, :, :length] for a, r in steps], dim=2).cpu()
        return tokens[-2::-1], attention


@dataclass(frozen=True, kw_only=True)
class Search(ABC):
    """Abstract search with limits on the length of translations.

    A translation has at most length_ratio * source length + length_extra tokens, and at most
    max_length, not counting EOS. At the limit EOS is forced, and its log-probability counts.

    The first tokens of a translation can be given (a prefix): the search then continues them. Their
    log-probability under the model counts. The limit is at least the length of the prefix.

    Attributes:
        needs: the class of models that it can decode.
    """

    needs: ClassVar[Any] = Autoregressive  # Any, because mypy allows no abstract class here

    max_length: Annotated[int, Within(1, MAX_PIECES)]
    length_ratio: Annotated[float, Within(0, 1000)]
    length_extra: Annotated[int, Within(0, MAX_PIECES)]

    def __post_init__(self) -> None:
        check_values(self, "search")

    @classmethod
    def check_model(cls, model: type[Seq2Seq]) -> None:
        """Check that the search can decode a class of models.

        Raises:
            UserError: it cannot; the message names the search that can.
        """
        if not issubclass(model, cls.needs):
            name = snake_case(model.__name__)
            raise UserError(
                f"search={snake_case(cls.__name__)} needs {cls.needs.kind}, but model={name} is "
                f"{model.kind}: use search={model.natural_search}"
            )

    def caps(self, mask: Bool[Tensor, "batch src"]) -> Int[Tensor, " batch"]:
        """Return the maximum number of tokens in the translation of each sentence."""
        # In whole numbers: in float32, 0.42 * 150 is below 63, and not all GPUs have float64.
        ratio = Fraction(self.length_ratio).limit_denominator(1_000_000)
        lengths = mask.sum(1) - 1  # without EOS
        most = lengths * ratio.numerator // ratio.denominator + self.length_extra
        return most.clamp(1, self.max_length)

    def caps_with(
        self,
        prefix: Int[Tensor, "batch given"] | None,
        mask: Bool[Tensor, "batch src"],
        special: SpecialIds,
    ) -> Int[Tensor, " batch"]:
        """Return `caps`, at least the length of each prefix."""
        caps = self.caps(mask)
        return caps if prefix is None else caps.maximum((prefix != special.pad).sum(1))

    def greedy(self) -> "Search":
        """Return greedy search with the same length limits."""
        return self.with_beam(1)

    def with_beam(self, beam: int) -> "Search":
        """Return beam search with the same length limits; Beam keeps its length penalty."""
        from seq2seq.search.beam import Beam  # imported here because Beam is a subclass of Search

        return Beam(
            beam=beam,
            length_penalty=1.0,
            max_length=self.max_length,
            length_ratio=self.length_ratio,
            length_extra=self.length_extra,
        )

    def with_rounds(self, rounds: int | None, lengths: int | None) -> "Search":
        """Refuse the numbers of mask-predict; see `MaskPredict.with_rounds`.

        Raises:
            UserError: one of them is given.
        """
        for what, number in (("rounds", rounds), ("lengths", lengths)):
            if number is not None:
                raise UserError(
                    f"a number of {what} ({number}) has no effect on "
                    f"search={snake_case(type(self).__name__)}: it is for search=mask_predict"
                )
        return self

    def for_n_best(self, n_best: int) -> "Search":
        """Return a search that can return n_best hypotheses."""
        return self

    @abstractmethod
    def __call__(
        self,
        model: Any,  # of the class `needs`, which a subclass states
        src: Int[Tensor, "batch src"],
        mask: Bool[Tensor, "batch src"],
        *,
        n_best: int = 1,
        attention: bool = False,
        prefix: Int[Tensor, "batch given"] | None = None,
    ) -> list[list[Hypothesis]]:
        """Return up to n_best hypotheses for each sentence, best first.

        Args:
            model: the model.
            src: the source sentences.
            mask: False at padding.
            n_best: maximum number of hypotheses of each sentence.
            attention: also return attention.
            prefix: the first tokens of each translation, padded; EOS may be the last one.

        Raises:
            UserError: n_best is too large, or the search cannot continue a prefix.
        """


@dataclass(frozen=True)
class End:
    """A finished hypothesis: its scores, and the step and row at which EOS was predicted."""

    log_probability: float
    score: float
    time: int
    row: int


def next_log_p(
    logits: Float[Tensor, "rows vocab"],
    at_limit: Bool[Tensor, " rows"] | None,
    special: SpecialIds,
    given: Int[Tensor, " rows"] | None = None,
) -> Float[Tensor, "rows vocab"]:
    """Return log-probabilities of the next token.

    Padding and BOS are masked out, and every token but EOS in rows where `at_limit` is True. In
    rows where `given` is not padding, every token but this one is masked out.
    """
    log_p = logits.float().log_softmax(-1)
    if at_limit is not None:
        end = log_p[:, special.eos].clone()
        log_p.masked_fill_(at_limit.unsqueeze(1), float("-inf"))
        log_p[:, special.eos] = end
    log_p[:, special.pad] = log_p[:, special.bos] = float("-inf")
    if given is not None:
        token = torch.arange(log_p.size(1), device=log_p.device)
        kept = (token == given.unsqueeze(1)) | (given == special.pad).unsqueeze(1)
        log_p.masked_fill_(~kept, float("-inf"))
    return log_p


def given_at(
    prefix: Int[Tensor, "batch given"] | None, time: int, width: int = 1
) -> Int[Tensor, " rows"] | None:
    """Return the given tokens of a step, for `width` rows of each sentence; None if none is."""
    if prefix is None or time >= prefix.size(1):
        return None
    return prefix[:, time].repeat_interleave(width)
