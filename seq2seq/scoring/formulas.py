"""Vectorized BLEU, chrF, TER and percentages from summed sentence statistics, for resampling.

The formulas are those of sacreBLEU 2 with its default settings. In `float32`, which sacreBLEU uses
for resampling, the results are equal to those of sacreBLEU. The caller chooses what to sum: the
sentences of a resample, a single sentence, or the mean of several systems.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray


def bleu(sums: Float[ndarray, "*many 10"]) -> Float[ndarray, "*many"]:
    """BLEU of order four with exponential smoothing (Chen and Cherry 2014, method 3).

    Args:
        sums: lengths of hypothesis and reference, then matching n-grams, then all n-grams of the
            hypothesis, for n from 1 to 4.
    """
    hyp_length, ref_length = sums[..., 0].astype(np.float64), sums[..., 1].astype(np.float64)
    matches, totals = sums[..., 2:6], sums[..., 6:]
    smoothed = (matches == 0) & (totals > 0)
    divisor = np.exp2(np.cumsum(smoothed, -1)).astype(sums.dtype)
    with np.errstate(divide="ignore", invalid="ignore"):
        precisions = 100.0 * matches / totals
        precisions = np.where(smoothed, 100.0 / (divisor * totals), precisions)
        precisions = np.where(totals > 0, precisions, 0).astype(np.float64)
        brevity = np.where(hyp_length < ref_length, np.exp(1 - ref_length / hyp_length), 1.0)
        score = brevity * np.exp(np.log(precisions).sum(-1) / 4)
    return np.where(matches.any(-1), score, 0.0)


def chrf(sums: Float[ndarray, "*many 18"]) -> Float[ndarray, "*many"]:
    """chrF2 (Popović 2015), averaged over the orders in which both sides have n-grams.

    Args:
        sums: for each order from 1 to 6, the n-grams of the hypothesis, those of the reference, and
            the matches.
    """
    orders = sums.reshape(*sums.shape[:-1], 6, 3)
    hyp, ref, matches = orders[..., 0], orders[..., 1], orders[..., 2]
    known = (hyp > 0) & (ref > 0)
    count = np.maximum(known.sum(-1), 1).astype(sums.dtype)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = _sum_in_order(np.where(known, matches / hyp, 0)) / count
        recall = _sum_in_order(np.where(known, matches / ref, 0)) / count
        score = 5 * precision * recall / (4 * precision + recall)
    return 100 * np.where(precision + recall > 0, score, 0).astype(np.float64)


def ter(sums: Float[ndarray, "*many 2"]) -> Float[ndarray, "*many"]:
    """TER: edits per 100 words of the reference (Snover et al. 2006).

    Args:
        sums: number of edits, and number of words in the reference.
    """
    edits, words = sums[..., 0], sums[..., 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.where(words > 0, edits / words, edits > 0)
    return 100 * score.astype(np.float64)


def _sum_in_order(terms: Float[ndarray, "*many 6"]) -> Float[ndarray, "*many"]:
    """Sum from the first to the last term, with the same rounding as a loop."""
    return np.cumsum(terms, -1)[..., -1]


def percent(sums: Float[ndarray, "*many 2"]) -> Float[ndarray, "*many"]:
    """The first column as a percentage of the second, such as right forms of all."""
    return 100 * sums[..., 0] / sums[..., 1]
