"""Extract word alignments from a run's attention, and score them against gold links."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from seq2seq.alignment.gold import Gold, Links
from seq2seq.alignment.links import LinkSet, Tally
from seq2seq.alignment.rule import Rule, pool, shares, words
from seq2seq.errors import UserError
from seq2seq.interpret.chosen_rule import chosen_rule
from seq2seq.interpret.gold_set import GoldSet
from seq2seq.runs.folder import RunFolder
from seq2seq.system.console import track
from seq2seq.text.tokenizer import Tokenizers
from seq2seq.translation.translation import END, Translation
from seq2seq.translation.translator import Translator


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
        """Return attention between tokens; `</s>` is the last column, and the last row if present.

        Attention read with `shift` has no row for `</s>`.
        """
        return pool(attention, self.source, self.target)

    def weights(
        self, attention: Float[Tensor, "layers heads tgt src"], rule: Rule
    ) -> Float[ndarray, "tgt_tokens src_tokens"]:
        """Return the attention weights that a rule reads, without the row of `</s>`."""
        return self.pool(rule.read(attention))[: self.target.shape[1] - 1]

    def links(self, attention: Float[Tensor, "layers heads tgt src"], rule: Rule) -> LinkSet:
        """Return the links that a rule extracts."""
        return rule.links(self.weights(attention, rule))


def entropies(weights: Float[ndarray, "*any rows src"]) -> Float[ndarray, "*any rows"]:
    """Return the entropy of each row in nats; 0 if all attention is on one token."""
    logs = np.log(weights, out=np.zeros_like(weights), where=weights > 0)
    return -(weights * logs).sum(-1)


@dataclass(frozen=True)
class Alignment:
    """The word alignment of one translation.

    The words of both sides end with `</s>`. `weights` has a row per target word and a column per
    source word; every row sums to one. A rule with `shift` has no row for `</s>`, which is never an
    input of the decoder.
    """

    source: str
    target: str
    source_words: list[str]
    target_words: list[str]
    weights: list[list[float]]
    rule: dict[str, object]
    forced: bool  # the target was given, not found by search
    log_probability: float

    @classmethod
    def of(
        cls,
        translation: Translation,
        rule: Rule,
        tokenizers: Tokenizers,
        *,
        forced: bool,
        gold: Gold | None = None,
    ) -> "Alignment":
        """Extract the alignment of a translation with attention; between gold tokens if given.

        Raises:
            UserError: the source is empty, or the model has no attention or does not have the layer
                or head of the rule.
        """
        if translation.source_pieces == [END]:
            raise UserError("an empty sentence has no alignment")
        if translation.attention is None:
            raise UserError(
                "this model has no attention: it encodes the source in a single vector, so it has "
                "no alignment"
            )
        layers, heads = translation.attention.shape[:2]
        rule = rule.resolve(layers, heads)
        pair = tokens_of(translation, gold)
        weights = Cut.of(translation, pair, tokenizers).pool(rule.read(translation.attention))
        return cls(
            source=translation.source,
            target=translation.text,
            source_words=[*pair.source, END],
            target_words=[*pair.target, END][: len(weights)],
            weights=weights.tolist(),
            rule={**asdict(rule), "layers": layers, "heads": heads},
            forced=forced,
            log_probability=translation.log_probability,
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
        set has no gold links or the model has no attention.

    Raises:
        UserError: the gold files do not fit the test set, or the model has no such layer or head.
    """
    gold_set = GoldSet.of_test(folder)
    if gold_set is None:
        return None
    rule, tally, unmatched = rule or chosen_rule(translator.run), Tally(), 0
    entropy, rows = 0.0, 0
    for translation, gold, cut in forced(translator, gold_set):
        if translation.attention is None:
            return None
        rule = rule.resolve(*translation.attention.shape[:2])
        weights = cut.weights(translation.attention, rule)
        tally += Tally.of(rule.links(weights), gold.links)
        unmatched += cut.unmatched
        entropy += float(entropies(weights).sum())
        rows += int(weights.any(-1).sum())
    return {
        **tally.scores(),
        "entropy": entropy / max(rows, 1),
        "links": tally.links,
        "sure": tally.sure,
        "possible": sum(len(gold.links.possible) for gold in gold_set.golds),
        "unmatched": unmatched,
        "pairs": len(gold_set.golds),
        "rule": asdict(rule),
    }


def forced(translator: Translator, gold_set: GoldSet) -> Iterator[tuple[Translation, Gold, Cut]]:
    """Force-decode the pairs of a text; yield each with its gold links and mapping to tokens."""
    translations = translator.force(gold_set.texts, scored=False)
    pairs = zip(translations, gold_set.golds, strict=True)
    for translation, gold in track(
        pairs, f"aligning {gold_set.name}", total=len(gold_set.golds), unit="pairs"
    ):
        yield translation, gold, Cut.of(translation, gold, translator.tokenizers)


def attention_of(translation: Translation, run: RunFolder) -> Float[Tensor, "layers heads tgt src"]:
    """Return the attention of a translation.

    Raises:
        UserError: the model has no attention.
    """
    if translation.attention is None:
        raise UserError(f"{run.name} has no attention, so it has no alignment")
    return translation.attention
