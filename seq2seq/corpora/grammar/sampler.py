"""Seeded random choices from the lexicon, used by the grammar."""

from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate
from random import Random
from typing import TypeVar

from seq2seq.corpora.grammar.agreement import MODALS, Tense
from seq2seq.corpora.grammar.lexicon import Adjective, Lexicon, Noun, Verb

Item = TypeVar("Item")


class Sampler:
    """Random choices of words and constructions, and the state of the current sentence.

    Args:
        lexicon: the words.
        seed: random seed; the same seed gives the same choices on every machine.
    """

    def __init__(self, lexicon: Lexicon, seed: int) -> None:
        # Of the methods of Random, only random() is guaranteed to stay the same across versions.
        self._random = Random(seed).random
        self.lexicon = lexicon
        self.words_left = 0  # number of words that may still be added
        self.min_probability = 0.0  # lower bound on the probability of additions
        self.tense: Tense = "past"
        self._adjectives: dict[tuple[frozenset[str], str], list[Adjective]] = {}
        self.last_noun: tuple[bool, bool] | None = None  # feminine, plural
        self.used_nouns: set[str] = set()  # nouns of this sentence; repetition is rare
        self.nouns: dict[str, list[Noun]] = {}
        for noun in lexicon.nouns:
            for kind in sorted(noun.classes):
                self.nouns.setdefault(kind, []).append(noun)
        self._verbs: dict[tuple[frozenset[str], str], list[Verb]] = {}
        self.modals = [lexicon.verb(english, french) for english, french in MODALS.items()]

    def bernoulli(self, probability: float) -> bool:
        """Return True with this probability."""
        return self._random() < probability

    def choose(self, items: Sequence[Item]) -> Item:
        """Return one of the items, with equal probabilities."""
        return items[int(self._random() * len(items))]

    def weighted_choice(self, **weights: int | float) -> str:
        """Return one of the names, with probabilities proportional to the weights."""
        ends = list(accumulate(weights.values()))
        return list(weights)[bisect(ends, self._random() * ends[-1])]

    def between(self, fewest: int, most: int) -> int:
        """Return an integer from `fewest` to `most`, both included, with equal probabilities."""
        return fewest + int(self._random() * (most - fewest + 1))

    def spend(self, words: int, probability: float) -> bool:
        """Decide whether to add a construction of this many words; subtract them if so.

        Return False if fewer words are left, else True with the given probability or with
        `min_probability`, whichever is larger.
        """
        if self.words_left < words or not self.bernoulli(max(probability, self.min_probability)):
            return False
        self.words_left -= words
        return True

    def adjectives_for(self, kinds: frozenset[str], position: str) -> list[Adjective]:
        """Return the adjectives of this position that fit a noun of these classes."""
        key = (kinds, position)
        if key not in self._adjectives:
            self._adjectives[key] = [
                adjective
                for adjective in self.lexicon.adjectives
                if position in adjective.positions and adjective.classes & kinds
            ]
        return self._adjectives[key]

    def verbs_for(self, kinds: frozenset[str], frame: str) -> list[Verb]:
        """Return the verbs of this frame that allow a subject of one of these classes."""
        key = (kinds, frame)
        if key not in self._verbs:
            self._verbs[key] = [
                verb for verb in self.lexicon.verbs if verb.frame == frame and verb.subjects & kinds
            ]
        return self._verbs[key]
