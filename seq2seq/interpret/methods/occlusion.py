"""Occlusion, or prediction difference: how much less probable a word is without a source word.

The value of target word i and source word j is log p(y_i) - log p(y_i with word j hidden), where
the target before y_i is given (prediction difference, Li et al. 2019,
https://aclanthology.org/P19-1124). It needs neither attention nor gradients. A word of several
pieces is hidden as a whole, and its value is divided equally among them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from seq2seq.alignment.method_names import Hide
from seq2seq.interpret.methods.base import (
    Pair,
    Table,
    encoded,
    in_batches,
    source_words,
)
from seq2seq.interpret.methods.baseline import mean_vectors
from seq2seq.interpret.methods.quantity import LOG_PROBABILITY, Quantity
from seq2seq.interpret.methods.question import SignedMethod
from seq2seq.text.batching import Batch
from seq2seq.translation.translation import Translation
from seq2seq.translation.translator import Translator


class Variant(NamedTuple):
    """A source in which pieces are hidden.

    Attributes:
        ids: the ids of source and target.
        hidden: the source positions whose vectors are replaced by the mean.
        pair: the number of the pair.
    """

    ids: Pair
    hidden: list[int]
    pair: int = 0


@dataclass(frozen=True)
class Occlusion(SignedMethod):
    """The difference that each source word makes to what is explained, in nats.

    Args:
        question: what is explained.
        hide: replace the vectors of the word by the mean (mean), replace its pieces by `<unk>`
            (unk), or leave the word out (drop).
    """

    hide: Hide = "drop"
    name = "occlusion"

    def values(
        self, translator: Translator, translations: Sequence[Translation], tables: Sequence[Table]
    ) -> list[Float[Tensor, "1 1 tgt src"]]:
        """Return the differences of each translation; the column of `</s>` is zero."""
        pairs, words = encoded(translator, translations), [source_words(one) for one in tables]
        unk = translator.model.special.unk
        variants = [
            self.variant(pair, hidden, unk)._replace(pair=number)
            for number, (pair, own) in enumerate(zip(pairs, words, strict=True))
            for hidden in ([], *own)
        ]
        quantity = self.question.quantity(translator, translations)
        found = iter(log_probabilities(translator, variants, quantity))
        maps = []
        for (source, target), own in zip(pairs, words, strict=True):
            whole = next(found)[: len(target) + 1]
            values = torch.zeros(1, 1, len(target) + 1, len(source) + 1)
            for pieces in own:
                change = whole - next(found)[: len(target) + 1]
                values[..., pieces] = (change / len(pieces)).unsqueeze(-1)
            maps.append(values)
        return maps

    def variant(self, pair: Pair, hidden: Sequence[int], unk: int) -> Variant:
        """Return a pair with the given source pieces hidden; `unk` is the id of `<unk>`."""
        source, target = pair
        if self.hide == "mean":
            return Variant(pair, list(hidden))
        if self.hide == "unk":
            changed = [unk if i in hidden else piece for i, piece in enumerate(source)]
        else:
            changed = [piece for i, piece in enumerate(source) if i not in hidden]
        return Variant((changed, target), [])


@torch.inference_mode()
def log_probabilities(
    translator: Translator, variants: Sequence[Variant], quantity: Quantity = LOG_PROBABILITY
) -> list[Float[Tensor, " tgt"]]:
    """Return the log-probability of each target token of each variant, and 0 at padding.

    Args:
        translator: the trained run.
        variants: the sources.
        quantity: what is returned instead, by the number of the pair.
    """
    model = translator.model

    def work(batch: Batch, rows: list[int]) -> Tensor:
        embedded, hidden = model.embed_source(batch.src), [variants[row].hidden for row in rows]
        if any(hidden):
            mask = torch.zeros(batch.src.shape, dtype=torch.bool)
            for row, places in zip(mask, hidden, strict=True):
                row[places] = True
            mean = mean_vectors(translator, batch.src.size(1)).to(embedded)
            embedded = torch.where(mask.to(batch.src.device).unsqueeze(-1), mean, embedded)
        memory = model.encode_embedded(embedded, batch.src_mask)
        states = model.hidden(batch.tgt_in, memory, weights=False).states
        return quantity.values(model, states, batch, memory, [variants[row].pair for row in rows])

    return in_batches(translator, [variant.ids for variant in variants], work)
