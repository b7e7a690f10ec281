"""A table of word translations as the parameters of a model: how it is learned, stored and checked.

It has no YAML file, so it is no model by itself.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Literal

import numpy as np
import torch
from torch import nn

from seq2seq.alignment.ibm_model_1 import IBMModel1
from seq2seq.errors import UserError
from seq2seq.models.base import Autoregressive
from seq2seq.models.results import Iteration
from seq2seq.text.batching import Ids
from seq2seq.text.words import (
    SPACE,
    Word,
    kinds_of,
    numbered,
    spaced_of,
    spelling,
    split_symbol,
    split_words,
    usual_ends,
    without_padding,
)

Translations = list[tuple[Word, float]]  # of one word, with their probabilities
LONGEST_PIECE = 16  # characters, the limit of SentencePiece


class TranslationTable(Autoregressive):
    """Abstract model whose parameters are a lexical translation table (IBM Model 1).

    Tensors hold the table as piece ids: `source` has the words, `target` their candidates.

    Args:
        source_vocab: size of the source vocabulary
        target_vocab: size of the target vocabulary
        shared_vocab: whether both are the same
        unit: word splits text at spaces and punctuation, piece takes each piece as a word
        words: maximum number of source words in the table
        candidates: maximum number of translations that are kept for each word
        pieces: maximum number of pieces of a word in the table
    """

    def __init__(
        self,
        *,
        source_vocab: int,
        target_vocab: int,
        shared_vocab: bool,
        unit: Literal["word", "piece"],
        words: int,
        candidates: int,
        pieces: int,
    ) -> None:
        super().__init__()
        self.unit, self.target_vocab, self.shared_vocab = unit, target_vocab, shared_vocab
        self.source = table(words, pieces)
        self.target = table(words, candidates, pieces)
        self.probability = nn.Parameter(torch.zeros(words, candidates), requires_grad=False)
        self.source_kinds, self.target_kinds = table(source_vocab), table(target_vocab)
        self.target_ends = table(target_vocab)  # 1 if a piece is usually the last of its word
        with torch.no_grad():  # until `fit` is called, each piece is a word
            for kinds in (self.source_kinds, self.target_kinds, self.target_ends):
                kinds.fill_(1)
        self.spaced = table(source_vocab)  # the same piece after a space; padding if none
        if not shared_vocab:
            self.spelling = table(source_vocab, LONGEST_PIECE)  # each piece in target pieces
        self._lexicon: tuple[int, dict[Word, Translations]] | None = None

    def fit(
        self, pairs: Iterable[tuple[Ids, Ids]], source: Sequence[str], target: Sequence[str]
    ) -> Iterator[Iteration]:
        """Learn the table; the model can be used after each iteration.

        Args:
            pairs: the training pairs as piece ids.
            source: the pieces of the source vocabulary.
            target: the pieces of the target vocabulary.
        """
        special, pad = self.special, self.special.pad
        kinds = [(SPACE,) * len(vocabulary) for vocabulary in (source, target)]
        spaced = [(pad,) * len(vocabulary) for vocabulary in (source, target)]
        if self.unit == "word":
            kinds = [kinds_of(vocabulary, special) for vocabulary in (source, target)]
            spaced = [spaced_of(vocabulary, special) for vocabulary in (source, target)]
        set_table(self.source_kinds, [kinds[0]], pad)
        set_table(self.target_kinds, [kinds[1]], pad)
        set_table(self.spaced, [spaced[0]], pad)
        if not self.shared_vocab:
            spelled = spelling(source, target, LONGEST_PIECE, special.unk)
            set_table(self.spelling, spelled, pad)

        def words(ids: Ids, side: int) -> list[Word]:
            found = split_words(map(int, ids), kinds[side])
            parts = (split_symbol(word, kinds[side], spaced[side], pad) for word in found)
            return list(chain.from_iterable(parts))

        sentences = [
            (words(source_ids, 0), words(target_ids, 1)) for source_ids, target_ids in pairs
        ]
        ends = usual_ends((words for _, words in sentences), len(target))
        set_table(self.target_ends, [ends], pad)
        known = [numbered(side) for side in zip(*sentences, strict=True)]
        model = IBMModel1(
            ([known[0][word] for word in source_words], [known[1][word] for word in target_words])
            for source_words, target_words in sentences
        )
        del sentences
        while True:
            likelihood = model.iterate()
            self.set_words(model, *(list(ids) for ids in known))
            yield Iteration(-likelihood, model.tokens)

    def set_words(self, model: IBMModel1, source: list[Word], target: list[Word]) -> None:
        """Store the most probable translations of the most frequent source words.

        Args:
            model: the translation probabilities.
            source: the source words by id, most frequent first.
            target: the target words by id.
        """
        words, candidates, longest = self.target.shape
        usable = np.array([len(word) <= longest for word in target])
        rows: list[Word] = []
        translations: list[Word] = []
        probability = np.zeros((words, candidates), np.float32)
        for word, indices in model.best(candidates, usable):
            if len(source[word]) <= longest and len(rows) < words:
                probability[len(rows), : len(indices)] = model.probability[indices]
                rows.append(source[word])
                found = [target[i] for i in model.target[indices].tolist()]
                translations += [*found, *[()] * (candidates - len(found))]
        set_table(self.source, rows, self.special.pad)
        set_table(self.target, translations, self.special.pad)
        with torch.no_grad():
            self.probability.copy_(torch.from_numpy(probability))

    @property
    def parameter_count(self) -> int:
        """Number of translation probabilities in the table."""
        return int((self.probability > 0).sum())

    @property
    def lexicon(self) -> dict[Word, Translations]:
        """The translations of each source word with their probabilities, most probable first.

        The probabilities of a word sum to less than 1 if it has more translations than are kept.

        Raises:
            UserError: the stored table is damaged.
        """
        version = self.target._version  # counts in-place changes: new weights, another iteration
        if self._lexicon is None or self._lexicon[0] != version:
            pad = self.special.pad
            filled = int((self.source[:, 0] != pad).sum())
            tables = (part[:filled] for part in (self.source, self.target, self.probability))
            source, target, probability = (part.tolist() for part in tables)
            lexicon = {
                without_padding(word, pad): [
                    (without_padding(one, pad), p) for one, p in zip(found, share, strict=True) if p
                ]
                for word, found, share in zip(source, target, probability, strict=True)
            }
            self.check(lexicon)
            self._lexicon = version, lexicon
        return self._lexicon[1]

    def check(self, lexicon: dict[Word, Translations]) -> None:
        """Check a table that may come from an untrusted run.

        Raises:
            UserError: a piece is not in the target vocabulary, or a probability is not one.
        """
        copies = [] if self.shared_vocab else self.spelling.unique().tolist()
        found = list(chain.from_iterable(lexicon.values()))
        pieces = {*copies, *chain.from_iterable(word for word, _ in found)}
        if not (
            all(word and 0 < p <= 1 for word, p in found)
            and all(0 <= piece < self.target_vocab for piece in pieces)
        ):
            raise UserError("the translation table of the model is damaged")

    def translations(self, word: Word, kinds: Sequence[int]) -> list[Translations]:
        """Return the candidates of a source word, or the word itself in target pieces.

        A copied word can be several target words, if the target vocabulary lacks its characters.
        """
        if found := self.lexicon.get(word):
            return [found]
        if not self.shared_vocab:
            rows = self.spelling[list(word)].tolist()
            word = tuple(piece for row in rows for piece in without_padding(row, self.special.pad))
        return [[(part, 1.0)] for part in split_words(word, kinds)]


def table(*shape: int) -> nn.Parameter:
    """Return a table of ids or kinds, all zero; parameters are saved with the model."""
    return nn.Parameter(torch.zeros(*shape, dtype=torch.int32), requires_grad=False)


def set_table(parameter: nn.Parameter, rows: Sequence[Word], pad: int) -> None:
    """Fill a table with rows of ids, each padded with `pad`; missing rows are empty."""
    values = np.full((parameter.numel() // parameter.size(-1), parameter.size(-1)), pad, np.int32)
    for i, row in enumerate(rows):
        values[i, : len(row)] = row
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(values).view_as(parameter))
