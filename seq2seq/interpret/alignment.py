"""What a run's attention says of words, and how well it finds the links of gold."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from seq2seq.alignment.gold import Gold, Links
from seq2seq.alignment.links import Found, Tally
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
    """How the pieces of a pair make up the tokens of its gold, `</s>` last on both sides."""

    source: Float[ndarray, "src_pieces src_tokens"]
    target: Float[ndarray, "tgt_pieces tgt_tokens"]

    @classmethod
    def of(cls, translation: Translation, gold: Gold, tokenizers: Tokenizers) -> "Cut":
        """Find the gold's tokens in the pieces of both sides."""
        return cls(
            shares(translation.source_pieces, tokenizers.source.normalize(gold.source)),
            shares(translation.target_pieces, tokenizers.target.normalize(gold.target)),
        )

    @property
    def unmatched(self) -> int:
        """Tokens that have no pieces, because their characters are not there."""
        return sum(int((~side.any(0)).sum()) for side in self)

    def pool(
        self, attention: Float[ndarray, "*any rows src"]
    ) -> Float[ndarray, "*any token_rows src_tokens"]:
        """Attention between tokens; `</s>` is the last column, and the last row unless shifted."""
        return pool(attention, self.source, self.target)

    def weights(
        self, attention: Float[Tensor, "layers heads tgt src"], rule: Rule
    ) -> Float[ndarray, "tgt_tokens src_tokens"]:
        """What a rule reads between the tokens, the row of `</s>` left out."""
        return self.pool(rule.read(attention))[: self.target.shape[1] - 1]

    def links(self, attention: Float[Tensor, "layers heads tgt src"], rule: Rule) -> Found:
        """The links that a rule makes of it."""
        return rule.links(self.weights(attention, rule))


def entropies(weights: Float[ndarray, "*any rows src"]) -> Float[ndarray, "*any rows"]:
    """Of each row, in nats; 0 where all attention is on one token."""
    logs = np.log(weights, out=np.zeros_like(weights), where=weights > 0)
    return -(weights * logs).sum(-1)


@dataclass(frozen=True)
class Alignment:
    """Words of both sides, `</s>` last, and how much each target word looked at each source word.

    weights has a row a target word and a column a source word; every row sums to one. A rule that
    reads the row at which a word is fed in has none for `</s>`, which is never fed in.
    """

    source: str
    target: str
    source_words: list[str]
    target_words: list[str]
    weights: list[list[float]]
    rule: dict[str, object]
    forced: bool  # the target was given, not searched
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
        """The alignment of one translation that carries its attention, of gold's tokens if given.

        Raises:
            UserError: the source has no words, or the model no attention, or not the layer or head
                of the rule.
        """
        if translation.source_pieces == [END]:
            raise UserError("an empty sentence has no alignment")
        if translation.attention is None:
            raise UserError(
                "this model has no attention: it squeezes the source into one vector, so there is "
                "nothing to draw"
            )
        layers, heads = translation.attention.shape[:2]
        rule = rule.resolve(layers, heads)
        pair = gold or Gold(
            words(translation.source_pieces), words(translation.target_pieces), Links(frozenset())
        )
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


def measure(
    translator: Translator, folder: Path, rule: Rule | None = None
) -> dict[str, Any] | None:
    """Force-decode the references of a test set and score the links that a rule reads.

    Args:
        translator: the trained run.
        folder: of the test set, with source.txt, reference.txt and gold beside them.
        rule: how attention is read; if None the run's own choice, else the one that `Rule`
            describes as its default.

    Returns:
        Scores over the whole set, what they were counted from, and the rule; None where the test
        set has no gold or the model no attention.

    Raises:
        UserError: the gold is not of this test set, or the model has no such layer or head.
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
    """The targets of a text as the model reads them, with their gold and how it lies in them."""
    read = translator.force(gold_set.texts, scored=False)
    pairs = zip(read, gold_set.golds, strict=True)
    for translation, gold in track(
        pairs, f"aligning {gold_set.name}", total=len(gold_set.golds), unit="pairs"
    ):
        yield translation, gold, Cut.of(translation, gold, translator.tokenizers)


def attention_of(translation: Translation, run: RunFolder) -> Float[Tensor, "layers heads tgt src"]:
    """The attention of a translation.

    Raises:
        UserError: the run's model has none.
    """
    if translation.attention is None:
        raise UserError(f"{run.name} has no attention, so no alignment can be read from it")
    return translation.attention
