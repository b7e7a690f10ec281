"""Drawing translations from the model's distribution."""

import zlib
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seq2seq.config import Natural, Within
from seq2seq.limits import COLDEST, HOTTEST
from seq2seq.models.base import Autoregressive, select
from seq2seq.search.base import BackPointers, End, Hypothesis, Search, next_log_p
from seq2seq.text.batching import BOS, EOS


@dataclass(frozen=True, kw_only=True)
class Sample(Search):
    """Draw translations from the model instead of looking for the likeliest.

    Every sentence has its own stream of chance, made of the seed and its own pieces, so that the
    same sentence gives the same draws in any company. n-best are independent draws.

    Args:
        temperature: divides the logits; below 1 draws come closer to the likeliest word
        top_k: only this many likeliest words can be drawn; 0 is no limit
        top_p: only the likeliest words that make up this much probability (Holtzman et al. 2020)
        seed: decides all draws
        max_length: most pieces of any translation
        length_ratio: most pieces of a translation for each piece of its source
        length_extra: pieces allowed beyond that ratio
    """

    temperature: Annotated[float, Within(COLDEST, HOTTEST)]
    top_k: Natural
    top_p: Annotated[float, Within(above=0, high=1)]
    seed: Natural

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
        """n_best independent draws for each sentence, likeliest first."""
        batch, device = src.size(0), src.device
        lengths, caps = mask.sum(1).tolist(), self.caps(mask).repeat_interleave(n_best)
        chance = self.chance(src, mask, n_best, int(caps.max()) + 1).to(device)
        back_pointers, ends = BackPointers(attention), [End(0.0, 0.0, 0, 0)] * (batch * n_best)
        rows = torch.arange(batch, device=device).repeat_interleave(n_best)
        memory = model.encode(src, mask)
        memory, state = select(memory, rows), select(model.start(memory), rows)
        parents, token = rows, torch.full_like(rows, BOS)
        draws = list(range(batch * n_best))
        total = torch.zeros(batch * n_best, device=device)

        first_cap, last_cap = int(caps.min()), int(caps.max())
        for time in range(last_cap + 1):
            logits, weights, state = model.step(token, memory, state, weights=attention)
            back_pointers.add(token, parents, weights)
            log_p = next_log_p(logits, caps <= time if time >= first_cap else None)
            token = self.draw(log_p, chance[:, time])
            total = total + log_p.gather(1, token.unsqueeze(1)).squeeze(1)
            for row in (token == EOS).nonzero().flatten().tolist():
                value = float(total[row])
                ends[draws[row]] = End(value, value, time, row)
            parents = (token != EOS).nonzero().flatten()
            if len(parents) == 0:
                break
            draws = [draws[row] for row in parents.tolist()]
            if len(parents) < len(token):
                memory, state = select(memory, parents), select(state, parents)
            token, total, caps, chance = (
                token[parents],
                total[parents],
                caps[parents],
                chance[parents],
            )

        found = []
        for i, length in enumerate(lengths):
            own = sorted(ends[i * n_best : (i + 1) * n_best], key=lambda end: -end.score)
            walked = [(end, *back_pointers.walk(end.time, end.row, length)) for end in own]
            found.append([Hypothesis(t, end.log_probability, end.score, a) for end, t, a in walked])
        return found

    def chance(
        self,
        src: Int[Tensor, "batch src"],
        mask: Bool[Tensor, "batch src"],
        n_best: int,
        steps: int,
    ) -> Float[Tensor, "rows steps"]:
        """Uniform numbers below 1 for every draw of every sentence."""
        streams = []
        for row, length in zip(src.cpu().numpy(), mask.sum(1).tolist(), strict=True):
            own = zlib.crc32(row[:length].tobytes())
            for draw in range(n_best):
                stream = np.random.default_rng([self.seed, own, draw])
                streams.append(stream.random(steps, dtype=np.float32))
        return torch.from_numpy(np.stack(streams))

    def draw(
        self, log_p: Float[Tensor, "rows vocab"], chance: Float[Tensor, " rows"]
    ) -> Int[Tensor, " rows"]:
        """The word at which the cumulated probability passes the chance number."""
        p, word = (log_p / self.temperature).softmax(-1).sort(dim=-1, descending=True, stable=True)
        before = p.cumsum(-1) - p  # the mass of likelier words: the first word always stays
        p = p.masked_fill(before >= self.top_p, 0.0)
        if self.top_k:
            p[:, self.top_k :] = 0.0
        mass = p.cumsum(-1)
        passed = mass > chance.unsqueeze(1) * mass[:, -1:]
        return word.gather(1, passed.long().argmax(-1, keepdim=True)).squeeze(1)
