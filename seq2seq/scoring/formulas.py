"""BLEU, chrF and TER of many resamples of a test set at once, from the statistics of sentences.

The formulas are those of sacreBLEU 2 with its defaults, over whole arrays: in `float32`, which it
resamples in, they give its numbers too. What is summed before is up to the caller: the sentences
drawn in a resample, one sentence alone, or the mean of several systems.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray


def bleu(sums: Float[ndarray, "*many 10"]) -> Float[ndarray, "*many"]:
    """BLEU of order four with exponential smoothing (Chen and Cherry 2014, method 3).

    Args:
        sums: lengths of output and reference, then the n-grams that match, then all n-grams.
    """
    ours, theirs = sums[..., 0].astype(np.float64), sums[..., 1].astype(np.float64)
    matches, all_of_them = sums[..., 2:6], sums[..., 6:]
    missed = (matches == 0) & (all_of_them > 0)
    halved = np.exp2(np.cumsum(missed, -1)).astype(sums.dtype)
    with np.errstate(divide="ignore", invalid="ignore"):
        precisions = 100.0 * matches / all_of_them
        precisions = np.where(missed, 100.0 / (halved * all_of_them), precisions)
        precisions = np.where(all_of_them > 0, precisions, 0).astype(np.float64)
        brevity = np.where(ours < theirs, np.exp(1 - theirs / ours), 1.0)
        score = brevity * np.exp(np.log(precisions).sum(-1) / 4)
    return np.where(matches.any(-1), score, 0.0)


def chrf(sums: Float[ndarray, "*many 18"]) -> Float[ndarray, "*many"]:
    """chrF2 (Popović 2015) over the orders that both sides have n-grams of.

    Args:
        sums: of each order from 1 to 6, the n-grams of the output, of the reference, of both.
    """
    orders = sums.reshape(*sums.shape[:-1], 6, 3)
    ours, theirs, both = orders[..., 0], orders[..., 1], orders[..., 2]
    known = (ours > 0) & (theirs > 0)
    count = np.maximum(known.sum(-1), 1).astype(sums.dtype)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = _in_order(np.where(known, both / ours, 0)) / count
        recall = _in_order(np.where(known, both / theirs, 0)) / count
        score = 5 * precision * recall / (4 * precision + recall)
    return 100 * np.where(precision + recall > 0, score, 0).astype(np.float64)


def ter(sums: Float[ndarray, "*many 2"]) -> Float[ndarray, "*many"]:
    """Edits for every 100 words of the reference (Snover et al. 2006).

    Args:
        sums: edits, and words of the reference.
    """
    edits, words = sums[..., 0], sums[..., 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.where(words > 0, edits / words, edits > 0)
    return 100 * score.astype(np.float64)


def _in_order(terms: Float[ndarray, "*many 6"]) -> Float[ndarray, "*many"]:
    """The sum from the first to the last, which rounds as a loop does."""
    return np.cumsum(terms, -1)[..., -1]
