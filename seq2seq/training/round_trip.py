"""Lost characters and highest possible BLEU after a round trip through the tokenizer.

Normalization rewrites characters (… becomes three dots), and characters without a piece are
unknown: no model with this vocabulary can produce a reference that contains them. Repeated,
leading and trailing spaces, which no metric counts, are ignored.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

from seq2seq.corpora import Corpus, Text
from seq2seq.corpora.cache import cache_folder
from seq2seq.corpora.content_cache import read_cached, write_cached
from seq2seq.errors import UserError
from seq2seq.scoring import metrics
from seq2seq.settings.config import TokenizerConfig
from seq2seq.text.characters import named
from seq2seq.text.languages import Target
from seq2seq.text.sentence_piece import normalized
from seq2seq.text.tokenizer import Tokenizers

SHOWN = 6  # maximum number of characters in a message
STORED = 50  # maximum number of characters in run.json
MAX_TRAIN_LINES = 20_000  # lines of the training text that are measured


@dataclass(frozen=True)
class Loss:
    """The characters that one split loses in the round trip.

    Attributes:
        split: the name of the split.
        lines: number of references measured.
        changed: number of references that cannot be reproduced.
        characters: counts of the lost characters of the target side, most frequent first.
        unknown: counts of the characters of the source side that are not in the vocabulary, most
            frequent first.
        bleu: BLEU of the reproduced references against the references, the highest possible score.
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
        """Messages about the lost and unknown characters, for the user."""
        messages = []
        if self.changed:
            share = 100 * self.changed / self.lines
            messages.append(
                f"{self.split}: {self.changed:,} of {self.lines:,} references ({share:.1f} %) "
                "cannot be reproduced with these tokenizer settings, so that BLEU is at most "
                f"{self.bleu:.1f}; lost characters: {listed(self.characters)}"
            )
        if self.unknown:
            messages.append(
                f"{self.split}: characters of the source side that are not in the vocabulary: "
                f"{listed(self.unknown)}"
            )
        return messages

    def facts(self) -> dict[str, Any]:
        """The fields of run.json that describe the loss."""
        lost, unknown = (
            {named(character): count for character, count in islice(counts.items(), STORED)}
            for counts in (self.characters, self.unknown)
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
    """Compare references with their round trip.

    Args:
        split: the name of the split.
        references: the reference sentences.
        written: the references after encoding and decoding.
        target: language and tokenizer for BLEU.
        unknown: counts of the characters of the source side that are not in the vocabulary.
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
    """Measure the loss of every split with the vocabularies of a run.

    A result is stored in the cache, because it takes as long as the rest of the start of a training
    whose corpus is prepared.
    """
    losses = {}
    for split, text in texts.items():
        key = (split, text.fingerprint, *(one.fingerprint for one in tokenizers), *target)
        path = cache_folder() / "round_trip" / f"{hashed(key)}.json"
        if known := read_cached(path):
            losses[split] = Loss(**known)
            continue
        every = 1 + (len(text) // MAX_TRAIN_LINES if split == "train" else 0)
        sources, references = (
            list(islice(side, 0, None, every)) for side in (text.sources(), text.targets())
        )
        written = map(tokenizers.target.decode, tokenizers.target.encode(references))
        unknown = tokenizers.source.unknown(sources)
        losses[split] = measure(split, references, list(written), target, unknown)
        with suppress(UserError):  # a cache that is only read is no error
            write_cached(path, asdict(losses[split]))
    return losses


def hashed(key: tuple[object, ...]) -> str:
    """Hash what a loss depends on: the key, this code, and the versions of the libraries."""
    versions = [version(name) for name in ("sacrebleu", "sentencepiece")]
    digest = hashlib.sha256(repr((key, versions)).encode())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()


def by_rules(corpus: Corpus, settings: TokenizerConfig, target: Target) -> dict[str, Loss]:
    """Estimate the minimum loss before a vocabulary is learned, from the normalization rules.

    Characters that do not occur in the training text are unknown in every vocabulary learned from
    it.
    """
    rules = settings.normalization, settings.target_normalization or settings.normalization
    known: tuple[set[str], set[str]] = (set(), set())
    for pair in corpus.read("train"):
        for characters, side in zip(known, pair, strict=True):
            characters.update(side)
    for characters, rule in zip(known, rules, strict=True):
        characters.update(*normalized(list(characters), rule), " ")
    losses = {}
    for split in corpus.splits:
        pairs = corpus.read(split)
        measured = islice(pairs, MAX_TRAIN_LINES) if split == "train" else pairs
        sources, references = zip(*measured, strict=True)
        written = [_without(line, known[1]) for line in normalized(references, rules[1])]
        unseen: Counter[str] = Counter()
        for line in normalized(sources, rules[0]):
            unseen.update(set(line) - known[0])
        losses[split] = measure(split, references, written, target, unseen)
    return losses


def listed(characters: Mapping[str, int]) -> str:
    """Format the most frequent characters with their counts."""
    shown = [f"{named(c)} {n:,} times" for c, n in islice(characters.items(), SHOWN)]
    more = len(characters) - len(shown)
    return ", ".join(shown) + (f", and {more:,} more" if more > 0 else "")


def sentences(losses: Iterable[Loss]) -> list[str]:
    """Messages about several splits, for the user."""
    return [sentence for loss in losses for sentence in loss.sentences()]


def _without(line: str, known: set[str]) -> str:
    """Replace every unknown character of a line with SentencePiece's unknown mark (U+2047)."""
    return "".join(c if c in known else " \N{DOUBLE QUESTION MARK} " for c in line)


def _one_space(line: str) -> str:
    """A line without repeated, leading and trailing spaces."""
    return " ".join(filter(None, line.split(" ")))
