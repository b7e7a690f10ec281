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
from seq2seq.text.batching import Batch, collate
from seq2seq.text.tokenizer import Tokenizers

# Bytes of text that a vocabulary is learned from: much more changes no piece worth having, and
# SentencePiece takes 6 to 20 times as much memory.
SAMPLE = {"bpe": 64 << 20, "unigram": 32 << 20}


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

    def batch(self, rows: np.ndarray, place: Sequence[int]) -> Batch:
        """The pairs of these rows; with sampling, `place` (epoch, position) decides the pieces."""
        if not self.sampling:
            return collate([self.encoded[row] for row in rows.tolist()])
        # A stream of its own for every batch, so that resuming needs no generator's state.
        chance = Random(int(np.random.default_rng([self.seed, *place]).integers(2**63)))
        source, target = self.tokenizers
        return collate(
            [
                (
                    source.sample(pair.source, self.sampling, chance),
                    target.sample(pair.target, self.sampling, chance),
                )
                for pair in map(self.text.__getitem__, rows.tolist())
            ]
        )

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
