"""Heads on and off: BLEU and AER with one attention head, or one layer of heads, switched off.

A head is removed, or its attention is made uniform, by editing a copy of the weights (see
`seq2seq.layers.head_edits`). The effect of removing single heads was measured in this way by
Michel et al. (2019) and by Voita et al. (2019).
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from seq2seq.alignment.links import Tally
from seq2seq.alignment.rule import Rule
from seq2seq.errors import UserError
from seq2seq.interpret.alignment import explain_pairs
from seq2seq.interpret.gold_set import GoldSet
from seq2seq.layers.head_edits import HeadEdits
from seq2seq.models.base import Seq2Seq
from seq2seq.scoring import metrics
from seq2seq.system.console import bar
from seq2seq.text.languages import Target
from seq2seq.translation.translator import Translator

Edit = Literal["zero", "uniform"]
EDITS: tuple[Edit, ...] = ("zero", "uniform")


class Scores(NamedTuple):
    """BLEU of greedy translations, and AER of the references; None without gold links."""

    bleu: float
    aer: float | None


@dataclass(frozen=True)
class HeadScores:
    """The scores without one head, or without all heads of a layer.

    Attributes:
        layer: the layer, counted from 1.
        head: the head, counted from 1; None is all heads of the layer.
        scores: the scores of each edit; None if the model does not allow it.
    """

    layer: int
    head: int | None
    scores: Mapping[Edit, Scores | None]

    @property
    def name(self) -> str:
        """The name of the head, such as 2.1."""
        return f"{self.layer}.{self.head}" if self.head else f"{self.layer} all"


class Sample(NamedTuple):
    """The pairs to translate and to align.

    Attributes:
        sources: the source sentences.
        references: their translations.
        gold: the same pairs with gold links, if there are any.
        rule: the rule that extracts links.
        target: language and tokenizer for BLEU.
    """

    sources: list[str]
    references: list[str]
    gold: GoldSet | None
    rule: Rule
    target: Target


def edits_of(model: Seq2Seq, name: str, owner: str) -> list[HeadEdits]:
    """Return the edits of each layer that has a map.

    Args:
        model: the model.
        name: the map: source, target or encoder.
        owner: the name of the run, for messages.

    Raises:
        UserError: the model has no such attention.
    """
    edits = model.attention_edits()
    if not edits:
        raise UserError(f"{owner} has no attention heads to switch off")
    if name not in edits:
        if model.joint_attention:
            raise UserError(
                f"--map {name}: each head of {owner} attends to source and target with one "
                "softmax, so that it can only be switched off for both: omit --map"
            )
        raise UserError(f"--map {name}: {owner} has attention to the source only")
    return edits[name]


def edited(model: Seq2Seq, name: str, edit: Edit, layer: int, heads: Sequence[int]) -> Seq2Seq:
    """Return a copy of a model with heads switched off; layer and heads are counted from 0.

    Raises:
        UserError: the model has no such attention, or does not allow the edit.
    """
    other = copy.deepcopy(model)
    own = edits_of(other, name, type(model).__name__)[layer]
    work = own.zero if edit == "zero" else own.uniform
    if work is None:
        raise UserError("attention with a bias of its scores (ALiBi) cannot be made uniform")
    for head in heads:
        work(head)
    return other


def score_heads(
    translator: Translator, name: str, sample: Sample
) -> tuple[Scores, list[HeadScores]]:
    """Score a model as it is, and with each head and each layer of heads switched off.

    Args:
        translator: the trained run; its model is not changed.
        name: the map: source, target or encoder.
        sample: the pairs.

    Raises:
        UserError: the model has no such attention.
    """
    layers = edits_of(translator.model, name, translator.run.name)
    units = [
        (layer, heads)
        for layer, edits in enumerate(layers)
        for heads in [
            *([h] for h in range(edits.heads)),
            *([[*range(edits.heads)]][: edits.heads > 1]),
        ]
    ]
    tried = sum(1 + (layers[layer].uniform is not None) for layer, _ in units)
    with bar() as progress:
        total = (1 + tried) * len(sample.sources)
        task = progress.add_task("switching heads off", total=total, unit="sentences")

        def measured(model: Seq2Seq) -> Scores:
            return score(translator, model, sample, lambda count: progress.advance(task, count))

        before = measured(translator.model)
        found = []
        for layer, heads in units:
            scores: dict[Edit, Scores | None] = dict.fromkeys(EDITS)
            for edit in EDITS:
                if edit == "zero" or layers[layer].uniform is not None:
                    model = edited(translator.model, name, edit, layer, heads)
                    scores[edit] = measured(model)
            single = len(heads) == 1
            found.append(HeadScores(layer + 1, heads[0] + 1 if single else None, scores))
    return before, found


def score(
    translator: Translator, model: Seq2Seq, sample: Sample, done: Callable[[int], None]
) -> Scores:
    """Translate greedily and force-decode the references with another model of the same run."""
    other = copy.copy(translator)
    other.model, other.search = model, translator.search.greedy()
    hypotheses = [best.text for best, *_ in other.n_best(sample.sources, 1, done=done)]
    bleu = metrics.bleu(hypotheses, sample.references, **sample.target._asdict())
    if sample.gold is None:
        return Scores(bleu, None)
    tally = Tally()
    for explained in explain_pairs(other, sample.gold.texts, sample.rule, sample.gold.golds):
        rule = sample.rule.resolve(*explained.map.values.shape[:2])
        tally += Tally.of(explained.links(rule), explained.gold.links)
    return Scores(bleu, tally.aer)
