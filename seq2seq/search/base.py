"""Finding a translation: beam search, of which greedy is the beam of one, and sampling.

Both keep back-pointers and nothing else of the past; tokens and attention are gathered once, at
the end, by walking them back. A sentence that is done leaves the batch. What is found for a
sentence depends on that sentence alone, never on its neighbours.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seq2seq.config import Within, check_values
from seq2seq.limits import LONGEST
from seq2seq.models.base import Autoregressive
from seq2seq.text.batching import BOS, EOS, PAD

FORBIDDEN = [PAD, BOS]  # never part of a translation


@dataclass(frozen=True)
class Hypothesis:
    """One translation.

    tokens leave out the EOS; log_probability is that of tokens and EOS under the model, in nats;
    score is what hypotheses are ranked by; attention has one row a token, the EOS included, or is
    None where it was not asked for or the model has none.
    """

    tokens: list[int]
    log_probability: float
    score: float
    attention: Float[Tensor, "layers heads tgt src"] | None


class BackPointers:
    """The steps of a search: what was fed to each row, whence the row came, where it looked."""

    def __init__(self, attention: bool) -> None:
        self.keep_attention = attention
        self.fed: list[list[int]] = []
        self.parents: list[list[int]] = []
        self.attention: list[Tensor] = []

    def add(self, fed: Tensor, parents: Tensor, attention: Tensor | None) -> None:
        """Record one step; parents are row numbers of the step before."""
        self.fed.append(fed.tolist())
        self.parents.append(parents.tolist())
        if self.keep_attention and attention is not None:
            self.attention.append(attention)

    def walk(
        self, time: int, row: int, length: int
    ) -> tuple[list[int], Float[Tensor, "layers heads tgt src"] | None]:
        """Tokens fed up to `row` at `time` (BOS left off) and the attention that predicted them.

        The attention of step t predicts the token that step t + 1 feeds; the last row is that of
        the EOS. Only the first `length` source positions are real.
        """
        tokens, rows = [], []
        for t in range(time, -1, -1):
            tokens.append(self.fed[t][row])
            rows.append(row)
            row = self.parents[t][row]
        attention = None
        if self.attention:
            steps = zip(self.attention, reversed(rows), strict=False)
            attention = torch.stack([a[r, :, :, :length] for a, r in steps], dim=2).cpu()
        return tokens[-2::-1], attention


@dataclass(frozen=True, kw_only=True)
class Search(ABC):
    """What every search knows: how long a translation may become.

    A translation has at most length_ratio * source + length_extra pieces, and never more than
    max_length; the EOS comes on top. At the cap it is ended by force, and pays for its EOS.
    """

    max_length: Annotated[int, Within(1, LONGEST)]
    length_ratio: Annotated[float, Within(0, 1000)]
    length_extra: Annotated[int, Within(0, LONGEST)]

    def __post_init__(self) -> None:
        check_values(self, "search")

    def caps(self, mask: Bool[Tensor, "batch src"]) -> Int[Tensor, " batch"]:
        """The longest translation of each sentence in pieces, by its own length alone."""
        words = mask.sum(1) - 1  # without EOS
        return (words * self.length_ratio + self.length_extra).clamp(1, self.max_length).long()

    def greedy(self) -> "Search":
        """Greedy search within the same length limits."""
        return self.with_beam(1)

    def with_beam(self, beam: int) -> "Search":
        """Beam search within the same length limits; a beam search keeps its length penalty."""
        from seq2seq.search.beam import Beam  # which is a Search itself

        return Beam(
            beam=beam,
            length_penalty=1.0,
            max_length=self.max_length,
            length_ratio=self.length_ratio,
            length_extra=self.length_extra,
        )

    def for_n_best(self, n_best: int) -> "Search":
        """The same search, able to return so many hypotheses."""
        return self

    @abstractmethod
    def __call__(
        self,
        model: Autoregressive,
        src: Int[Tensor, "batch src"],
        mask: Bool[Tensor, "batch src"],
        *,
        n_best: int = 1,
        attention: bool = False,
    ) -> list[list[Hypothesis]]:
        """For each sentence up to n_best hypotheses, best first."""


@dataclass(frozen=True)
class End:
    """A finished hypothesis: its worth, and the row that predicted its EOS."""

    log_probability: float
    score: float
    time: int
    row: int


def next_log_p(
    logits: Float[Tensor, "rows vocab"], full: Bool[Tensor, " rows"] | None
) -> Float[Tensor, "rows vocab"]:
    """Log-probabilities of what may come next: no PAD or BOS, and nothing but EOS where full."""
    log_p = logits.float().log_softmax(-1)
    if full is not None:
        end = log_p[:, EOS].clone()
        log_p.masked_fill_(full.unsqueeze(1), float("-inf"))
        log_p[:, EOS] = end
    log_p[:, FORBIDDEN] = float("-inf")
    return log_p
