"""What a signed method explains: one number for each target token, differentiable.

By default this is the log-probability of the token. It may also compare words: with P(F) the
probability that the target continues with one of the words F,

    the lexeme      log P(all forms of the word)
    the form        log P(the word) - log P(all forms of the word)
    a contrast      log P(the word) - log P(other words)

The probability of a word is that of its pieces, each given the true target before the word and the
pieces before it. If the pieces of one word begin with those of another (*mort*, *mort s*), the
target continues with the longer word where it does; P of the shorter one is the rest. So words
exclude each other, and none is counted twice. (A continuation to a word that is not compared is not
taken off.)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor

from seq2seq.interpret.methods.base import UnsupportedModelError
from seq2seq.interpret.methods.sites import Plan, Site, joined, plan_of
from seq2seq.models.base import Seq2Seq, select
from seq2seq.models.results import Memory
from seq2seq.text.batching import Batch, pack
from seq2seq.translation.translation import BATCH_TOKENS

NEGLIGIBLE = 18.0  # words less probable than another one by a factor of exp(18) are left out
SMALLEST = 1e-6  # of the probability of a word, the share left by the words that it begins


@dataclass(frozen=True)
class Quantity:
    """A number for each target token of several pairs.

    Args:
        plans: the sites of each target; None for the log-probability of each token.
        elsewhere: whether tokens outside the sites have their log-probability, not zero.
    """

    plans: Sequence[Plan] | None = None
    elsewhere: bool = True

    @classmethod
    def of_sites(
        cls,
        targets: Sequence[Sequence[int]],
        sites: Sequence[Sequence[Site]],
        eos: int,
        *,
        elsewhere: bool,
    ) -> "Quantity":
        """Compare words at the sites of each target, whose ids are without BOS and EOS."""
        plans = [plan_of(*pair, eos) for pair in zip(targets, sites, strict=True)]
        return cls(plans, elsewhere)

    def values(
        self,
        model: Seq2Seq,
        states: Float[Tensor, "batch tgt width"],
        batch: Batch,
        memory: Memory,
        rows: Sequence[int],
    ) -> Float[Tensor, "batch tgt"]:
        """Return the values in nats; 0 at padding.

        Args:
            model: the model.
            states: the result of `hidden` for the batch.
            batch: the batch.
            memory: the encoded source.
            rows: the number of the pair that each row of the batch is of.

        Raises:
            UnsupportedModelError: the model has no probability of a word given those before it.
        """
        if self.plans is None:
            return model.token_log_probability(states, batch, memory)
        if model.pseudo_likelihood:
            raise UnsupportedModelError(
                f"{type(model).__name__} predicts each piece from the pieces on both sides, so it "
                "has no probability of another word in the same place"
            )
        return compared(
            model, states, batch, memory, [self.plans[row] for row in rows], self.elsewhere
        )


LOG_PROBABILITY = Quantity()


def compared(
    model: Seq2Seq,
    states: Float[Tensor, "batch tgt width"],
    batch: Batch,
    memory: Memory,
    plans: Sequence[Plan],
    elsewhere: bool,
) -> Float[Tensor, "batch tgt"]:
    """Return the values of a batch whose rows have the given plans."""
    plan, (spread_row, lookup_row, branch_row) = joined(plans)
    device, logits = states.device, model.project(states)
    total = logits.logsumexp(-1)

    def tensor(values: ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(device)

    result = torch.zeros_like(total)
    if elsewhere:
        tokens = logits.gather(2, batch.tgt_out.unsqueeze(2)).squeeze(2) - total
        result = tokens.masked_fill(batch.tgt_out == batch.pad, 0.0)
    if not len(plan.scale):
        return result
    word, place, piece = map(tensor, plan.lookups.T)
    row = tensor(lookup_row)
    log_p = total.new_zeros(len(plan.site)).index_add(
        0, word, logits[row, place, piece] - total[row, place]
    )
    if plan.branches:
        log_p = with_branches(model, log_p, batch, memory, plan, branch_row)
    value = value_of(log_p, plan)
    site, place = map(tensor, plan.spread.T)
    return result.index_put((tensor(spread_row), place), value[site])


def with_branches(
    model: Seq2Seq,
    log_p: Float[Tensor, " words"],
    batch: Batch,
    memory: Memory,
    plan: Plan,
    branch_row: Int[ndarray, " branches"],
) -> Float[Tensor, " words"]:
    """Add the log-probabilities in branches; words that are negligible are minus infinity.

    Args:
        model: the model.
        log_p: the log-probability of the beginning of each word that is in the true target.
        batch: the batch.
        memory: the encoded source.
        plan: the joined plan.
        branch_row: the row of each branch in the batch.
    """
    device = log_p.device
    needed = needed_words(log_p.detach().cpu().numpy(), plan)
    branched = plan.branched[needed[plan.branched[:, 0]]]
    log_p = log_p.masked_fill(~torch.from_numpy(needed).to(device), -torch.inf)
    lengths = np.array([len(branch) + 1 for branch in plan.branches])
    used = np.unique(branched[:, 1])
    order = used[np.argsort(lengths[used], kind="stable")]
    special = model.special
    for chunk in pack(order, lengths, 4 * BATCH_TOKENS):
        length = int(lengths[chunk[-1]])
        target = np.full((len(chunk), length), special.pad, dtype=np.int64)
        for read, n in zip(target, chunk, strict=True):
            read[: len(plan.branches[n]) + 1] = [special.bos, *plan.branches[n]]
        rows = torch.from_numpy(branch_row[chunk]).to(device)
        tgt = torch.from_numpy(target).to(device)
        states = model.hidden(tgt, select(memory, rows), weights=False).states
        own = branched[np.isin(branched[:, 1], chunk)]
        lines = np.zeros(len(plan.branches), dtype=np.int64)
        lines[chunk] = np.arange(len(chunk))
        # Words with the same beginning are predicted by the same state, which is projected once.
        places = np.stack([lines[own[:, 1]], own[:, 2]], axis=1)
        where, which = np.unique(places, axis=0, return_inverse=True)
        line, place = torch.from_numpy(where).to(device).unbind(1)
        logits = model.project(states[line, place])
        at = torch.from_numpy(which.reshape(-1)).to(device)
        word, piece = torch.from_numpy(own[:, [0, 3]]).to(device).unbind(1)
        log_p = log_p.index_add(0, word, logits[at, piece] - logits.logsumexp(-1)[at])
    return log_p


def needed_words(log_p: Float[ndarray, " words"], plan: Plan) -> Bool[ndarray, " words"]:
    """Return which words are not negligible in a sum, from upper bounds of their log-probabilities.

    A word that needs no branch has its log-probability already.
    """
    known = np.ones(len(log_p), dtype=bool)
    known[plan.branched[:, 0]] = False
    needed = known.copy()
    for sign in plan.signs.T:
        floor = np.full(len(plan.scale), -np.inf)
        chosen = known & (sign > 0)
        np.maximum.at(floor, plan.site[chosen], log_p[chosen])
        needed |= (sign != 0) & (log_p > floor[plan.site] - NEGLIGIBLE)
    return needed


def value_of(log_p: Float[Tensor, " words"], plan: Plan) -> Float[Tensor, " sites"]:
    """Return the value of each site from the log-probabilities of its words."""
    device = log_p.device
    scale, against = (torch.from_numpy(one).to(device) for one in (plan.scale, plan.against))
    of, other = (log_sum(log_p, sign, plan) for sign in plan.signs.T)
    return scale * (of - torch.where(against, other, 0.0))


def log_sum(
    log_p: Float[Tensor, " words"], signs: Int[ndarray, " words"], plan: Plan
) -> Float[Tensor, " sites"]:
    """Return the logarithm of the signed sum of probabilities at each site; 0 if it is empty."""
    device, count = log_p.device, len(plan.scale)
    chosen = torch.from_numpy(np.flatnonzero(signs)).to(device)
    sign = torch.from_numpy(signs).to(device)[chosen].to(log_p)
    site, x = torch.from_numpy(plan.site).to(device)[chosen], log_p[chosen]
    bounds = x.detach().masked_fill(sign < 0, -torch.inf)
    largest = x.new_full((count,), -torch.inf).scatter_reduce(0, site, bounds, "amax")
    largest = largest.masked_fill(largest.isinf(), 0.0)
    share = (x - largest[site]).exp()
    zero = x.new_zeros(count)
    plus = zero.index_add(0, site, share * (sign > 0))
    whole = zero.index_add(0, site, share * sign)
    empty = plus == 0
    mass = torch.maximum(whole, SMALLEST * plus.detach()).masked_fill(empty, 1.0)
    return mass.log() + largest
