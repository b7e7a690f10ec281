"""Self-attention between words of many translations, as `evaluate` stores it."""

from collections.abc import Iterator, Sequence

import numpy as np

from seq2seq.alignment.rule import Rule
from seq2seq.interpret.maps import maps_of, word_map
from seq2seq.runs.stored_attention import MAPS, MAX_MAP_BYTES, Columns, StoredMap, WordAttention
from seq2seq.system.console import console, track
from seq2seq.translation.translation import BEGIN, END, Translation
from seq2seq.translation.translator import Translator


def with_self_attention(
    translator: Translator,
    name: str,
    pairs: Sequence[tuple[str, str]],
    lines: Sequence[WordAttention],
) -> tuple[list[WordAttention], Columns | None]:
    """Add the maps of self-attention to the attention of each translation.

    The translations are force-decoded. Layer and head are those of the default rule.

    Args:
        translator: the trained run.
        name: the name of the test set, for messages.
        pairs: the sources and their translations.
        lines: the attention of each.

    Returns:
        The lines, and the columns of the map of the target. None if the model has no self-attention
        or the maps are too large, which is reported; the lines have no maps then.
    """
    complete: list[WordAttention] = []
    size = 0
    for line, maps in zip(lines, self_attention(translator, name, pairs), strict=False):
        complete.append(line._replace(maps=maps))
        size += sum(one.weights.size for one in maps.values())
        if size > MAX_MAP_BYTES:
            console.print(
                f"self-attention on {name} is not stored: it has more than {MAX_MAP_BYTES:,} bytes"
            )
            return list(lines), None
    if len(complete) < len(lines):
        return list(lines), None
    model = translator.model
    begin = BEGIN if model.target_input == "tgt_in" else None
    return complete, Columns(begin, model.joint_attention)


def self_attention(
    translator: Translator, name: str, pairs: Sequence[tuple[str, str]]
) -> Iterator[dict[str, StoredMap]]:
    """Yield the maps of each translation; end at the first if the model does not have both."""
    for translation in track(
        translator.force(pairs, maps=True),
        f"reading the self-attention of {name}",
        total=len(pairs),
        unit="sentences",
    ):
        if not set(MAPS) <= set(maps_of(translation)):
            return
        empty = translation.source_pieces == [END]
        yield {} if empty else stored_maps(translator, translation)


def stored_maps(translator: Translator, translation: Translation) -> dict[str, StoredMap]:
    """Return the maps of one translation, rounded to steps of 1/255."""
    stored: dict[str, StoredMap] = {}
    for name in MAPS:
        one = word_map(translator, translation, name, Rule())
        weights = np.rint(255 * one.weights).astype(np.uint8)
        stored[name] = StoredMap(one.rows, one.columns, weights, one.border)
    return stored
