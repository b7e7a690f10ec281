"""Score the extraction rules of every layer, head and row of a map in one pass over the text."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from seq2seq.alignment.gold import Link
from seq2seq.alignment.links import Tally
from seq2seq.alignment.method_names import WITHOUT_LAYERS, MethodName
from seq2seq.alignment.rule import Rule, positive_shares
from seq2seq.errors import UserError
from seq2seq.interpret.alignment import entropies, explain_gold
from seq2seq.interpret.gold_set import GoldSet
from seq2seq.interpret.methods.base import UnsupportedModelError
from seq2seq.translation.translator import Translator

Number = int | Literal["mean"]


@dataclass(frozen=True)
class RuleScores:
    """The scores of one rule, and statistics of the attention that it reads.

    Args:
        rule: the rule.
        tally: counts of its links against the gold links.
        end: mean attention weight of `</s>`.
        entropy: mean entropy of a target token's row, in nats; 0 if all attention is on one token.
        forward: share of target tokens whose most attended source token is not before that of the
            preceding target token.
    """

    rule: Rule
    tally: Tally
    end: float
    entropy: float
    forward: float

    def record(self) -> dict[str, Any]:
        """Return all values by name, for JSON."""
        return {
            "rule": self.rule.record(),
            **self.tally.scores(),
            "links": self.tally.links,
            "end": self.end,
            "entropy": self.entropy,
            "forward": self.forward,
        }


@dataclass(frozen=True)
class MethodScores:
    """The scores of all rules of one method on one text.

    Attributes:
        readings: the scores of each rule.
        unmatched: number of gold tokens without pieces.
        shape: the numbers of layers and heads of the map.
    """

    readings: list[RuleScores]
    unmatched: int
    shape: tuple[int, int]

    @property
    def method(self) -> MethodName:
        """The method whose map the rules read."""
        return self.readings[0].rule.method

    @property
    def best(self) -> RuleScores:
        """The scores of the rule with the lowest AER."""
        return min(self.readings, key=lambda reading: reading.tally.aer)

    def of(self, rule: Rule) -> RuleScores:
        """Return the scores of one of the rules."""
        return next(reading for reading in self.readings if reading.rule == rule)


def score_all_rules(translator: Translator, gold_set: GoldSet, rule: Rule) -> MethodScores:
    """Score the rules of every layer and head, their means, and both rows.

    Args:
        translator: the trained run.
        gold_set: the text and its gold links.
        rule: the method, and the values of `end` and `threshold` for all rules.

    Raises:
        UserError: the method cannot be applied to the model, or the text has no pairs.
    """
    sums: dict[bool, Float[ndarray, "kinds layers heads"]] = {}
    unmatched = 0
    for _, gold, cut, found in explain_gold(translator, gold_set, rule):
        unmatched += cut.unmatched
        values = with_means(found.values.float().numpy())
        layers, heads = found.values.shape[:2]
        shape = len(gold.target), len(gold.source)
        sure = cells(gold.links.sure, shape)
        possible = sure | cells(gold.links.possible, shape)
        for shift in (False, True):
            weights = cut.pool(values[:, :, shift:])[:, :, : len(gold.target)]
            weights = positive_shares(weights) if found.signed else weights
            pair_counts = counts(weights, rule.choose(weights), sure, possible)
            sums[shift] = sums.get(shift, 0) + pair_counts
    if not sums:
        raise UserError(f"{gold_set.name} has no pairs")
    sure_links = sum(len(gold.links.sure) for gold in gold_set.golds)
    readings = []
    for shift, (x, layer), (y, head) in product(
        sums, enumerate(numbers(layers)), enumerate(numbers(heads))
    ):
        links, hits, near, end, entropy, rows, forward, steps = sums[shift][:, x, y].tolist()
        readings.append(
            RuleScores(
                replace(rule, layer=layer, head=head, shift=shift),
                Tally(int(links), sure_links, int(hits), int(near)),
                end / max(rows, 1),
                entropy / max(rows, 1),
                forward / max(steps, 1),
            )
        )
    return MethodScores(readings, unmatched, (layers, heads))


def score_methods(
    translator: Translator, gold_set: GoldSet, rule: Rule, methods: Sequence[MethodName]
) -> list[MethodScores]:
    """Score all rules of each method that can be applied to a model.

    Args:
        translator: the trained run.
        gold_set: the text and its gold links.
        rule: the values of `end`, `threshold` and `hide` for all rules.
        methods: the methods.

    Raises:
        UserError: no method can be applied to the model; the message is that of the first.
    """
    scores: list[MethodScores] = []
    refusals: list[UnsupportedModelError] = []
    for method in methods:
        try:
            own = replace(rule, method=method)
            if method in WITHOUT_LAYERS:  # their maps have no `</s>`
                own = replace(own, end=Rule().end)
            scores.append(score_all_rules(translator, gold_set, own))
        except UnsupportedModelError as error:
            refusals.append(error)
    if not scores:
        raise refusals[0]
    return scores


def numbers(count: int) -> list[Number]:
    """Return the numbers from 1 to count, and "mean" if count is above 1."""
    return [*range(1, count + 1), *(["mean"] if count > 1 else [])]


def with_means(
    attention: Float[ndarray, "layers heads tgt src"],
) -> Float[ndarray, "all_layers all_heads tgt src"]:
    """Append the means over layers and heads, in the order of `numbers`."""
    for axis in (0, 1):
        if attention.shape[axis] > 1:
            attention = np.append(attention, attention.mean(axis, keepdims=True), axis)
    return attention


def cells(links: Sequence[Link] | frozenset[Link], shape: tuple[int, int]) -> Bool[ndarray, "t s"]:
    """Return links as a boolean matrix with a row per target token."""
    table = np.zeros(shape, dtype=bool)
    for i, j in links:
        table[j, i] = True
    return table


def counts(
    weights: Float[ndarray, "layers heads tgt src_and_end"],
    chosen: Bool[ndarray, "layers heads tgt src"],
    sure: Bool[ndarray, "tgt src"],
    possible: Bool[ndarray, "tgt src"],
) -> Float[ndarray, "8 layers heads"]:
    """Return the counts of one pair; `RuleScores` is computed from their sums over all pairs.

    The rows are: links, links that are sure, links that are possible, attention to `</s>`, entropy,
    target tokens with attention, forward steps, all steps.
    """
    both = (-2, -1)
    attended = weights[..., :-1].argmax(-1) if chosen.shape[-1] else np.zeros(weights.shape[:-1])
    forward = np.diff(attended, axis=-1) >= 0
    return np.stack(
        [
            chosen.sum(both),
            (chosen & sure).sum(both),
            (chosen & possible).sum(both),
            weights[..., -1].sum(-1),
            entropies(weights).sum(-1),
            weights.any(-1).sum(-1),
            forward.sum(-1),
            np.full(forward.shape[:-1], forward.shape[-1]),
        ]
    ).astype(np.float64)
