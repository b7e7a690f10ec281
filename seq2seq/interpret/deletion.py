"""Faithfulness by deletion: hide the source words that a method calls most important.

For each target word the k source words with the largest values are hidden together, and as many
others at random. An explanation is faithful if the log-probability of the word falls by more (the
comprehensiveness of DeYoung et al. 2020, https://aclanthology.org/2020.acl-main.408, in nats and
for every word of a translation).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seq2seq.alignment.method_names import Hide
from seq2seq.alignment.rule import Rule
from seq2seq.interpret.alignment import Explained, explain
from seq2seq.interpret.methods.base import encoded, source_words
from seq2seq.interpret.methods.occlusion import Occlusion, Variant, log_probabilities
from seq2seq.system.console import track
from seq2seq.translation.translator import Translator

CHUNK = 16  # pairs whose variants are measured together
RANDOM = "random words"


class Drops(NamedTuple):
    """How much the log-probability of target words falls, for one choice of source words.

    Attributes:
        name: the method, or RANDOM.
        total: the sums over all target words, for each number of hidden words, in nats.
        words: the number of target words.
    """

    name: str
    total: Float[ndarray, " numbers"]
    words: int

    @property
    def mean(self) -> Float[ndarray, " numbers"]:
        """The mean drop of a target word."""
        return self.total / max(self.words, 1)


def drops(
    translator: Translator,
    texts: Sequence[tuple[str, str]],
    rules: Sequence[Rule],
    numbers: Sequence[int],
    *,
    hide: Hide,
    seed: int,
    name: str,
) -> list[Drops]:
    """Measure the drops of each method, and those of random words last.

    Where a source has fewer words than are to be hidden, all are hidden. Pairs with a side without
    pieces are left out.

    Args:
        translator: the trained run.
        texts: sources and targets.
        rules: the methods.
        numbers: how many source words are hidden.
        hide: how they are hidden.
        seed: of the random words.
        name: the name of the text, for the progress bar.

    Raises:
        UserError: a method cannot be applied to this model.
    """
    names = [*(rule.method for rule in rules), RANDOM]
    totals = np.zeros((len(names), len(numbers)))
    words = 0
    random = np.random.default_rng(seed)
    sides = translator.tokenizers
    ids = (
        sides.source.encode([source for source, _ in texts]),
        sides.target.encode([target for _, target in texts]),
    )
    pairs = [pair for pair, source, target in zip(texts, *ids, strict=True) if source and target]
    starts = range(0, len(pairs), CHUNK)
    work = f"hiding words of {name}"
    for start in track(starts, work, total=len(starts), unit="batches"):
        forced = list(translator.force(pairs[start : start + CHUNK], scored=False))
        found = [explain(translator, forced, rule) for rule in rules]
        orders = [
            [
                *(ranking(one, rule) for one, rule in zip(own, rules, strict=True)),
                random_ranking(own[0], random),
            ]
            for own in zip(*found, strict=True)
        ]
        for fallen in measured(translator, found[0], orders, numbers, hide):
            totals += fallen.sum(1)
            words += fallen.shape[1]
    return [Drops(one, total, words) for one, total in zip(names, totals, strict=True)]


def ranking(explained: Explained, rule: Rule) -> list[list[int]]:
    """Return the source words of each target word by falling values; equal ones from the left."""
    pieces = rule.read(explained.map.values)
    target = explained.cut.target[: len(pieces)]
    share = target[:, : len(explained.gold.target)].T @ pieces
    groups = source_words(explained.cut.source)
    values = np.stack([share[:, group].sum(1) for group in groups], axis=1)
    return np.argsort(-values, axis=1, kind="stable").tolist()


def random_ranking(explained: Explained, random: np.random.Generator) -> list[list[int]]:
    """Return the source words of each target word in a random order."""
    count = len(source_words(explained.cut.source))
    return [random.permutation(count).tolist() for _ in explained.gold.target]


def measured(
    translator: Translator,
    found: Sequence[Explained],
    orders: Sequence[Sequence[Sequence[Sequence[int]]]],
    numbers: Sequence[int],
    hide: Hide,
) -> Iterator[Float[ndarray, "methods words numbers"]]:
    """Yield the drops of all target words of each pair; equal sets of words are measured once.

    Args:
        translator: the trained run.
        found: the pairs, with their words.
        orders: for each pair, method and target word, the source words in the order of hiding.
        numbers: how many of them are hidden.
        hide: how they are hidden.
    """
    occlusion, unk = Occlusion(hide=hide), translator.model.special.unk
    pairs = encoded(translator, [one.translation for one in found])
    keys: list[dict[frozenset[int], int]] = []
    variants: list[Variant] = []
    for pair, one, order in zip(pairs, found, orders, strict=True):
        groups = source_words(one.cut.source)
        hidden = [frozenset(row[:k]) for rows in order for row in rows for k in numbers]
        own: dict[frozenset[int], int] = {}
        for chosen in [frozenset[int](), *hidden]:
            if chosen not in own:
                own[chosen] = len(variants)
                pieces = [piece for word in sorted(chosen) for piece in groups[word]]
                variants.append(occlusion.variant(pair, pieces, unk))
        keys.append(own)
    values = log_probabilities(translator, variants)
    for one, order, own in zip(found, orders, keys, strict=True):
        share = one.cut.target[:, : len(one.gold.target)].T
        by_word = {
            chosen: share @ values[number][: share.shape[1]].numpy()
            for chosen, number in own.items()
        }
        whole = by_word[frozenset()]
        yield np.array(
            [
                [
                    [whole[i] - by_word[frozenset(row[:k])][i] for k in numbers]
                    for i, row in enumerate(rows)
                ]
                for rows in order
            ]
        ).reshape(len(order), -1, len(numbers))
