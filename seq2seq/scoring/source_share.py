"""The share of translations that the source explains, by length and position.

The share of a word is defined in `seq2seq.text.word_scores`. That of many words is the sum of their
gains divided by the sum of their surprisals, so a word counts by how much there is to explain.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seq2seq.scoring.breakdown import BUCKET, length_bucket
from seq2seq.text.word_scores import WordScores

SPAN = 5  # words of the translation in a bin of positions


def ratio(sums: Float[ndarray, "*many 2"]) -> Float[ndarray, "*many"]:
    """Return the share of sums of gains and of surprisals; 0 where both are 0."""
    gain, surprisal = np.maximum(sums[..., 0], 0).astype(np.float64), sums[..., 1]
    return np.divide(gain, surprisal, out=np.zeros_like(gain), where=surprisal > 0)


def sums(scores: WordScores, first: int = 0, last: int | None = None) -> Float[ndarray, " 2"]:
    """Return the sum of the gains and that of the surprisals of some words; by default of all.

    Raises:
        ValueError: the log-probabilities without the source were not computed.
    """
    if scores.hidden is None:
        raise ValueError("the log-probabilities without the source were not computed")
    log_p, hidden = scores.log_p[first:last], scores.hidden[first:last]
    return np.array([(log_p - hidden).sum(), -hidden.sum()], dtype=np.float64)


def position_bins(longest: int) -> dict[str, tuple[int, int]]:
    """Return the bins of positions up to that of the last word: name -> first and last + 1."""
    starts = range(0, longest, SPAN)
    return {f"{at + 1}\N{EN DASH}{at + SPAN}": (at, at + SPAN) for at in starts}


def summarize(sources: Iterable[str], scored: Sequence[WordScores], hide: str) -> dict[str, Any]:
    """Return the entry `source_share` of scores.json.

    Args:
        sources: the source sentences.
        scored: the scores of their translations.
        hide: how the source was hidden.

    Returns:
        `score`, the share of all words in percent; its `signature`; `words`, their number;
        `invented`, how many of them may be invented; and the share `by_length` of the source and
        `by_position` in the translation.
    """
    by_length: dict[int, list[WordScores]] = {}
    for source, one in zip(sources, scored, strict=True):
        by_length.setdefault(length_bucket(source), []).append(one)
    longest = max((len(one.words) for one in scored), default=0)
    return {
        "score": percent([sums(one) for one in scored]),
        "signature": f"source share|hidden:all words|by:{hide}|sums",
        "words": sum(len(one.words) for one in scored),
        "invented": sum(sum(one.invented) for one in scored),
        "by_length": [
            {
                "from": place * BUCKET + 1,
                "to": (place + 1) * BUCKET,
                "words": sum(len(one.words) for one in own),
                "share": percent([sums(one) for one in own]),
            }
            for place, own in sorted(by_length.items())
        ],
        "by_position": [
            {
                "from": first + 1,
                "to": last,
                "words": sum(len(one.words[first:last]) for one in scored),
                "share": percent([sums(one, first, last) for one in scored]),
            }
            for first, last in position_bins(longest).values()
        ],
    }


def percent(parts: Sequence[Float[ndarray, " 2"]]) -> float:
    """Return the share of all these words in percent."""
    return 100 * float(ratio(np.sum([np.zeros(2), *parts], axis=0)))
