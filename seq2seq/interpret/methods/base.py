"""The form in which every method says which source words a target word depends on."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray
from torch import Tensor

from seq2seq.errors import UserError
from seq2seq.text.batching import Batch, collate, halve_on_out_of_memory, pack
from seq2seq.translation.translation import BATCH_TOKENS, Translation
from seq2seq.translation.translator import Translator

Pair = tuple[list[int], list[int]]  # ids of source and target, without BOS and EOS
Table = Float[ndarray, "_ _"]  # a row per piece, a column per token: `alignment.rule.shares`


class SourceMap(NamedTuple):
    """What a method returns for one pair; `</s>` is the last row and the last column.

    The values of a word are the sum over its source pieces and the mean over its target pieces.

    Attributes:
        method: the name of the method.
        signed: if True, values are in nats, and a negative value means that the source piece makes
            the target piece less probable. If False, every row is a distribution, or zero if no
            source piece adds anything.
        values: a row for each target piece and a column for each source piece.
    """

    method: str
    signed: bool
    values: Float[Tensor, "layers heads tgt src"]


class UnsupportedModelError(UserError):
    """A method cannot be applied to a model."""


class Method(ABC):
    """A method that computes a `SourceMap` for each of several pairs.

    It changes neither the model nor the global random number generators.

    Attributes:
        name: the name of the method.
        signed: whether its maps are signed.
    """

    name: ClassVar[str]
    signed: ClassVar[bool]

    def __call__(
        self, translator: Translator, translations: Sequence[Translation], tables: Sequence[Table]
    ) -> list[SourceMap]:
        """Return the map of each translation.

        Args:
            translator: the trained run, with the model in evaluation mode.
            translations: sources and targets. The pieces of a target are those that its tokenizer
                makes of its text, as after forced decoding; attention is read as it is.
            tables: the share of each source piece in each word, as of `alignment.rule.shares`.

        Raises:
            UnsupportedModelError: the method cannot be applied to this model.
        """
        found = self.values(translator, translations, tables)
        return [SourceMap(self.label, self.signed, values) for values in found]

    @property
    def label(self) -> str:
        """The name of the method in a rule."""
        return self.name

    @abstractmethod
    def values(
        self, translator: Translator, translations: Sequence[Translation], tables: Sequence[Table]
    ) -> list[Float[Tensor, "layers heads tgt src"]]:
        """Return the values of each translation, in the memory of the CPU."""


def source_words(table: Table) -> list[list[int]]:
    """Return the pieces of each source word, without `</s>`.

    Words that share a piece are one, since they cannot be hidden apart. A piece that is in no word
    is left out.
    """
    words: list[list[int]] = []
    last: set[int] = set()
    for piece, row in enumerate(table[:-1, :-1]):
        tokens = set(np.flatnonzero(row).tolist())
        if words and tokens & last:
            words[-1].append(piece)
            last |= tokens
        elif tokens:
            words.append([piece])
            last = tokens
    return words


def encoded(translator: Translator, translations: Sequence[Translation]) -> list[Pair]:
    """Return the ids of sources and targets."""
    sides = [one.source for one in translations], [one.text for one in translations]
    tokenizers = translator.tokenizers
    return list(
        zip(tokenizers.source.encode(sides[0]), tokenizers.target.encode(sides[1]), strict=True)
    )


def in_batches(
    translator: Translator,
    pairs: Sequence[Pair],
    work: Callable[[Batch, list[int]], Tensor],
) -> list[Tensor]:
    """Apply `work` to batches of pairs of similar length, and return the result of each pair.

    Args:
        translator: the trained run.
        pairs: the pairs.
        work: computes a tensor with a row for each pair, given the batch and the indices of its
            pairs.
    """
    lengths = np.array([max(map(len, pair)) + 1 for pair in pairs])
    results: dict[int, Tensor] = {}
    device = next(translator.model.parameters()).device

    def measured(rows: NDArray[np.integer[Any]]) -> Tensor:
        chosen = rows.tolist()
        return (
            work(collate([pairs[i] for i in chosen], translator.model.special).to(device), chosen)
            .float()
            .cpu()
        )

    for batch in pack(np.argsort(lengths, kind="stable"), lengths, BATCH_TOKENS):
        for rows, found in halve_on_out_of_memory(batch, measured):
            results |= zip(rows.tolist(), found, strict=True)
    return [results[i] for i in range(len(pairs))]


def without_padding(found: Sequence[Tensor], pairs: Sequence[Pair]) -> list[Tensor]:
    """Remove the padding of a batch from the map `[... tgt src]` of each pair."""
    return [
        values[..., : len(target) + 1, : len(source) + 1]
        for values, (source, target) in zip(found, pairs, strict=True)
    ]
