"""The best continuations of the hypotheses of each sentence, without a sort of the vocabulary."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor


class Paths(NamedTuple):
    """Continuations of the hypotheses of each sentence, best first."""

    score: Float[Tensor, "batch best"]
    parent: Int[Tensor, "batch best"]  # the hypothesis, counted from 0 in each sentence
    word: Int[Tensor, "batch best"]


def best_paths(
    total: Float[Tensor, "batch width"], log_p: Float[Tensor, "rows vocab"], count: int
) -> Paths:
    """Return the `count` best continuations of each sentence, or all if there are fewer.

    The vocabulary is divided into groups. A continuation among the best n is in one of the n
    groups with the best maxima: otherwise each of these groups would have a better one. `topk` is
    thus applied to the maxima and to the words of n groups. It takes far longer for each element
    than the maximum does. Scores are monotonic in log_p, also after rounding, so that the result
    is that of `topk` over all continuations, up to the order of equal scores.

    Args:
        total: the scores of the hypotheses so far.
        log_p: log-probabilities of the next word, with `width` consecutive rows for each sentence.
        count: number of continuations.
    """
    batch, width = total.shape
    vocab, device = log_p.size(1), log_p.device
    groups = group_count(vocab)
    size = -(-vocab // groups)  # words of a group: the ids g, g + groups, g + 2 * groups, ...
    maxima = total.unsqueeze(-1) + group_maxima(log_p, groups).unflatten(0, (batch, width))
    chosen = maxima.flatten(1).topk(min(count, width * groups)).indices.unsqueeze(-1)
    first = torch.arange(0, size * groups, groups, device=device)
    parents, words = (chosen // groups).expand(-1, -1, size), chosen % groups + first
    beyond = words >= vocab  # in groups with a word less than others
    words = words.clamp(max=vocab - 1)
    found = log_p.reshape(batch, -1).gather(1, (parents * vocab + words).flatten(1))
    found = found.masked_fill(beyond.flatten(1), float("-inf"))
    parents, words = parents.flatten(1), words.flatten(1)
    score, best = (total.gather(1, parents) + found).topk(min(count, width * vocab))
    return Paths(score, parents.gather(1, best), words.gather(1, best))


def group_count(vocab: int) -> int:
    """Return a number of groups with about half as many words each, as a power of two.

    `topk` then has the least to do, and the maxima of a multiple of 16 groups are fast on a CPU.
    """
    return 1 << round(math.log2(2 * vocab) / 2)


def group_maxima(log_p: Float[Tensor, "rows vocab"], groups: int) -> Float[Tensor, "rows groups"]:
    """Return the maximum of each group of words; a group without words has -inf."""
    whole = log_p.size(1) // groups * groups
    rest = log_p[:, whole:]
    if not whole:
        return torch.nn.functional.pad(rest, (0, groups - rest.size(1)), value=float("-inf"))
    maxima = log_p[:, :whole].unflatten(1, (-1, groups)).amax(1)
    maxima[:, : rest.size(1)] = maxima[:, : rest.size(1)].maximum(rest)
    return maxima
