"""Finding a translation: beam search, of which greedy is the beam of one, and sampling.

Both keep back-pointers and nothing else of the past; tokens and attention are gathered once, at
the end, by walking them back. A sentence that is done leaves the batch. What is found for a
sentence depends on that sentence alone, never on its neighbours.
"""

import zlib
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seq2seq.batching import BOS, EOS, PAD
from seq2seq.errors import UserError
from seq2seq.models.base import Autoregressive, select

LONGEST = 100_000  # pieces of a translation, and
WIDEST = 1_000  # hypotheses of a beam: a stored configuration must not ask for all memory
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


class Trail:
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

    max_length: int
    length_ratio: float
    length_extra: int

    def __post_init__(self) -> None:
        for name in ("max_length", "length_ratio", "length_extra"):
            if getattr(self, name) < (1 if name == "max_length" else 0):
                raise UserError(f"search.{name} is {getattr(self, name)}, too small")
        if self.max_length > LONGEST:
            raise UserError(f"search.max_length is {self.max_length}; it is at most {LONGEST}")

    def caps(self, mask: Bool[Tensor, "batch src"]) -> Int[Tensor, " batch"]:
        """The longest translation of each sentence in pieces, by its own length alone."""
        words = mask.sum(1) - 1  # without EOS
        return (words * self.length_ratio + self.length_extra).clamp(1, self.max_length).long()

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

    beam: int
    length_penalty: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.beam < 1:
            raise UserError(f"search.beam is {self.beam}; it must be at least 1")
        if self.beam > WIDEST:
            raise UserError(f"search.beam is {self.beam}; it is at most {WIDEST}")

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
        trail, pools = Trail(attention), [Pool(beam) for _ in range(batch)]
        sentences = list(range(batch))  # which sentence each group of rows belongs to
        memory = model.encode(src, mask)  # stays one row a sentence
        state, parents = model.start(memory), torch.arange(batch, device=device)
        token, total = torch.full_like(parents, BOS), torch.zeros(batch, 1, device=device)

        first_cap, last_cap = int(caps.min()), int(caps.max())
        for time in range(last_cap + 1):
            logits, weights, state = model.step(token, memory, state, weights=attention)
            trail.add(token, parents, weights)
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
                for tokens, seen in [trail.walk(end.time, end.row, length)]
            ]
            for pool, length in zip(pools, lengths, strict=True)
        ]


@dataclass(frozen=True)
class End:
    """A finished hypothesis: its worth, and the row that predicted its EOS."""

    log_probability: float
    score: float
    time: int
    row: int


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

    temperature: float
    top_k: int
    top_p: float
    seed: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.temperature <= 0:
            raise UserError(f"search.temperature is {self.temperature}; it must be above 0")
        if self.top_k < 0:
            raise UserError(f"search.top_k is {self.top_k}; it must be 0 (no limit) or more")
        if not 0 < self.top_p <= 1:
            raise UserError(f"search.top_p is {self.top_p}; it must be above 0 and at most 1")

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
        trail, ends = Trail(attention), [End(0.0, 0.0, 0, 0)] * (batch * n_best)
        rows = torch.arange(batch, device=device).repeat_interleave(n_best)
        memory = model.encode(src, mask)
        memory, state = select(memory, rows), select(model.start(memory), rows)
        parents, token = rows, torch.full_like(rows, BOS)
        draws = list(range(batch * n_best))
        total = torch.zeros(batch * n_best, device=device)

        first_cap, last_cap = int(caps.min()), int(caps.max())
        for time in range(last_cap + 1):
            logits, weights, state = model.step(token, memory, state, weights=attention)
            trail.add(token, parents, weights)
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
            walked = [(end, *trail.walk(end.time, end.row, length)) for end in own]
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
