"""From a corpus to what a model trains on: vocabularies, token ids, batches."""

import contextlib
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from random import Random
from typing import Any

import numpy as np

from seq2seq.alignment.gold import Gold
from seq2seq.config import TokenizerConfig
from seq2seq.corpora import (
    Corpus,
    Encoded,
    Text,
    Usable,
    cache_folder,
    encode,
    overlaps,
    same_as_training,
    usable,
)
from seq2seq.errors import UserError
from seq2seq.system.console import console
from seq2seq.text import markup
from seq2seq.text.batching import Batch, collate, pack
from seq2seq.text.tokenizer import Tokenizers

# Bytes of text that a vocabulary is learned from: much more changes no piece worth having, and
# SentencePiece takes 6 to 20 times as much memory.
SAMPLE = {"bpe": 64 << 20, "unigram": 32 << 20}
GROWTH_SAMPLE = 500  # pairs by which the growth of texts under sampling is estimated


def learn_tokenizers(corpus: Corpus, settings: TokenizerConfig) -> Tokenizers:
    """Vocabularies of the training text, and of nothing else; from the cache if learned before."""
    text = corpus.text("train")
    choices = {key: value for key, value in vars(settings).items() if key != "sampling"}
    every = 1 + text.size // SAMPLE[settings.kind]  # pairs from one that is looked at to the next
    made_by = f"{text.fingerprint} {every} {sorted(choices.items())} {version('sentencepiece')}"
    folder = cache_folder() / "tokenizers" / hashlib.sha256(made_by.encode()).hexdigest()
    with contextlib.suppress(UserError):
        return Tokenizers.load(folder)
    with console.status("learning the vocabulary"):
        tokenizers = Tokenizers.train(
            islice(text.sources(), 0, None, every),
            islice(text.targets(), 0, None, every),
            **choices,
        )
    tokenizers.save(folder)
    return tokenizers


def held_out_texts(corpus: Corpus) -> dict[str, Text]:
    """The texts that are translated and scored, by name: validation and every test set."""
    return {split: corpus.text(split) for split in corpus.splits if split != "train"}


def refuse_test_on_train(train: Text, texts: Mapping[str, Text]) -> None:
    """Refuse a test set whose pairs are all of the training text, whatever its file is called."""
    for split, text in texts.items():
        if split != "validation" and text.fingerprint == train.fingerprint:
            raise same_as_training(split)


def print_overlap(train: Text, texts: Mapping[str, Text]) -> None:
    """Say which of those texts have sentences that are trained on: their scores tell less."""
    for overlap in overlaps(train, texts):
        console.print(f"overlap: {overlap}")


def tell_markup(texts: Mapping[str, Text]) -> None:
    """Say which texts have lines that look like tags, n-best lists or the like."""
    for split, text in texts.items():
        for side, lines in (("source", text.sources()), ("target", text.targets())):
            if sentence := markup.remark(lines, f"{split}, {side} side"):
                console.print(sentence, markup=False)


def gold_alignments(corpus: Corpus) -> dict[str, Iterable[Gold]]:
    """The word alignments of those texts, where the corpus knows them."""
    found = {split: corpus.gold(split) for split in corpus.splits if split != "train"}
    return {split: gold for split, gold in found.items() if gold is not None}


@dataclass(frozen=True)
class Examples:
    """A training text as token ids, and which of its pairs are used."""

    text: Text
    encoded: Encoded
    usable: Usable
    tokenizers: Tokenizers
    max_length: int
    sampling: float
    seed: int

    @classmethod
    def prepare(
        cls, corpus: Corpus, tokenizers: Tokenizers, *, sampling: float, seed: int
    ) -> "Examples":
        """Encode the training text and leave out what cannot be trained on.

        Raises:
            UserError: nothing is left.
        """
        text = corpus.text("train")
        encoded = encode(text, tokenizers.source, tokenizers.target)
        kept = usable(encoded, corpus.max_length)
        if not len(kept.rows):
            raise UserError(
                f"no training pair is left of {len(text):,}: {kept.empty:,} have an empty side, "
                f"{kept.too_long:,} are longer than data.max_length={corpus.max_length} pieces"
            )
        return cls(text, encoded, kept, tokenizers, corpus.max_length, sampling, seed)

    def batches(
        self, rows: np.ndarray, place: Sequence[int], budget: int
    ) -> list[tuple[np.ndarray, Batch]]:
        """The pairs of these rows as batches of at most `budget` tokens, each with its rows.

        Without sampling that is one batch. With sampling, `place` (epoch, position, rank) decides
        the pieces, of which there are more than the rows were chosen by: what exceeds the budget
        becomes further batches of the same update.
        """
        if not self.sampling:
            return [(rows, collate([self.encoded[row] for row in rows.tolist()]))]
        pairs = self.sampled(rows, place, longest=min(self.max_length, budget - 1))
        lengths = np.array([max(map(len, pair)) + 1 for pair in pairs])
        parts = pack(np.argsort(lengths, kind="stable"), lengths, budget)
        return [(rows[part], collate([pairs[i] for i in part.tolist()])) for part in parts]

    def sampled(
        self, rows: np.ndarray, place: Sequence[int], longest: int
    ) -> list[tuple[Sequence[int], Sequence[int]]]:
        """Random pieces of both sides; the usual ones for a text that would have over `longest`."""
        # A stream of its own for every batch, so that resuming needs no generator's state.
        chance = Random(int(np.random.default_rng([self.seed, *place]).integers(2**63)))
        found = []
        for row in rows.tolist():
            sides = [
                tokenizer.sample(text, self.sampling, chance)
                for tokenizer, text in zip(self.tokenizers, self.text[row], strict=True)
            ]
            usual = self.encoded[row]
            source, target = (
                side if len(side) <= longest else known.tolist()
                for side, known in zip(sides, usual, strict=True)
            )
            found.append((source, target))
        return found

    @property
    def growth(self) -> float:
        """How many times more pieces a text has with sampling: the mean over some of the pairs."""
        if not self.sampling:
            return 1.0
        rows = self.usable.rows[:: 1 + len(self.usable.rows) // GROWTH_SAMPLE]
        pairs = self.sampled(rows, (0, 0, 0), longest=self.max_length)
        usual = self.encoded.source_lengths[rows] + self.encoded.target_lengths[rows]
        return max(1.0, sum(len(side) for pair in pairs for side in pair) / int(usual.sum()))

    def lengths(self, budget: int) -> tuple[np.ndarray, np.ndarray]:
        """Pieces of each source and target as batches are to be cut by: those expected."""
        both = self.encoded.source_lengths, self.encoded.target_lengths
        growth = self.growth
        if growth == 1:
            return both
        most = min(self.max_length, budget - 1)
        # No shorter than the usual pieces, so that a pair that cannot fit is still refused.
        expected = (np.minimum(np.ceil(side * growth), np.maximum(side, most)) for side in both)
        source, target = (side.astype(np.int32) for side in expected)
        return source, target

    @property
    def mean_lengths(self) -> tuple[int, int]:
        """Pieces of a source and of a target, `</s>` included, to the nearest whole number."""
        encoded, rows = self.encoded, self.usable.rows
        source, target = encoded.source_lengths[rows].mean(), encoded.target_lengths[rows].mean()
        return round(float(source)) + 1, round(float(target)) + 1

    def facts(self) -> dict[str, Any]:
        """What run.json says of the training text."""
        return {
            "sha256": self.text.fingerprint,
            "pairs": len(self.text),
            "used": len(self.usable.rows),
            "empty": self.usable.empty,
            "too_long": self.usable.too_long,
        }
