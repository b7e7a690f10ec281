"""The words and phrases that one system gets right and another does not.

An n-gram of a reference is got right as often as the translation of the same sentence has it, at
most as often as the reference has it: what BLEU counts.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from seq2seq.compare.systems import System
from seq2seq.scoring.metrics import words
from seq2seq.text.languages import Target

LONGEST = 4  # words, as in BLEU
MOST = 10  # shown of a kind


class Found(NamedTuple):
    """One n-gram: how often references have it, and how often two systems do, over their seeds."""

    text: str
    references: int
    first: float
    second: float


class Matches:
    """The n-grams of all references, and how often each system has them where they belong.

    Args:
        systems: the systems.
        references: a line a sentence.
        outputs: the translations of every run.
        target: the target language and the sacreBLEU tokenizer, which decide what a word is.
    """

    def __init__(
        self,
        systems: Sequence[System],
        references: list[str],
        outputs: Mapping[str, list[str]],
        target: Target,
    ) -> None:
        known = [ngrams(line) for line in words(references, *target)]
        self.references: Counter[str] = Counter()
        for there in known:
            self.references.update(there)
        self.right: dict[str, Counter[str]] = {}
        for system in systems:
            total: Counter[str] = Counter()
            for run in system.runs:
                for line, there in zip(words(outputs[run.name], *target), known, strict=True):
                    total.update(ngrams(line) & there)
            self.right[system.name] = total
        self.seeds = {system.name: len(system.runs) for system in systems}

    def rate(self, system: str, ngram: str) -> float:
        """How often a system has an n-gram right, on average over its seeds."""
        return self.right[system][ngram] / self.seeds[system]

    def better(self, first: str, second: str, *, phrases: bool) -> list[Found]:
        """What the first system gets right more often than the second, by how much more.

        Args:
            first: a system.
            second: another.
            phrases: of two words and more, each one only in its longest or commonest form;
                otherwise single words.
        """
        gains = {
            ngram: self.rate(first, ngram) - self.rate(second, ngram)
            for ngram in self.references
            if (" " in ngram) == phrases
        }
        best = sorted(
            (ngram for ngram, gain in gains.items() if gain > 0),
            key=lambda ngram: (-gains[ngram], -len(ngram), ngram),
        )
        chosen: list[str] = []
        for ngram in best:
            if len(chosen) == MOST:
                break
            if not any(f" {ngram} " in f" {one} " or f" {one} " in f" {ngram} " for one in chosen):
                chosen.append(ngram)
        return [
            Found(one, self.references[one], self.rate(first, one), self.rate(second, one))
            for one in chosen
        ]


def ngrams(line: list[str]) -> Counter[str]:
    """All n-grams of a line, their words set apart by spaces."""
    return Counter(
        " ".join(line[i : i + n]) for n in range(1, LONGEST + 1) for i in range(len(line) - n + 1)
    )
