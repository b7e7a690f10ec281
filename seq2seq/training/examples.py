"""Training examples of a corpus: vocabularies, token ids, batches."""

import contextlib
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from random import Random
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from seq2seq.alignment.gold import Gold
from seq2seq.corpora import (
    Corpus,
    Encoded,
    Text,
    Usable,
    cache_folder,
    overlaps,
    same_as_training,
    usable,
)
from seq2seq.corpora.joined import bounds_of, encode_any
from seq2seq.corpora.text import Lines
from seq2seq.corpora.weights import Weights
from seq2seq.errors import UserError
from seq2seq.settings.config import TokenizerConfig
from seq2seq.system.console import console
from seq2seq.text import markup
from seq2seq.text.batching import Batch, collate, pack
from seq2seq.text.part_draws import PartDraws
from seq2seq.text.tokenizer import Tokenizers

# Bytes of text to learn a vocabulary from: more text hardly changes the pieces, and SentencePiece
# needs 6 to 20 times this much memory.
SAMPLE = {"bpe": 64 << 20, "unigram": 32 << 20}
GROWTH_SAMPLE = 500  # pairs from which the length increase under sampling is estimated


def learn_tokenizers(corpus: Corpus, settings: TokenizerConfig) -> Tokenizers:
    """Learn the vocabularies from the training text only, or load them from the cache.

    The text of a mixture is that of its first epoch.
    """
    text = corpus.text("train")
    choices = {name: value for name, value in vars(settings).items() if name != "sampling"}
    every = 1 + text.size // SAMPLE[settings.kind]  # learn from every n-th pair
    key = f"{text.fingerprint} {every} {sorted(choices.items())} {version('sentencepiece')}"
    mixed = corpus.mixed()
    plain = mixed is None or mixed == (mixed.names, None, 1)  # every pair once
    key += "" if plain else f" {mixed}"
    folder = cache_folder() / "tokenizers" / hashlib.sha256(key.encode()).hexdigest()
    with contextlib.suppress(UserError):
        return Tokenizers.load(folder)
    with console.status("learning the vocabulary"):
        sides: Iterable[Iterable[str]]
        if mixed is None or plain:
            sides = (islice(side, 0, None, every) for side in (text.sources(), text.targets()))
        else:
            bounds = bounds_of(text)
            draws = PartDraws(bounds, mixed.shares(np.diff(bounds).tolist()), seed=0)
            sides = zip(*(text[row] for row in draws.rows(0)[::every]), strict=True)
        source, target = sides
        tokenizers = Tokenizers.train(source, target, **choices)
    tokenizers.save(folder)
    return tokenizers


def held_out_texts(corpus: Corpus) -> dict[str, Text]:
    """The held-out texts by split name: validation and all test sets."""
    return {split: corpus.text(split) for split in corpus.splits if split != "train"}


def refuse_test_on_train(train: Text, texts: Mapping[str, Text]) -> None:
    """Check that no test set is identical to the training text.

    Raises:
        UserError: a test set has the same pairs as the training text.
    """
    for split, text in texts.items():
        if split != "validation" and text.fingerprint == train.fingerprint:
            raise same_as_training(split)


def print_overlap(train: Text, texts: Mapping[str, Text]) -> None:
    """Print which held-out texts share sentences with the training text, which biases scores."""
    for overlap in overlaps(train, texts):
        console.print(f"overlap: {overlap}")


def print_markup(texts: Mapping[str, Text]) -> None:
    """Print which texts have lines that look like tags, n-best lists or other markup."""
    for split, text in texts.items():
        for side, lines in (("source", text.sources()), ("target", text.targets())):
            if remark := markup.remark(lines, f"{split}, {side} side"):
                console.print(remark, markup=False)


def gold_alignments(corpus: Corpus) -> dict[str, Iterable[Gold]]:
    """The gold word alignments of the held-out texts, for splits that have them."""
    by_split = {split: corpus.gold(split) for split in corpus.splits if split != "train"}
    return {split: gold for split, gold in by_split.items() if gold is not None}


@runtime_checkable
class IdRows(Protocol):
    """The ids of a text, by row."""

    source_lengths: np.ndarray
    target_lengths: np.ndarray

    def __getitem__(self, index: int, /) -> tuple[NDArray[np.int32], NDArray[np.int32]]: ...


@dataclass(frozen=True)
class Segmented:
    """A text as token ids, from which batches are built.

    Attributes:
        text: the text.
        encoded: its token ids.
        tokenizers: of the source and target side.
        max_length: maximum number of pieces of a source or target.
        sampling: strength of subword sampling; 0 disables it.
        seed: seed of subword sampling.
    """

    text: Lines
    encoded: IdRows
    tokenizers: Tokenizers
    max_length: int
    sampling: float
    seed: int

    def batches(
        self, rows: np.ndarray, place: Sequence[int], budget: int
    ) -> list[tuple[np.ndarray, Batch]]:
        """Build batches of at most `budget` tokens from these rows; return each with its rows.

        Without sampling this is a single batch. With sampling, the pieces depend on `place` (epoch
        and number of the batch), and may be more than estimated when the rows were grouped: pairs
        over the budget form further batches of the same update.
        """
        special = self.tokenizers.special
        if not self.sampling:
            return [(rows, collate([self.encoded[row] for row in rows.tolist()], special))]
        pairs = self.sampled(rows, place, longest=min(self.max_length, budget - 1))
        lengths = np.array([max(map(len, pair)) + 1 for pair in pairs])
        parts = pack(np.argsort(lengths, kind="stable"), lengths, budget)
        return [(rows[part], collate([pairs[i] for i in part.tolist()], special)) for part in parts]

    def sampled(
        self, rows: np.ndarray, place: Sequence[int], longest: int
    ) -> list[tuple[Sequence[int], Sequence[int]]]:
        """Sample a segmentation of both sides; keep the best one if the sample is over `longest`.

        Lengths are in pieces.
        """
        # Seeded for each batch, so that resuming needs no generator state.
        generator = Random(int(np.random.default_rng([self.seed, *place]).integers(2**63)))
        pairs = []
        for row in rows.tolist():
            sides = [
                tokenizer.sample(text, self.sampling, generator)
                for tokenizer, text in zip(self.tokenizers, self.text[row], strict=True)
            ]
            source, target = (
                side if len(side) <= longest else unsampled.tolist()
                for side, unsampled in zip(sides, self.encoded[row], strict=True)
            )
            pairs.append((source, target))
        return pairs

    def lengths(self, budget: int, growth: float) -> tuple[np.ndarray, np.ndarray]:
        """The expected number of pieces of each source and target, by which batches are built.

        `growth` is the ratio of the number of pieces with and without sampling.
        """
        both = self.encoded.source_lengths, self.encoded.target_lengths
        if growth == 1:
            return both
        limit = min(self.max_length, budget - 1)
        # At least the length without sampling, so that a pair that cannot fit is still an error.
        expected = (np.minimum(np.ceil(side * growth), np.maximum(side, limit)) for side in both)
        source, target = (side.astype(np.int32) for side in expected)
        return source, target


@dataclass(frozen=True)
class Examples(Segmented):
    """A training text as token ids, with the pairs that are used for training.

    Attributes:
        text: the training text.
        encoded: its token ids.
        usable: the rows that are neither empty nor too long.
    """

    text: Text
    encoded: Encoded
    usable: Usable

    @classmethod
    def prepare(
        cls, corpus: Corpus, tokenizers: Tokenizers, *, sampling: float, seed: int
    ) -> "Examples":
        """Encode the training text and exclude pairs that are empty or too long.

        Raises:
            UserError: no pair is left.
        """
        text = corpus.text("train")
        encoded = encode_any(text, tokenizers.source, tokenizers.target)
        kept = usable(encoded, corpus.max_length)
        if not len(kept.rows):
            raise UserError(
                f"no training pair is left of {len(text):,}: {kept.empty:,} have an empty side, "
                f"{kept.too_long:,} are longer than data.max_length={corpus.max_length} pieces"
            )
        return cls(text, encoded, tokenizers, corpus.max_length, sampling, seed, kept)

    def draws(self, mixed: Weights | None) -> PartDraws | None:
        """Return which usable rows each epoch of a mixture has; None for any other corpus.

        Raises:
            UserError: a part has no usable pair.
        """
        if mixed is None:
            return None
        bounds = np.searchsorted(self.usable.rows, bounds_of(self.text))
        pairs = np.diff(bounds)
        for name, count in zip(mixed.names, pairs, strict=True):
            if not count:
                raise UserError(
                    f"no training pair of data.parts.{name} is left: each has an empty side or is "
                    f"longer than data.max_length={self.max_length} pieces"
                )
        return PartDraws(bounds.tolist(), mixed.shares(pairs.tolist()), self.seed)

    @property
    def growth(self) -> float:
        """Ratio of the number of pieces with and without sampling, estimated on a sample."""
        if not self.sampling:
            return 1.0
        rows = self.usable.rows[:: 1 + len(self.usable.rows) // GROWTH_SAMPLE]
        pairs = self.sampled(rows, (0, 0, 0), longest=self.max_length)
        unsampled = self.encoded.source_lengths[rows] + self.encoded.target_lengths[rows]
        return max(1.0, sum(len(side) for pair in pairs for side in pair) / int(unsampled.sum()))

    @property
    def mean_lengths(self) -> tuple[int, int]:
        """The mean number of pieces of a source and a target, with `</s>`, rounded."""
        encoded, rows = self.encoded, self.usable.rows
        source, target = encoded.source_lengths[rows].mean(), encoded.target_lengths[rows].mean()
        return round(float(source)) + 1, round(float(target)) + 1

    def facts(self) -> dict[str, Any]:
        """The fields of run.json that describe the training text."""
        return {
            "sha256": self.text.fingerprint,
            "pairs": len(self.text),
            "used": len(self.usable.rows),
            "empty": self.usable.empty,
            "too_long": self.usable.too_long,
        }
