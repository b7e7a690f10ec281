"""Extract word alignments from the maps of a method, and score them against gold links."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seq2seq.alignment.gold import Gold, Links
from seq2seq.alignment.links import LinkSet, Tally
from seq2seq.alignment.rule import Rule, pool, positive_shares, shares, words
from seq2seq.interpret.chosen_rule import chosen_rule
from seq2seq.interpret.gold_set import GoldSet
from seq2seq.interpret.methods import method_of
from seq2seq.interpret.methods.attention import NoAttentionError
from seq2seq.interpret.methods.base import SourceMap
from seq2seq.interpret.methods.question import Question
from seq2seq.system.console import track
from seq2seq.text.tokenizer import Tokenizers
from seq2seq.translation.translation import END, Translation
from seq2seq.translation.translator import FORCED, Translator


class Cut(NamedTuple):
    """The mapping from pieces to gold tokens on both sides of a pair; `</s>` is the last token.

    Entry (p, t) is the share of the characters of piece p that are in token t.
    """

    source: Float[ndarray, "src_pieces src_tokens"]
    target: Float[ndarray, "tgt_pieces tgt_tokens"]

    @classmethod
    def of(cls, translation: Translation, gold: Gold, tokenizers: Tokenizers) -> "Cut":
        """Match the gold tokens with the pieces of both sides."""
        return cls(
            shares(translation.source_pieces, tokenizers.source.normalize(gold.source)),
            shares(translation.target_pieces, tokenizers.target.normalize(gold.target)),
        )

    @property
    def unmatched(self) -> int:
        """The number of tokens without pieces, because their characters differ from the text."""
        return sum(int((~side.any(0)).sum()) for side in self)

    def pool(
        self, attention: Float[ndarray, "*any rows src"]
    ) -> Float[ndarray, "*any token_rows src_tokens"]:
        """Return a map between tokens; `</s>` is the last column, and the last row if present.

        A map read with `shift` has no row for `</s>`.
        """
        return pool(attention, self.source, self.target)


class Explained(NamedTuple):
    """A translation, its tokens with or without gold links, and the map of a method."""

    translation: Translation
    gold: Gold
    cut: Cut
    map: SourceMap

    def values(self, rule: Rule) -> Float[ndarray, "tgt_rows src_tokens"]:
        """Return the values between tokens of the layer, head and row of a rule."""
        return self.cut.pool(rule.read(self.map.values))

    def shares(self, rule: Rule) -> Float[ndarray, "tgt_rows src_tokens"]:
        """Return what a rule decides on: the values, or the shares of positive ones if signed."""
        values = self.values(rule)
        return positive_shares(values) if self.map.signed else values

    def weights(self, rule: Rule) -> Float[ndarray, "tgt_tokens src_tokens"]:
        """Return the rows of `shares` without that of `</s>`."""
        return self.shares(rule)[: len(self.gold.target)]

    def links(self, rule: Rule) -> LinkSet:
        """Return the links that a rule extracts."""
        return rule.links(self.weights(rule))


def explain(
    translator: Translator,
    translations: Sequence[Translation],
    rule: Rule,
    golds: Sequence[Gold | None] | None = None,
    question: Question | None = None,
) -> list[Explained]:
    """Apply the method of a rule to translations.

    Args:
        translator: the trained run.
        translations: the translations, with the pieces of their texts.
        rule: the rule that names the method.
        golds: the tokens of each translation; its words if None.
        question: what a signed method explains, in place of what the rule names.

    Raises:
        UserError: the method cannot be applied to this model.
    """
    pairs = [
        tokens_of(translation, gold)
        for translation, gold in zip(translations, golds or [None] * len(translations), strict=True)
    ]
    cuts = [
        Cut.of(translation, pair, translator.tokenizers)
        for translation, pair in zip(translations, pairs, strict=True)
    ]
    maps = method_of(rule, question)(translator, translations, [cut.source for cut in cuts])
    return list(map(Explained, translations, pairs, cuts, maps))


def explain_pairs(
    translator: Translator,
    texts: Iterable[tuple[str, str]],
    rule: Rule,
    golds: Iterable[Gold] | None = None,
) -> Iterator[Explained]:
    """Force-decode pairs and apply the method of a rule; yield the results in order.

    The pairs are streamed, so memory use does not depend on their number.
    """
    texts, golds = iter(texts), None if golds is None else iter(golds)
    while chunk := list(islice(texts, FORCED)):
        own = None if golds is None else list(islice(golds, len(chunk)))
        yield from explain(translator, list(translator.force(chunk, scored=False)), rule, own)


def entropies(weights: Float[ndarray, "*any rows src"]) -> Float[ndarray, "*any rows"]:
    """Return the entropy of each row in nats; 0 if all attention is on one token."""
    logs = np.log(weights, out=np.zeros_like(weights), where=weights > 0)
    return -(weights * logs).sum(-1)


@dataclass(frozen=True)
class Alignment:
    """The word alignment of one translation.

    The words of both sides end with `</s>`. `weights` has a row per target word and a column per
    source word. Every row sums to one, unless the map is `signed`: then it has values in nats. A
    rule with `shift` has no row for `</s>`, which is never an input of the decoder.
    """

    source: str
    target: str
    source_words: list[str]
    target_words: list[str]
    weights: list[list[float]]
    rule: dict[str, object]
    forced: bool  # the target was given, not found by search
    log_probability: float
    signed: bool = False

    @classmethod
    def of(cls, explained: Explained, rule: Rule, *, forced: bool) -> "Alignment":
        """Extract the alignment of a translation.

        Raises:
            UserError: the map does not have the layer or head of the rule.
        """
        translation, (layers, heads) = explained.translation, explained.map.values.shape[:2]
        rule = rule.resolve(layers, heads)
        weights = explained.values(rule)
        return cls(
            source=translation.source,
            target=translation.text,
            source_words=[*explained.gold.source, END],
            target_words=[*explained.gold.target, END][: len(weights)],
            weights=weights.tolist(),
            rule={**rule.record(), "layers": layers, "heads": heads},
            forced=forced,
            log_probability=translation.log_probability,
            signed=explained.map.signed,
        )


def tokens_of(translation: Translation, gold: Gold | None) -> Gold:
    """Return the gold tokens of a translation; its words, without links, if there are none."""
    if gold is not None:
        return gold
    sides = (words(translation.source_pieces), words(translation.target_pieces))
    return Gold(*sides, Links(frozenset()))


def measure(
    translator: Translator, folder: Path, rule: Rule | None = None
) -> dict[str, Any] | None:
    """Force-decode the references of a test set and score the links that a rule extracts.

    Args:
        translator: the trained run.
        folder: the folder of the test set, with source.txt, reference.txt and gold files.
        rule: the extraction rule; if None, the rule stored in the run, or the default `Rule()`.

    Returns:
        Scores of the whole set, the counts they are computed from, and the rule; None if the test
        set has no gold links, or the rule reads attention and the model has none.

    Raises:
        UserError: the gold files do not fit the test set, or the model has no such layer or head.
    """
    gold_set = GoldSet.of_test(folder)
    if gold_set is None:
        return None
    rule, tally, unmatched = rule or chosen_rule(translator.run), Tally(), 0
    entropy, rows = 0.0, 0
    try:
        for explained in explain_gold(translator, gold_set, rule):
            rule = rule.resolve(*explained.map.values.shape[:2])
            weights = explained.weights(rule)
            tally += Tally.of(rule.links(weights), explained.gold.links)
            unmatched += explained.cut.unmatched
            entropy += float(entropies(weights).sum())
            rows += int(weights.any(-1).sum())
    except NoAttentionError:
        return None
    return {
        **tally.scores(),
        "entropy": entropy / max(rows, 1),
        "links": tally.links,
        "sure": tally.sure,
        "possible": sum(len(gold.links.possible) for gold in gold_set.golds),
        "unmatched": unmatched,
        "pairs": len(gold_set.golds),
        "rule": rule.record(),
    }


def explain_gold(translator: Translator, gold_set: GoldSet, rule: Rule) -> Iterator[Explained]:
    """Apply the method of a rule to the pairs of a text with gold links."""
    found = explain_pairs(translator, gold_set.texts, rule, gold_set.golds)
    work = "aligning" if rule.method == "attention" else f"{rule.method} of"
    yield from track(found, f"{work} {gold_set.name}", total=len(gold_set.golds), unit="pairs")
