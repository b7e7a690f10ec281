"""Beam search; greedy search is beam search with a beam of size one."""

from dataclasses import dataclass, replace
from typing import Annotated

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from seq2seq.errors import UserError
from seq2seq.limits import MAX_BEAM
from seq2seq.models.base import Autoregressive, select
from seq2seq.search.base import BackPointers, End, Hypothesis, Search, given_at, next_log_p
from seq2seq.search.best_paths import best_paths
from seq2seq.settings.ranges import Within


@dataclass(frozen=True, kw_only=True)
class Beam(Search):
    """Beam search; a beam of size one is greedy search.

    Each step keeps the `beam` best unfinished hypotheses of a sentence. A hypothesis that ends with
    EOS and is among the best `beam` candidates is added to the finished hypotheses of the sentence.
    A sentence is done when it has `beam` finished hypotheses and no unfinished hypothesis, scored
    at its current length, is better than the worst of them.

    Args:
        beam: number of hypotheses kept for each sentence
        length_penalty: scores are log-probability / length ** penalty; 0 favors short translations
        max_length: maximum number of tokens of a translation
        length_ratio: maximum number of tokens of a translation for each token of its source
        length_extra: number of tokens allowed beyond that ratio
    """

    beam: Annotated[int, Within(1, MAX_BEAM)]
    length_penalty: Annotated[float, Within(-10, 10)]

    def with_beam(self, beam: int) -> "Beam":
        """Return the same search with another beam size."""
        return replace(self, beam=beam)

    def for_n_best(self, n_best: int) -> "Beam":
        """Return the same search with a beam size of at least n_best."""
        return self if n_best <= self.beam else replace(self, beam=n_best)

    @torch.inference_mode()
    def __call__(
        self,
        model: Autoregressive,
        src: Int[Tensor, "batch src"],
        mask: Bool[Tensor, "batch src"],
        *,
        n_best: int = 1,
        attention: bool = False,
        prefix: Int[Tensor, "batch given"] | None = None,
    ) -> list[list[Hypothesis]]:
        """Return up to n_best hypotheses for each sentence, best first."""
        if n_best > self.beam:
            raise UserError(
                f"n-best {n_best} needs a beam size of at least {n_best}, but it is {self.beam}"
            )
        batch, beam, device, special = src.size(0), self.beam, src.device, model.special
        lengths, caps = mask.sum(1).tolist(), self.caps_with(prefix, mask, special)
        back_pointers, pools = BackPointers(attention), [Pool(beam) for _ in range(batch)]
        sentences = list(range(batch))  # which sentence each group of rows belongs to
        memory = model.encode(src, mask)  # one row for each sentence
        memory = model.share(memory) if beam > 1 else memory
        state, parents = model.start(memory), torch.arange(batch, device=device)
        token, total = torch.full_like(parents, special.bos), torch.zeros(batch, 1, device=device)

        first_cap, last_cap = int(caps.min()), int(caps.max())
        for time in range(last_cap + 1):
            logits, weights, state = model.step(token, memory, state, weights=attention)
            back_pointers.add(token, parents, weights)
            width = total.size(1)  # rows of each sentence: 1 at the first step, then `beam`
            at_limit = (caps <= time).repeat_interleave(width) if time >= first_cap else None
            log_p = next_log_p(logits, at_limit, special, given_at(prefix, time, width))
            # At most one candidate of each row ends with EOS, so that at least `beam` of the best
            # 2 * beam candidates are unfinished.
            score, parent, word = best_paths(total, log_p, 2 * beam)
            ends = word == special.eos
            i, rank = (ends[:, :beam] & score[:, :beam].isfinite()).nonzero().unbind(1)
            found = (i, score[i, rank], i * width + parent[i, rank])
            for i, value, row in zip(*(part.tolist() for part in found), strict=True):
                pools[sentences[i]].add(value, value / (time + 1) ** self.length_penalty, time, row)
            # A stable sort moves finished candidates to the end and keeps the order otherwise.
            kept = ends.long().sort(dim=1, stable=True).indices[:, :beam]
            total = score.gather(1, kept).masked_fill(ends.gather(1, kept), float("-inf"))
            best = (total[:, 0] / (time + 1) ** self.length_penalty).tolist()
            alive = [
                i
                for i, sentence in enumerate(sentences)
                if best[i] > pools[sentence].threshold  # False if all hypotheses are -inf
            ]
            if not alive:
                break
            sentences = [sentences[i] for i in alive]
            keep = torch.tensor(alive, device=device)
            first = (keep * width).unsqueeze(1)
            parents = (first + parent.gather(1, kept)[keep]).flatten()
            token, total, caps = word.gather(1, kept)[keep].flatten(), total[keep], caps[keep]
            state = select(state, parents)
            if len(alive) < len(best):
                memory, prefix = select(memory, keep), select(prefix, keep)

        return [
            [
                Hypothesis(tokens, end.log_probability, end.score, weights)
                for end in pool.ends[:n_best]
                for tokens, weights in [back_pointers.trace_back(end.time, end.row, length)]
            ]
            for pool, length in zip(pools, lengths, strict=True)
        ]


class Pool:
    """The best finished hypotheses of one sentence, best first."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.ends: list[End] = []

    def add(self, log_probability: float, score: float, time: int, row: int) -> None:
        """Add a hypothesis; a full pool drops its worst one."""
        self.ends.append(End(log_probability, score, time, row))
        self.ends.sort(key=lambda end: -end.score)
        del self.ends[self.size :]

    @property
    def threshold(self) -> float:
        """Score that an unfinished hypothesis must exceed for the search to continue."""
        return self.ends[-1].score if len(self.ends) == self.size else float("-inf")
