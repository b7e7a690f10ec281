"""What text loses from text to pieces and back: the best score that a perfect translator can have.

Normalization rewrites characters (… becomes three dots) and characters without a piece are unknown:
a reference that has them cannot be reproduced by any model over this vocabulary. Spaces in a row
and at the ends of a line, which no metric counts, are not regarded as lost.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from seq2seq.config import TokenizerConfig
from seq2seq.corpora import Corpus, Text
from seq2seq.scoring import metrics
from seq2seq.text.characters import named
from seq2seq.text.languages import Target
from seq2seq.text.tokenizer import Tokenizers, normalized

SHOWN = 6  # characters named in a sentence
STORED = 50  # characters kept in run.json
MOST = 20_000  # lines of a training text that are measured


@dataclass(frozen=True)
class Loss:
    """What the target side of one split loses.

    Attributes:
        split: its name.
        lines: how many references were measured.
        changed: how many of them cannot be reproduced.
        characters: those lost, the most frequent first, with how often.
        unknown: characters of the source side that the vocabulary does not have, likewise.
        bleu: of the reproduced references against the references, the highest possible score.
    """

    split: str
    lines: int
    changed: int
    characters: dict[str, int]
    unknown: dict[str, int]
    bleu: float

    def __bool__(self) -> bool:
        return bool(self.changed or self.unknown)

    def sentences(self) -> list[str]:
        """What a user should know of it."""
        said = []
        if self.changed:
            share = 100 * self.changed / self.lines
            said.append(
                f"{self.split}: {self.changed:,} of {self.lines:,} references ({share:.1f} %) "
                "cannot be written with these tokenizer settings, so that BLEU is at most "
                f"{self.bleu:.1f}: it loses {listed(self.characters)}"
            )
        if self.unknown:
            said.append(
                f"{self.split}: the source side has characters without a piece (unknown): "
                f"{listed(self.unknown)}"
            )
        return said

    def facts(self) -> dict[str, Any]:
        """What run.json says of it."""
        lost, unknown = (
            {named(character): count for character, count in islice(found.items(), STORED)}
            for found in (self.characters, self.unknown)
        )
        return {
            "lines": self.lines,
            "changed": self.changed,
            "bleu": self.bleu,
            "lost": lost,
            "unknown_in_source": unknown,
        }


def measure(
    split: str,
    references: Sequence[str],
    written: Sequence[str],
    target: Target,
    unknown: Mapping[str, int] | None = None,
) -> Loss:
    """Compare references with what comes back of them.

    Args:
        split: its name.
        references: a line a sentence.
        written: the same after encoding and decoding.
        target: how BLEU splits them.
        unknown: characters of the source side without a piece.
    """
    lost: Counter[str] = Counter()
    changed = 0
    for before, after in zip(map(_one_space, references), map(_one_space, written), strict=True):
        if before != after:
            changed += 1
            lost += Counter(before) - Counter(after)
    del lost[" "]
    bleu = 100.0
    if changed:
        bleu = metrics.bleu([*written], [*references], **target._asdict())
    return Loss(
        split,
        len(references),
        changed,
        dict(lost.most_common()),
        dict(Counter(unknown or {}).most_common()),
        bleu,
    )


def by_vocabulary(
    texts: Mapping[str, Text], tokenizers: Tokenizers, target: Target
) -> dict[str, Loss]:
    """The loss of every split by the vocabularies of a run."""
    found = {}
    for split, text in texts.items():
        every = 1 + (len(text) // MOST if split == "train" else 0)
        sources, references = (
            list(islice(side, 0, None, every)) for side in (text.sources(), text.targets())
        )
        written = map(tokenizers.target.decode, tokenizers.target.encode(references))
        unknown = tokenizers.source.unknown(sources)
        found[split] = measure(split, references, list(written), target, unknown)
    return found


def by_rules(corpus: Corpus, settings: TokenizerConfig, target: Target) -> dict[str, Loss]:
    """The least loss, before there is a vocabulary: by the rules of normalization alone.

    Characters that the training text does not have are unknown to every vocabulary of it.
    """
    rules = settings.normalization, settings.target_normalization or settings.normalization
    known: tuple[set[str], set[str]] = (set(), set())
    for pair in corpus.read("train"):
        for characters, side in zip(known, pair, strict=True):
            characters.update(side)
    for characters, rule in zip(known, rules, strict=True):
        characters.update(*normalized(list(characters), rule), " ")
    found = {}
    for split in corpus.splits:
        pairs = corpus.read(split)
        looked_at = islice(pairs, MOST) if split == "train" else pairs
        sources, references = zip(*looked_at, strict=True)
        written = [_without(line, known[1]) for line in normalized(references, rules[1])]
        unseen: Counter[str] = Counter()
        for line in normalized(sources, rules[0]):
            unseen.update(set(line) - known[0])
        found[split] = measure(split, references, written, target, unseen)
    return found


def listed(characters: Mapping[str, int]) -> str:
    """The most frequent characters with their counts."""
    shown = [f"{named(c)} {n:,} times" for c, n in islice(characters.items(), SHOWN)]
    more = len(characters) - len(shown)
    return ", ".join(shown) + (f", and {more:,} more" if more > 0 else "")


def sentences(losses: Iterable[Loss]) -> list[str]:
    """All that is to be said of several splits."""
    return [sentence for loss in losses for sentence in loss.sentences()]


def _without(line: str, known: set[str]) -> str:
    """A line with the mark of SentencePiece for every character that is not known."""
    return "".join(c if c in known else " \N{DOUBLE QUESTION MARK} " for c in line)


def _one_space(line: str) -> str:
    """A line without spaces in a row or at its ends."""
    return " ".join(filter(None, line.split(" ")))
