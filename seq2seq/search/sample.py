"""Sampling of translations from the model distribution."""

import math
import zlib
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seq2seq.limits import MAX_TEMPERATURE, MIN_TEMPERATURE
from seq2seq.models.base import Autoregressive, select
from seq2seq.search.base import BackPointers, End, Hypothesis, Search, given_at, next_log_p
from seq2seq.settings.ranges import Natural, Within


@dataclass(frozen=True, kw_only=True)
class Sample(Search):
    """Sampling from the model distribution, optionally restricted to probable tokens.

    The random numbers of a sentence are seeded with `seed` and the token ids of the sentence, so
    that its samples do not depend on the other sentences of the batch. The n-best hypotheses are
    independent samples.

    Args:
        temperature: divides the logits; values below 1 favor probable tokens
        top_k: sample from the k most probable tokens; 0 means no limit
        top_p: sample from the most probable tokens up to this total mass (Holtzman et al. 2020)
        seed: random seed
        max_length: maximum number of tokens of a translation
        length_ratio: maximum number of tokens of a translation for each token of its source
        length_extra: number of tokens allowed beyond that ratio
    """

    temperature: Annotated[float, Within(MIN_TEMPERATURE, MAX_TEMPERATURE)]
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
        prefix: Int[Tensor, "batch given"] | None = None,
    ) -> list[list[Hypothesis]]:
        """Return n_best independent samples for each sentence, most probable first.

        A sample whose scores are NaN or infinite is left out.
        """
        batch, device, special = src.size(0), src.device, model.special
        lengths = mask.sum(1).tolist()
        caps = self.caps_with(prefix, mask, special).repeat_interleave(n_best)
        uniform = self.uniform(src, mask, n_best, int(caps.max()) + 1).to(device)
        back_pointers = BackPointers(attention)
        ends: list[End | None] = [None] * (batch * n_best)
        rows = torch.arange(batch, device=device).repeat_interleave(n_best)
        memory = model.encode(src, mask)
        prefix = select(prefix, rows)
        memory, state = select(memory, rows), select(model.start(memory), rows)
        parents, token = rows, torch.full_like(rows, special.bos)
        samples = list(range(batch * n_best))  # index of the sample in each row
        total = torch.zeros(batch * n_best, device=device)

        first_cap, last_cap = int(caps.min()), int(caps.max())
        for time in range(last_cap + 1):
            logits, weights, state = model.step(token, memory, state, weights=attention)
            back_pointers.add(token, parents, weights)
            at_limit = caps <= time if time >= first_cap else None
            log_p = next_log_p(logits, at_limit, special, given_at(prefix, time))
            token = self.draw(log_p, uniform[:, time])
            total = total + log_p.gather(1, token.unsqueeze(1)).squeeze(1)
            ended = (token == special.eos).nonzero().flatten()
            for row, value in zip(ended.tolist(), total[ended].tolist(), strict=True):
                if math.isfinite(value):
                    ends[samples[row]] = End(value, value, time, row)
            parents = (token != special.eos).nonzero().flatten()
            if len(parents) == 0:
                break
            samples = [samples[row] for row in parents.tolist()]
            if len(parents) < len(token):
                memory, state = select(memory, parents), select(state, parents)
                prefix = select(prefix, parents)
            token, total, caps, uniform = (
                token[parents],
                total[parents],
                caps[parents],
                uniform[parents],
            )

        hypotheses = []
        for i, length in enumerate(lengths):
            finite = [end for end in ends[i * n_best : (i + 1) * n_best] if end is not None]
            ranked = sorted(finite, key=lambda end: -end.score)
            traced = [(end, *back_pointers.trace_back(end.time, end.row, length)) for end in ranked]
            hypotheses.append(
                [Hypothesis(t, end.log_probability, end.score, a) for end, t, a in traced]
            )
        return hypotheses

    def uniform(
        self,
        src: Int[Tensor, "batch src"],
        mask: Bool[Tensor, "batch src"],
        n_best: int,
        steps: int,
    ) -> Float[Tensor, "rows steps"]:
        """Return uniform random numbers in [0, 1) for every sample and step."""
        numbers = []
        for row, length in zip(src.cpu().numpy(), mask.sum(1).tolist(), strict=True):
            checksum = zlib.crc32(row[:length].tobytes())
            for sample in range(n_best):
                generator = np.random.default_rng([self.seed, checksum, sample])
                numbers.append(generator.random(steps, dtype=np.float32))
        return torch.from_numpy(np.stack(numbers))

    def draw(
        self, log_p: Float[Tensor, "rows vocab"], uniform: Float[Tensor, " rows"]
    ) -> Int[Tensor, " rows"]:
        """Sample a token in each row by inverting the cumulative distribution at `uniform`."""
        p, token = (log_p / self.temperature).softmax(-1).sort(dim=-1, descending=True, stable=True)
        before = p.cumsum(-1) - p  # mass of more probable tokens; the first token is always kept
        p = p.masked_fill(before >= self.top_p, 0.0)
        if self.top_k:
            p[:, self.top_k :] = 0.0
        mass = p.cumsum(-1)
        reached = mass > uniform.unsqueeze(1) * mass[:, -1:]
        return token.gather(1, reached.long().argmax(-1, keepdim=True)).squeeze(1)
