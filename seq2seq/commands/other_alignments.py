"""The alignments beside that of the run in `seq2seq score-alignment`."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from seq2seq.alignment.baselines import split_words, symmetrized_fast_align
from seq2seq.alignment.gold_files import read_links
from seq2seq.alignment.links import LinkSet, Tally, flip, grow_diag_final_and, intersection, union
from seq2seq.alignment.rule import Rule
from seq2seq.errors import UserError
from seq2seq.interpret.alignment import explain_gold
from seq2seq.interpret.chosen_rule import changed
from seq2seq.interpret.gold_set import GoldSet, read_texts
from seq2seq.runs.folder import RunFolder
from seq2seq.translation.translator import Translator


def read_other_aligners(links: Sequence[str], gold_set: GoldSet) -> dict[str, list[LinkSet]]:
    """Read the links of other aligners, and return them by name.

    Raises:
        UserError: an item is not NAME=FILE, a name is used twice, or a file cannot be read.
    """
    texts = [(gold.source, gold.target) for gold in gold_set.golds]
    aligners: dict[str, list[LinkSet]] = {}
    for one in links:
        name, equals, file = one.partition("=")
        if not (name and equals and file):
            raise UserError(f"--links {one}: give NAME=FILE, such as --links giza=giza.align")
        if name in aligners or name == "the diagonal" or name.startswith("fast_align"):
            raise UserError(f"--links {one}: the name {name!r} is already used, choose another")
        golds = read_links(Path(file), texts, "auto", gold=False)
        aligners[name] = [gold.links.sure | gold.links.possible for gold in golds]
    return aligners


def check_direction(run: RunFolder, back: RunFolder) -> None:
    """Check that two runs translate in opposite directions.

    Raises:
        UserError: both have the same source and target language.
    """
    directions = [
        (one.config["data"].get("source"), one.config["data"].get("target")) for one in (run, back)
    ]
    same = run.path.resolve() == back.path.resolve()
    if same or (directions[0] == directions[1] and None not in directions[0]):
        source, target = directions[1]
        raise UserError(
            f"--back {back.path} translates {source} to {target}, like {run.name}: give a run of "
            "the reverse direction"
        )


def both_directions(
    translator: Translator, rule: Rule, back: Translator, back_rule: Rule, gold_set: GoldSet
) -> dict[str, list[LinkSet]]:
    """Return the links of a run of the reverse direction, and the symmetrized links.

    Only layer, head and row of the reverse direction are those of `back_rule`; all else is that of
    `rule`.
    """
    forward = links_of(translator, rule, gold_set)
    back_rule = replace(
        changed(back_rule, method=rule.method),
        end=rule.end,
        threshold=rule.threshold,
        hide=rule.hide,
    )
    backward = [flip(links) for links in links_of(back, back_rule, gold_set.swapped())]
    pairs = list(zip(forward, backward, strict=True))
    return {
        f"{back.run.name}, the other direction": backward,
        "both, intersection": [intersection(*pair) for pair in pairs],
        "both, union": [union(*pair) for pair in pairs],
        "both, grow-diag-final-and": [grow_diag_final_and(*pair) for pair in pairs],
    }


def links_of(translator: Translator, rule: Rule, gold_set: GoldSet) -> list[LinkSet]:
    """Return the links of each pair by one rule."""
    return [
        explained.links(rule.resolve(*explained.map.values.shape[:2]))
        for explained in explain_gold(translator, gold_set, rule)
    ]


def statistical(
    more: list[tuple[list[str], list[str]]], gold_set: GoldSet
) -> dict[str, list[LinkSet]]:
    """Return the links of fast_align, trained on a training text and this text."""
    pairs = [(gold.source, gold.target) for gold in gold_set.golds]
    forward, both = symmetrized_fast_align(pairs, more)
    return {"fast_align": forward, "fast_align, grow-diag-final-and": both}


def training_pairs(
    train: tuple[Path, Path], gold_set: GoldSet
) -> list[tuple[list[str], list[str]]]:
    """Tokenize a training text: at spaces if the scored text is tokenized so, else into words."""
    plain = all(
        (source.split(), target.split()) == (gold.source, gold.target)
        for (source, target), gold in zip(gold_set.texts, gold_set.golds, strict=True)
    )
    cut = str.split if plain else split_words
    return [(cut(s), cut(t)) for s, t in read_texts(*train)]


def link_scores(links: Sequence[LinkSet], gold_set: GoldSet) -> dict[str, Any]:
    """Return the scores of links that were not extracted from attention."""
    tally = Tally()
    for predicted, gold in zip(links, gold_set.golds, strict=True):
        tally += Tally.of(predicted, gold.links)
    return {**tally.scores(), "links": tally.links}
