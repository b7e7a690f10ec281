"""Attention between the words of each map: to the source, to the target so far, in the encoder."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from seq2seq.alignment.gold import Gold
from seq2seq.alignment.rule import Rule, pool
from seq2seq.errors import UserError
from seq2seq.interpret.alignment import Cut, tokens_of
from seq2seq.models.results import Maps
from seq2seq.translation.translation import BEGIN, END, Translation
from seq2seq.translation.translator import Translator

MapName = Literal["source", "target", "encoder"]
SOURCE, TARGET, SO_FAR = "source", "target", "target so far"


class WordMap(NamedTuple):
    """One map between words. The words of the target, as columns, may follow those of the source.

    Attributes:
        rows: the words that attend.
        columns: the words that are attended to.
        weights: the weights; every row sums to one.
        row_side: which words the rows are.
        column_sides: which words the columns are; two if one softmax covers source and target.
        border: the number of columns of the source if columns of the target follow them.
    """

    rows: list[str]
    columns: list[str]
    weights: Float[ndarray, "rows columns"]
    row_side: str
    column_sides: tuple[str, ...]
    border: int | None = None


def maps_of(translation: Translation) -> list[str]:
    """Return the names of the maps that a translation has."""
    maps = translation.maps or Maps(translation.attention)
    return [name for name, one in maps._asdict().items() if one is not None]


def attention_in(
    translation: Translation, name: MapName, run: str
) -> Float[Tensor, "layers heads rows columns"]:
    """Return a map between pieces; that of the source is a distribution in any model.

    Raises:
        UserError: the source is empty, or the model has no such map; `run` is named.
    """
    if translation.source_pieces == [END]:
        raise UserError("an empty sentence has no attention")
    maps = (translation.maps or Maps(None))._replace(source=translation.attention)
    attention: Tensor | None = getattr(maps, name)
    if attention is not None:
        return attention
    names = maps_of(translation)
    if not names:
        raise UserError(f"{run} has no attention, so nothing can be drawn")
    raise UserError(
        f"{run} has no map {name}: it has {' and '.join(names)} (give --map {names[0]})"
    )


def check_maps(translations: Mapping[str, Translation], name: MapName) -> None:
    """Check that the translations of several runs have a map; that of the source is not checked.

    Raises:
        UserError: some do not; the runs are named.
    """
    if name == "source":
        return
    without = [run for run, one in translations.items() if name not in maps_of(one)]
    if len(without) == 1 or any(one.source_pieces == [END] for one in translations.values()):
        run = without[0] if without else next(iter(translations))
        attention_in(translations[run], name, run)
    if without:
        raise UserError(f"{' and '.join(without)} have no map {name}: draw the other runs")


def word_map(
    translator: Translator,
    translation: Translation,
    name: MapName,
    rule: Rule,
    gold: Gold | None = None,
) -> WordMap:
    """Return a map of a forced pass between words, each side with `<s>` or `</s>`.

    As in an alignment, weights are summed over the pieces of a column and averaged over the pieces
    of a row. The row of a target word is the one that predicts it.

    Args:
        translator: the trained run.
        translation: the forced pass, with maps.
        name: the map; that of the source is the returned attention, a distribution in any model.
        rule: the layer and head.
        gold: divides source and target into its tokens.

    Raises:
        UserError: as in `attention_in`, or there is no such layer or head.
    """
    attention = attention_in(translation, name, translator.run.name)
    if name != "source":
        layers, heads = attention.shape[:2]
        rule = rule.resolve(layers, heads, f"the map {name}")
    weights = rule.read(attention)
    pair = tokens_of(translation, gold)
    cut = Cut.of(translation, pair, translator.tokenizers)
    source, target = [*pair.source, END], [*pair.target, END]
    if name == "encoder":
        weights = pool(weights, cut.source, cut.source)
        return WordMap(source, source, weights, SOURCE, (SOURCE,))
    if name == "source":
        return WordMap(target, source, cut.pool(weights), TARGET, (SOURCE,))
    model, columns, table, side = translator.model, target, cut.target, TARGET
    if model.target_input == "tgt_in":  # `<s>` comes first, instead of `</s>` last
        columns, table, side = [BEGIN, *pair.target], np.roll(table, 1, axis=(0, 1)), SO_FAR
    weights, maps = pool(weights, table, cut.target), translation.maps
    if not model.joint_attention or maps is None or maps.source is None:
        return WordMap(target, columns, weights, TARGET, (side,))
    to_source = cut.pool(rule.read(maps.source))
    return WordMap(
        target,
        [*source, *columns],
        np.concatenate([to_source, weights], axis=1),
        TARGET,
        (SOURCE, side),
        len(source),
    )
