"""Maps of the page: what a target word depends on, by any method, with gold links."""

from dataclasses import replace
from typing import Any

import numpy as np

from seq2seq.alignment.gold import Gold, Links, check_range
from seq2seq.alignment.links import Tally
from seq2seq.alignment.method_names import WITHOUT_LAYERS, MethodName, split_method
from seq2seq.alignment.rule import Rule, shares, words
from seq2seq.errors import UserError
from seq2seq.interpret.alignment import Explained, explain
from seq2seq.play.asked import Explain, GoldLinks, Translate, View
from seq2seq.play.limits import LINKS, PIECES, SLOW_PIECES, check_pieces, checked_text
from seq2seq.play.loaded import LoadedRun
from seq2seq.translation.translation import END, Translation
from seq2seq.translation.translator import Translator


def rule_of(run: LoadedRun, view: View) -> Rule:
    """Return the extraction rule of a view: that of the run, changed.

    A run without attention has occlusion as its method, unless another one is chosen.
    """
    method = view.method or (run.rule.method if run.rule.method in run.methods else run.methods[0])
    rule = run.rule if method == run.rule.method else Rule(method=method)
    if view.layer is not None:
        rule = replace(rule, layer=view.layer or "mean")
    if view.head is not None:
        rule = replace(rule, head=view.head or "mean")
    return rule if view.shift is None else replace(rule, shift=view.shift)


def within(rule: Rule, layers: int, heads: int) -> Rule:
    """Return a rule whose layer and head exist in a map; the last one replaces a larger number."""
    if isinstance(rule.layer, int):
        rule = replace(rule, layer=min(rule.layer, layers))
    if isinstance(rule.head, int):
        rule = replace(rule, head=min(rule.head, heads))
    return rule.resolve(layers, heads)


def searched_map(
    run: LoadedRun, translator: Translator, best: Translation, asked: Translate
) -> dict[str, Any]:
    """Return the map of a translation that a search found, or why there is none."""
    try:
        rule = rule_of(run, asked.view)
        translation = best
        if rule.method != "attention" or best.attention is None:
            (translation,) = translator.force([(best.source, best.text)], scored=False)
        return {"map": map_of(translator, translation, rule, hidden=bool(asked.hidden))}
    except UserError as error:
        return {"map": None, "no_map": str(error)}


def explained(run: LoadedRun, asked: Explain) -> dict[str, Any]:
    """Return the map of a given translation, with the AER of its links if gold links are given.

    Raises:
        UserError: a text cannot be used, or the method cannot be applied.
    """
    text, target = checked_text(asked.text), checked_text(asked.target, "translation")
    translator = run.reader(asked, text)
    (ids,) = translator.tokenizers.target.encode([target])
    check_pieces(len(ids), "translation")
    gold = None if asked.gold is None else gold_of(asked.gold)
    (translation,) = translator.force([(text, target)])
    found = map_of(translator, translation, rule_of(run, asked.view), gold, bool(asked.hidden))
    return {"text": target, "log_probability": translation.log_probability, "map": found}


def gold_of(given: GoldLinks) -> Gold:
    """Return the gold alignment of a request.

    Raises:
        UserError: it is too large, a word is not a link, or a link is outside the pair.
    """
    for side in (given.source, given.target):
        check_pieces(len(side), "gold sentence", 2 * PIECES)
        checked_text("".join(side), "gold sentence")
    try:
        if len(given.links) > LINKS:
            raise ValueError(f"they have {len(given.links):,} characters, the limit is {LINKS:,}")
        gold = Gold(given.source, given.target, Links.parse(given.links))
        check_range(gold)
    except ValueError as error:
        raise UserError(f"the gold links cannot be used: {error}") from error
    return gold


def map_of(
    translator: Translator,
    translation: Translation,
    rule: Rule,
    gold: Gold | None = None,
    hidden: bool = False,
) -> dict[str, Any]:
    """Return the map of a translation between words.

    Args:
        translator: the trained run.
        translation: the translation, with attention if the method is that.
        rule: the method, layer, head and row.
        gold: the tokens and the gold links of the pair; the words of the translation if None.
        hidden: some source words are hidden.

    Raises:
        UserError: the method cannot be applied to this model or sentence.
    """
    if hidden and rule.method in WITHOUT_LAYERS:
        raise UserError(
            f"{rule.method} changes the source itself, so it is not shown for hidden words: choose "
            "another method, or leave the words out"
        )
    check_length(translation, rule.method)
    (found,) = explain(translator, [translation], rule, [gold])
    layers, heads = found.map.values.shape[:2]
    rule = within(rule, layers, heads)
    values = found.values(rule)
    if not np.isfinite(values).all():
        raise UserError("the map has values that are NaN or infinite: the training has diverged")
    return {
        "method": rule.method,
        "signed": found.map.signed,
        "layer": 0 if rule.layer == "mean" else rule.layer,
        "head": 0 if rule.head == "mean" else rule.head,
        "shift": rule.shift,
        "layers": layers,
        "heads": heads,
        "source": [*found.gold.source, END],
        "target": [*found.gold.target, END][: len(values)],
        "values": [[round(float(value), 4) for value in row] for row in values],
        **(gold_fields(found, rule) if gold else {}),
    }


def check_length(translation: Translation, method: MethodName) -> None:
    """Check that a method can explain a translation in a few seconds.

    Raises:
        UserError: the sentence or the translation has too many pieces.
    """
    longest = max(len(translation.source_pieces), len(translation.target_pieces)) - 1
    most = SLOW_PIECES.get(split_method(method)[0], 2 * PIECES)
    if longest > most:
        raise UserError(
            f"the sentence or its translation has {longest:,} pieces, but {method} accepts at most "
            f"{most}: choose another map or a shorter sentence"
        )


def gold_fields(found: Explained, rule: Rule) -> dict[str, Any]:
    """Return the gold links and the AER of the links that the rule extracts."""
    links = found.gold.links
    return {
        "sure": sorted(links.sure),
        "possible": sorted(links.possible),
        "aer": Tally.of(found.links(rule), links).aer,
    }


def token_starts(translator: Translator, translation: Translation) -> list[int]:
    """Return the number of the first token of each word of a translation, then that of the end."""
    pieces = translation.target_pieces
    tokens = words(pieces)
    normalized = translator.tokenizers.target.normalize(tokens)
    table = shares(pieces, normalized)
    starts = [int(column.argmax()) if column.any() else 0 for column in table[:, :-1].T]
    return [*starts, len(pieces) - 1]
