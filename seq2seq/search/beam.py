"""Beam search; greedy search is a beam of one."""

from dataclasses import dataclass, replace
from typing import Annotated

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from seq2seq.config import Within
from seq2seq.errors import UserError
from seq2seq.limits import WIDEST
from seq2seq.models.base import Autoregressive, select
from seq2seq.search.base import BackPointers, End, Hypothesis, Search, next_log_p
from seq2seq.text.batching import BOS, EOS


@dataclass(frozen=True, kw_only=True)
class Beam(Search):
    """Beam search; a beam of one is greedy.

    At each step the best `beam` unfinished hypotheses of a sentence go on; one that meets EOS among
    the best `beam` goes into the sentence's pool. A sentence is done when its pool holds `beam` and
    no unfinished hypothesis, divided by its present length, beats the worst in it.

    Args:
        beam: hypotheses kept a sentence
        length_penalty: scores are log-probability / length ** penalty; 0 favours short ones
        max_length: most pieces of any translation
        length_ratio: most pieces of a translation for each piece of its source
        length_extra: pieces allowed beyond that ratio
    """

    beam: Annotated[int, Within(1, WIDEST)]
    length_penalty: Annotated[float, Within(-10, 10)]

    def with_beam(self, beam: int) -> "Beam":
        """The same search with another beam."""
        return replace(self, beam=beam)

    def for_n_best(self, n_best: int) -> "Beam":
        """The same search; its beam is widened where it is smaller than n_best."""
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
    ) -> list[list[Hypothesis]]:
        """For each sentence up to n_best hypotheses, best first."""
        if n_best > self.beam:
            raise UserError(f"n-best {n_best} needs a beam of at least {n_best}, not {self.beam}")
        batch, beam, device = src.size(0), self.beam, src.device
        lengths, caps = mask.sum(1).tolist(), self.caps(mask)
        back_pointers, pools = BackPointers(attention), [Pool(beam) for _ in range(batch)]
        sentences = list(range(batch))  # which sentence each group of rows belongs to
        memory = model.encode(src, mask)  # stays one row a sentence
        state, parents = model.start(memory), torch.arange(batch, device=device)
        token, total = torch.full_like(parents, BOS), torch.zeros(batch, 1, device=device)

        first_cap, last_cap = int(caps.min()), int(caps.max())
        for time in range(last_cap + 1):
            logits, weights, state = model.step(token, memory, state, weights=attention)
            back_pointers.add(token, parents, weights)
            width = total.size(1)  # rows a sentence: one at the first step, then the beam
            full = (caps <= time).repeat_interleave(width) if time >= first_cap else None
            log_p = next_log_p(logits, full)
            # Half of twice as many cannot be ends, as each row has one: `beam` always go on.
            found, words = log_p.topk(min(2 * beam, log_p.size(1)))  # no more of one row matter
            paths = (total.unsqueeze(-1) + found.unflatten(0, (-1, width))).flatten(1)
            score, path = paths.topk(min(2 * beam, paths.size(1)))
            parent, word = path // found.size(1), words.view_as(paths).gather(1, path)
            ends = word == EOS
            for i, rank in (ends[:, :beam] & score[:, :beam].isfinite()).nonzero().tolist():
                value = float(score[i, rank])
                row = i * width + int(parent[i, rank])
                pools[sentences[i]].add(value, value / (time + 1) ** self.length_penalty, time, row)
            # A stable sort moves the ends behind the rest and keeps the order of both.
            going = ends.long().sort(dim=1, stable=True).indices[:, :beam]
            total = score.gather(1, going).masked_fill(ends.gather(1, going), float("-inf"))
            best = (total[:, 0] / (time + 1) ** self.length_penalty).tolist()
            alive = [
                i
                for i, sentence in enumerate(sentences)
                if best[i] > pools[sentence].bar  # false once all that is left is -inf
            ]
            if not alive:
                break
            sentences = [sentences[i] for i in alive]
            keep = torch.tensor(alive, device=device)
            first = (keep * width).unsqueeze(1)
            parents = (first + parent.gather(1, going)[keep]).flatten()
            token, total, caps = word.gather(1, going)[keep].flatten(), total[keep], caps[keep]
            state = select(state, parents)
            if len(alive) < len(best):
                memory = select(memory, keep)

        return [
            [
                Hypothesis(tokens, end.log_probability, end.score, seen)
                for end in pool.ends[:n_best]
                for tokens, seen in [back_pointers.walk(end.time, end.row, length)]
            ]
            for pool, length in zip(pools, lengths, strict=True)
        ]


class Pool:
    """The best finished hypotheses of one sentence, best first."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.ends: list[End] = []

    def add(self, log_probability: float, score: float, time: int, row: int) -> None:
        """Take one in; the worst falls out of a full pool."""
        self.ends.append(End(log_probability, score, time, row))
        self.ends.sort(key=lambda end: -end.score)
        del self.ends[self.size :]

    @property
    def bar(self) -> float:
        """The score that an unfinished hypothesis must beat to be worth going on."""
        return self.ends[-1].score if len(self.ends) == self.size else float("-inf")
