"""The maps of methods between the words of many translations, as `evaluate` stores them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seq2seq.alignment.rule import Rule
from seq2seq.interpret.alignment import Explained, explain_pairs
from seq2seq.interpret.methods.attention import NoAttentionError
from seq2seq.interpret.self_attention import with_self_attention
from seq2seq.runs import stored_attention
from seq2seq.runs.stored_attention import WordAttention
from seq2seq.runs.stored_vectors import MethodMap
from seq2seq.system.console import console, track
from seq2seq.translation.translation import END
from seq2seq.translation.translator import Translator


def store_maps(
    translator: Translator, folder: Path, pairs: list[tuple[str, str]], rules: Sequence[Rule]
) -> None:
    """Write the maps of rules between the words of each pair.

    Nothing is written if the first rule reads attention and the model has none. Maps that are too
    large are not written, which is reported.

    The translations are force-decoded in batches, which takes a fraction of the time of the search.

    Args:
        translator: the trained run.
        folder: the folder of the test set, with hypothesis.txt.
        pairs: the sources and their translations.
        rules: the extraction rules, of different methods. Older versions read the map of the first
            only.
    """
    lines: list[WordAttention] = []
    kept: list[Rule] = []
    for rule in rules:
        try:
            found = read_maps(translator, folder.name, pairs, rule, lines)
        except NoAttentionError:
            return
        if found is None and not lines:
            return
        if found is not None:
            kept.append(found[0])
            lines = found[1]
    lines, columns = with_self_attention(translator, folder.name, pairs, lines)
    others = [rule for rule in kept if any(rule.method in line.methods for line in lines)]
    records = [{"method": rule.method, **rule.record()} for rule in others]
    stored_attention.write(folder, lines, kept[0].record(), columns, records)


def read_maps(
    translator: Translator,
    name: str,
    pairs: Sequence[tuple[str, str]],
    rule: Rule,
    before: Sequence[WordAttention],
) -> tuple[Rule, list[WordAttention]] | None:
    """Return the map of a rule for each pair, and the rule with explicit layer and head.

    Args:
        translator: the trained run.
        name: the name of the test set, for messages.
        pairs: the sources and their translations.
        rule: the extraction rule.
        before: the lines with the maps of other methods, to which the map is added; empty for the
            first method.

    Returns:
        None if all maps together are too large, which is reported.

    Raises:
        NoAttentionError: the rule reads attention and the model has none.
    """
    lines: list[WordAttention] = []
    size = sum(map(size_of, before))
    found = explain_pairs(translator, pairs, rule)
    work = f"reading the {rule.method} of {name}"
    for explained in track(found, work, total=len(pairs), unit="sentences"):
        rule = rule.resolve(*explained.map.values.shape[:2])
        line = word_maps(explained, rule)
        if before:
            own = before[len(lines)]
            line = own._replace(methods={**own.methods, **line.methods})
            size -= size_of(own)
        elif not explained.map.signed:
            line = line._replace(methods={})  # its map is `weights`
        size += size_of(line)
        lines.append(line)
        if size > stored_attention.MAX_WEIGHT_BYTES:
            console.print(
                f"the {rule.method} of {name} is not stored: it has more than "
                f"{stored_attention.MAX_WEIGHT_BYTES:,} bytes"
            )
            return None
    return rule, lines


def word_maps(explained: Explained, rule: Rule) -> WordAttention:
    """Return the map that a rule reads, between words; empty for an empty source."""
    if explained.translation.source_pieces == [END]:
        return WordAttention([], [], np.zeros((0, 0), dtype=np.uint8))
    weights = np.rint(255 * explained.shares(rule)).astype(np.uint8)
    target = [*explained.gold.target, END][: len(weights)]
    own = MethodMap.of(target, explained.values(rule), signed=explained.map.signed)
    return WordAttention([*explained.gold.source, END], target, weights, methods={rule.method: own})


def size_of(line: WordAttention) -> int:
    """Return the size of the maps of methods in bytes."""
    return line.weights.size + sum(one.values.size for one in line.methods.values())
