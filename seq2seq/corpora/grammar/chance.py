"""Chance under a seed, over the words of a lexicon: what the grammar draws with."""

from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate
from random import Random
from typing import TypeVar

from seq2seq.corpora.grammar.agreement import MODALS, Tense
from seq2seq.corpora.grammar.lexicon import Adjective, Lexicon, Noun, Verb

Item = TypeVar("Item")


class Chance:
    """Draws of words, and of what to do with them.

    Args:
        lexicon: the words.
        seed: decides every draw, alike on every machine.
    """

    def __init__(self, lexicon: Lexicon, seed: int) -> None:
        # Of all that Random offers only random() is promised to stay as it is.
        self._draw = Random(seed).random
        self.lexicon = lexicon
        self.left = 0  # words there is room for
        self.keen = 0.0  # the least share in which something is added
        self.tense: Tense = "past"
        self._fitting: dict[tuple[frozenset[str], str], list[Adjective]] = {}
        self.last: tuple[bool, bool] | None = None  # gender and number of the last noun drawn
        self.drawn: set[str] = set()  # the nouns of this sentence, which rarely come twice
        self.nouns: dict[str, list[Noun]] = {}
        for noun in lexicon.nouns:
            for kind in sorted(noun.classes):
                self.nouns.setdefault(kind, []).append(noun)
        self._doable: dict[tuple[frozenset[str], str], list[Verb]] = {}
        self.modals = [lexicon.verb(english, french) for english, french in MODALS.items()]

    def chance(self, share: float) -> bool:
        """True in this share of cases."""
        return self._draw() < share

    def choose(self, items: Sequence[Item]) -> Item:
        """One of the items, each as likely."""
        return items[int(self._draw() * len(items))]

    def weighed(self, **weights: int | float) -> str:
        """One of the names, as likely as it weighs."""
        ends = list(accumulate(weights.values()))
        return list(weights)[bisect(ends, self._draw() * ends[-1])]

    def between(self, fewest: int, most: int) -> int:
        """A whole number, both ends included."""
        return fewest + int(self._draw() * (most - fewest + 1))

    def spend(self, words: int, share: float) -> bool:
        """Whether to add something of so many words: only where there is room, then by chance."""
        if self.left < words or not self.chance(max(share, self.keen)):
            return False
        self.left -= words
        return True

    def fitting(self, kinds: frozenset[str], place: str) -> list[Adjective]:
        """The adjectives of this place that go with a noun of these classes."""
        key = (kinds, place)
        if key not in self._fitting:
            self._fitting[key] = [
                adjective
                for adjective in self.lexicon.adjectives
                if place in adjective.places and adjective.classes & kinds
            ]
        return self._fitting[key]

    def doable(self, kinds: frozenset[str], frame: str) -> list[Verb]:
        """The verbs of this frame whose subject may be of one of these classes."""
        key = (kinds, frame)
        if key not in self._doable:
            self._doable[key] = [
                verb for verb in self.lexicon.verbs if verb.frame == frame and verb.subjects & kinds
            ]
        return self._doable[key]
