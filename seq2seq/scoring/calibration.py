"""Calibration: whether tokens that a model gives probability p are right in a share p of cases.

Tokens are sorted into bins of equal width by the probability that the model gave them. The expected
calibration error is the mean, over tokens, of the distance between the mean probability and the
share of right tokens in each bin (Guo et al. 2017, https://arxiv.org/abs/1706.04599, equation 3).

A translation has no single right continuation, so two kinds of tokens are measured:

- `reference`: the references are force-decoded, and the most probable token at each position is
  right if it is the token of the reference (Kumar and Sarawagi 2019,
  https://arxiv.org/abs/1903.00802).
- `output`: the translations of the model itself are force-decoded, and a token is right if an
  alignment of translation and reference with the fewest edits pairs it with an equal token (Wang
  et al. 2020, https://aclanthology.org/2020.acl-main.278, with TER; here words are not shifted).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from numpy.typing import NDArray

Tokens = Sequence[int | np.integer[Any]] | NDArray[np.integer[Any]]  # ids

BINS = 10
SIGNATURE = f"ece|bins:{BINS}|width:equal|right:reference token, or paired by edit distance"
KINDS = {"reference": "references", "output": "own output"}  # key in scores.json -> label


def calibration(
    probabilities: Float[ndarray, " tokens"], right: Bool[ndarray, " tokens"]
) -> dict[str, Any] | None:
    """Return the calibration of tokens with these probabilities; None if there are no tokens.

    Returns:
        `score`, the expected calibration error in percent; `confidence`, the mean probability in
        percent; `accuracy`, the share of right tokens in percent; `tokens`, their number; and the
        same for each of the `bins` that has tokens, with its upper end `to`.
    """
    if not len(probabilities):
        return None
    # The bins are (0, 1/BINS], ..., (1 - 1/BINS, 1], as in the paper.
    places = np.clip(np.ceil(probabilities * BINS).astype(int), 1, BINS)
    bins = []
    for place in np.unique(places).tolist():
        inside = places == place
        bins.append({"to": place / BINS, **summary(probabilities[inside], right[inside])})
    distance = sum(one["tokens"] * abs(one["confidence"] - one["accuracy"]) for one in bins)
    return {
        "score": distance / len(probabilities),
        **summary(probabilities, right),
        "bins": bins,
    }


def summary(
    probabilities: Float[ndarray, " tokens"], right: Bool[ndarray, " tokens"]
) -> dict[str, int | float]:
    """Return the number of tokens, their mean probability and the share of right ones in percent.

    The mean is of float64, so that it does not depend on the order of the batches.
    """
    return {
        "tokens": len(right),
        "confidence": 100 * float(probabilities.astype(np.float64).mean()),
        "accuracy": 100 * float(right.mean()),
    }


def paired(output: Tokens, reference: Tokens) -> Bool[ndarray, " output"]:
    """Return which tokens of an output are paired with an equal token of the reference.

    The pairs are those of an alignment with the fewest insertions, deletions and substitutions,
    and of several such alignments, of one with the most pairs.
    """
    ours, theirs = np.asarray(output, dtype=np.int64), np.asarray(reference, dtype=np.int64)
    edit = len(ours) + 1  # more than all pairs together, which cost -1 each
    empty = edit * np.arange(len(theirs) + 1)  # cost of leaving out the first tokens
    table = np.empty((len(ours) + 1, len(theirs) + 1), dtype=np.int64)
    table[0] = empty
    for row, token in enumerate(ours, 1):
        before = table[row - 1]
        best = before + edit  # the token is an insertion
        best[1:] = np.minimum(best[1:], before[:-1] + np.where(theirs == token, -1, edit))
        table[row] = np.minimum.accumulate(best - empty) + empty
    found = np.zeros(len(ours), dtype=bool)
    row, column = len(ours), len(theirs)
    while row and column:
        equal = ours[row - 1] == theirs[column - 1]
        if table[row, column] == table[row - 1, column - 1] + (-1 if equal else edit):
            row, column = row - 1, column - 1
            found[row] = equal
        elif table[row, column] == table[row - 1, column] + edit:
            row -= 1
        else:
            column -= 1
    return found
