"""Words and phrases that one system translates correctly more often than another.

An n-gram counts as correct as in BLEU: as often as it occurs in the translation of the same
sentence, clipped to its count in the reference.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from seq2seq.compare.systems import System
from seq2seq.scoring.metrics import words
from seq2seq.text.languages import Target

MAX_N = 4  # as in BLEU
MAX_SHOWN = 10  # n-grams per table and system


class NgramCounts(NamedTuple):
    """One n-gram: its count in the references and its correct counts, means over seeds."""

    text: str
    references: int
    first: float
    second: float


class Matches:
    """N-grams of all references, and how often each system has them in the right sentence.

    Args:
        systems: the systems.
        references: reference translations, one per line.
        outputs: the translations of each run.
        target: the target language and the sacreBLEU tokenizer, which determine the words.
    """

    def __init__(
        self,
        systems: Sequence[System],
        references: list[str],
        outputs: Mapping[str, list[str]],
        target: Target,
    ) -> None:
        expected = [ngrams(line) for line in words(references, *target)]
        self.references: Counter[str] = Counter()
        for counts in expected:
            self.references.update(counts)
        self.correct: dict[str, Counter[str]] = {}
        for system in systems:
            total: Counter[str] = Counter()
            for run in system.runs:
                for line, counts in zip(words(outputs[run.name], *target), expected, strict=True):
                    total.update(ngrams(line) & counts)
            self.correct[system.name] = total
        self.seeds = {system.name: len(system.runs) for system in systems}

    def rate(self, system: str, ngram: str) -> float:
        """Return how often a system has an n-gram correct, averaged over its seeds."""
        return self.correct[system][ngram] / self.seeds[system]

    def better(self, first: str, second: str, *, phrases: bool) -> list[NgramCounts]:
        """Return the n-grams with the largest advantage of `first` over `second`.

        Args:
            first: name of a system.
            second: name of another system.
            phrases: if true, n-grams of two words or more, where of those that contain each other
                only the one with the largest advantage is kept (the longest, if equal); if false,
                single words.
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
            if len(chosen) == MAX_SHOWN:
                break
            if not any(f" {ngram} " in f" {one} " or f" {one} " in f" {ngram} " for one in chosen):
                chosen.append(ngram)
        return [
            NgramCounts(one, self.references[one], self.rate(first, one), self.rate(second, one))
            for one in chosen
        ]


def ngrams(line: list[str]) -> Counter[str]:
    """Count the n-grams of a line, their words joined by spaces."""
    return Counter(
        " ".join(line[i : i + n]) for n in range(1, MAX_N + 1) for i in range(len(line) - n + 1)
    )
