"""Mask-predict (Ghazvininejad et al. 2019): decoding of masked language models."""

from dataclasses import dataclass, replace
from typing import Annotated, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seq2seq.errors import UserError
from seq2seq.limits import MAX_BEAM
from seq2seq.models.base import MaskedLM, select
from seq2seq.models.results import Memory
from seq2seq.search.base import Hypothesis, Search
from seq2seq.settings.ranges import Within


class Filled(NamedTuple):
    """Targets without masks, the log-probability of each token, and the attention."""

    tokens: Int[Tensor, "rows tgt"]
    log_p: Float[Tensor, "rows tgt"]  # when the token was last predicted; 0 at EOS and padding
    attention: Float[Tensor, "rows layers heads tgt src"] | None


@dataclass(frozen=True, kw_only=True)
class MaskPredict(Search):
    """Mask-predict: predict all tokens at once, then mask and predict the least certain ones again.

    The most probable lengths of the translation are tried side by side. In the first of T rounds
    all N tokens of a length are masked. In round t = 1, ..., T - 1, the N * (T - t) / T tokens
    (rounded down) with the lowest log-probability are masked and predicted again; the others keep
    their log-probability (section 3). The best translation of a sentence is the one with the
    highest mean log-probability of its tokens. The n-best translations differ in their length.

    The log-probability of a hypothesis is the sum of those of its tokens, each from the round in
    which it was last predicted, plus that of its length.

    Args:
        rounds: number of rounds in which tokens are predicted
        lengths: number of lengths of the translation that are tried side by side
        max_length: maximum number of tokens of a translation
        length_ratio: maximum number of tokens of a translation for each token of its source
        length_extra: number of tokens allowed beyond that ratio
    """

    needs = MaskedLM

    rounds: Annotated[int, Within(1, MAX_BEAM)]
    lengths: Annotated[int, Within(1, MAX_BEAM)]

    def greedy(self) -> "MaskPredict":
        """Return the same search with the most probable length alone."""
        return replace(self, lengths=1)

    def with_beam(self, beam: int) -> Search:
        """Refuse a beam size.

        Raises:
            UserError: always.
        """
        raise UserError(
            f"a beam size ({beam}) has no effect on search=mask_predict, whose keys are "
            "search.rounds and search.lengths"
        )

    def with_rounds(self, rounds: int | None, lengths: int | None) -> "MaskPredict":
        """Return the same search with other numbers of rounds and lengths; None keeps them.

        Raises:
            UserError: a number is out of range.
        """
        given = {"rounds": rounds, "lengths": lengths}
        return replace(self, **{key: one for key, one in given.items() if one is not None})

    def for_n_best(self, n_best: int) -> "MaskPredict":
        """Return the same search with at least n_best lengths."""
        return self if n_best <= self.lengths else replace(self, lengths=n_best)

    @torch.inference_mode()
    def __call__(
        self,
        model: MaskedLM,
        src: Int[Tensor, "batch src"],
        mask: Bool[Tensor, "batch src"],
        *,
        n_best: int = 1,
        attention: bool = False,
        prefix: Int[Tensor, "batch given"] | None = None,
    ) -> list[list[Hypothesis]]:
        """Return up to n_best hypotheses of different lengths for each sentence, best first."""
        if prefix is not None:
            raise UserError(
                "search=mask_predict predicts all tokens of a translation at once, so it cannot "
                "continue given tokens"
            )
        if n_best > self.lengths:
            raise UserError(
                f"n-best {n_best} needs at least {n_best} lengths side by side, but search.lengths "
                f"is {self.lengths}"
            )
        memory = model.encode(src, mask)
        log_p = model.length_log_p(memory, self.caps(mask))
        log_p, lengths = log_p.topk(min(self.lengths, log_p.size(1)))
        found: list[list[Hypothesis]] = [[] for _ in src]
        sentence, rank = log_p.isfinite().nonzero().unbind(1)  # rows: the possible lengths of each
        if not len(sentence):
            return found
        length = lengths[sentence, rank]
        filled = self.fill(model, select(memory, sentence), length, attention)
        totals = filled.log_p.sum(1)
        columns = (length, totals, totals / length, log_p[sentence, rank])
        words, reals = filled.tokens.tolist(), mask.sum(1).tolist()
        for row, (i, size, total, score, of_length) in enumerate(
            zip(sentence.tolist(), *(column.tolist() for column in columns), strict=True)
        ):
            maps = filled.attention
            if maps is not None:
                maps = maps[row, :, :, : size + 1, : reals[i]].cpu()
            if abs(score) < float("inf"):  # False for NaN
                found[i].append(Hypothesis(words[row][:size], total + of_length, score, maps))
        return [sorted(group, key=lambda one: -one.score)[:n_best] for group in found]

    def fill(
        self, model: MaskedLM, memory: Memory, length: Int[Tensor, " rows"], attention: bool
    ) -> Filled:
        """Predict targets of given lengths in all rounds.

        Args:
            model: the model.
            memory: the encoded source of each row.
            length: the number of tokens of each row, without EOS.
            attention: also return the attention; a token has that of its last prediction.
        """
        place = torch.arange(int(length.max()) + 1, device=length.device)
        real, end = place < length.unsqueeze(1), place == length.unsqueeze(1)
        pad, eos, mask = model.special.pad, model.special.eos, model.special.mask
        tokens = torch.full(real.shape, pad, device=length.device).masked_fill(end, eos)
        log_p, maps = torch.zeros(real.shape, device=length.device), None
        for number in range(self.rounds):
            masked = lowest(log_p, real, length * (self.rounds - number) // self.rounds)
            rows = masked.any(1).nonzero().flatten()
            if not len(rows):
                break  # in the remaining rounds as well
            hidden = model.fill(
                tokens.masked_fill(masked, mask)[rows],
                select(memory, rows),
                weights=attention,
            )
            tokens[masked], log_p[masked] = predict(model, hidden.states[masked[rows]])
            if hidden.attention is not None:
                if maps is None:  # the first round has all rows
                    maps = hidden.attention
                else:
                    new = (masked | end)[rows][:, None, None, :, None]
                    maps[rows] = torch.where(new, hidden.attention, maps[rows])
        return Filled(tokens, log_p, maps)


def lowest(
    log_p: Float[Tensor, "rows tgt"], real: Bool[Tensor, "rows tgt"], count: Int[Tensor, " rows"]
) -> Bool[Tensor, "rows tgt"]:
    """Return where the `count` lowest values of each row are; the first of equal ones."""
    order = log_p.masked_fill(~real, float("inf")).argsort(dim=1, stable=True)
    return order.argsort(1) < count.unsqueeze(1)


def predict(
    model: MaskedLM, states: Float[Tensor, "masked width"]
) -> tuple[Int[Tensor, " masked"], Float[Tensor, " masked"]]:
    """Return the most probable token at each masked position, and its log-probability."""
    log_p = model.project(states).float().log_softmax(-1)
    for never in (model.special.pad, model.special.bos, model.special.eos):
        log_p[:, never] = float("-inf")
    best, words = log_p.max(-1)
    return words, best
