"""Probabilities of the tokens and words of given translations, with the source and without it.

All are computed by forced decoding. The log-probabilities of a masked language model are those
given all other target words, see `Seq2Seq.token_log_probability`.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor

from seq2seq.alignment.method_names import Hide
from seq2seq.alignment.rule import shares, words
from seq2seq.interpret.methods.base import Pair, in_batches
from seq2seq.interpret.methods.occlusion import Occlusion, Variant, log_probabilities
from seq2seq.text.batching import Batch
from seq2seq.text.word_scores import WordScores
from seq2seq.translation.translation import END
from seq2seq.translation.translator import Translator

HIDE: Hide = "unk"  # works with every model, and keeps the length of the source
TOGETHER = 512  # pairs that are sorted by length and scored together


class TokenScores(NamedTuple):
    """Scores of the tokens of one target; `</s>` is the last.

    Attributes:
        log_p: the log-probability of each token, in nats.
        top_log_p: that of the most probable token at its position.
        top_right: whether the most probable token is the token of the target.
    """

    log_p: Float[ndarray, " tgt"]
    top_log_p: Float[ndarray, " tgt"]
    top_right: Bool[ndarray, " tgt"]


@torch.inference_mode()
def token_scores(translator: Translator, pairs: Sequence[Pair]) -> list[TokenScores]:
    """Return the scores of the tokens of each target.

    Args:
        translator: the trained run.
        pairs: ids of source and target, without BOS and EOS.
    """
    model = translator.model

    def work(batch: Batch, rows: list[int]) -> Tensor:
        memory = model.encode(batch.src, batch.src_mask)
        states = model.hidden(batch.tgt_in, memory, weights=False).states
        log_p = model.token_log_probability(states, batch, memory)
        logits = model.project(states)
        best, at = logits.max(-1)
        return torch.stack([log_p, best - logits.logsumexp(-1), (at == batch.tgt_out) * 1.0], dim=1)

    found = in_batches(translator, pairs, work)
    scores = []
    for (_, target), one in zip(pairs, found, strict=True):
        log_p, top_log_p, top_right = one[:, : len(target) + 1].numpy()
        scores.append(TokenScores(log_p, top_log_p, top_right > 0))
    return scores


def without_source(
    translator: Translator, pairs: Sequence[Pair], hide: Hide = HIDE
) -> list[Float[ndarray, " tgt"]]:
    """Return the log-probability of each target token with all source words hidden.

    `</s>` is not hidden. With `drop`, it is all that is left: the model gets an empty source.

    Args:
        translator: the trained run.
        pairs: ids of source and target, without BOS and EOS.
        hide: how words are hidden, see `Occlusion`.
    """
    occlusion, unk = Occlusion(hide=hide), translator.model.special.unk
    return log_p_of(
        translator, [occlusion.variant(pair, range(len(pair[0])), unk) for pair in pairs]
    )


def log_p_of(translator: Translator, variants: Sequence[Variant]) -> list[Float[ndarray, " tgt"]]:
    """Return the log-probability of each target token of pairs with or without hidden words."""
    found = log_probabilities(translator, variants)
    return [
        one[: len(variant.ids[1]) + 1].numpy() for one, variant in zip(found, variants, strict=True)
    ]


class Scored(NamedTuple):
    """One translation: its ids, the log-probability of each token, and the scores of its words."""

    ids: Pair
    log_p: Float[ndarray, " tgt"]
    words: WordScores


def score_translations(
    translator: Translator,
    texts: Sequence[tuple[str, str]],
    *,
    source_share: bool,
    hide: Hide = HIDE,
    tokens: Sequence[Sequence[str]] | None = None,
    end: bool = False,
) -> Iterator[Scored]:
    """Yield the scores of the tokens and words of translations.

    The log-probability of a word is the sum over its pieces.

    Args:
        translator: the trained run.
        texts: sources and their translations.
        source_share: also compute the log-probabilities without the source.
        hide: how the source is hidden.
        tokens: the words of each translation; its texts between spaces if None.
        end: count `</s>` as a word.
    """
    for first in range(0, len(texts), TOGETHER):
        some = texts[first : first + TOGETHER]
        sides = list(zip(*some, strict=True))
        ids = list(
            zip(
                *(t.encode(side) for t, side in zip(translator.tokenizers, sides, strict=True)),
                strict=True,
            )
        )
        whole = log_p_of(translator, [Variant(pair, []) for pair in ids])
        hidden = without_source(translator, ids, hide) if source_share else [None] * len(ids)
        given = [None] * len(ids) if tokens is None else tokens[first : first + TOGETHER]
        for pair, text, log_p, without, own in zip(ids, some, whole, hidden, given, strict=True):
            target = translator.tokenizers.target
            pieces = [*target.surfaces(text[1]), END]
            cut = words(pieces) if own is None else target.normalize(own)
            found = words_of(pieces, cut, log_p, without, end=end)
            if own is not None:  # as given, not as normalized
                found = found._replace(words=[*own, END][: len(found.words)])
            yield Scored(pair, log_p, found)


def words_of(
    pieces: Sequence[str],
    texts: Sequence[str],
    log_p: Float[ndarray, " tgt"],
    hidden: Float[ndarray, " tgt"] | None,
    *,
    end: bool = False,
) -> WordScores:
    """Add the log-probabilities of pieces to those of words.

    Args:
        pieces: the pieces of the target, `</s>` last.
        texts: the words, normalized like the pieces. A piece in two words is divided between them.
        log_p: the log-probability of each piece.
        hidden: the same without the source.
        end: count `</s>` as a word.
    """
    table = shares(pieces, texts)
    count = len(texts) + 1 if end else len(texts)
    sums = [None if one is None else (table.T @ one)[:count] for one in (log_p, hidden)]
    assert sums[0] is not None
    return WordScores([*texts, END][:count], sums[0], sums[1])
