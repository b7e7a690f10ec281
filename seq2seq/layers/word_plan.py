"""The plan of a word-for-word translation, and what it predicts after a part of the target."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from seq2seq.text.words import CONTINUES, Word


class Plan(NamedTuple):
    """The translations of each word of a source sentence; the last word is `</s>`."""

    pieces: Int[Tensor, "batch words candidates pieces"]  # most probable first, then padding
    probability: Float[Tensor, "batch words candidates"]  # sums to 1
    end: Int[Tensor, " batch"]  # index of the word `</s>`
    words: Int[Tensor, "batch src"]  # word of each source piece; -1 at padding


class WordSoFar(NamedTuple):
    """The last word of the target up to each position."""

    number: Int[Tensor, "batch tgt"]  # counted from 0; -1 at the beginning
    pieces: Int[Tensor, "batch tgt pieces"]  # then padding
    length: Int[Tensor, "batch tgt"]  # number of pieces
    ends: Bool[Tensor, "batch tgt"]  # the last piece is usually the last of its word


def plan_of(
    rows: Sequence[Sequence[Sequence[tuple[Word, float]]]],
    owner: NDArray[np.integer[Any]],
    pad: int,
) -> Plan:
    """Return the plan as tensors.

    Args:
        rows: the translations of each word of each sentence with their probabilities, most
            probable first; the last word is `</s>`.
        owner: the word of each source piece; -1 at padding.
        pad: the id of padding.
    """
    every = list(chain.from_iterable(rows))
    count, candidates = max(map(len, rows)), max(map(len, every), default=1)
    longest = max((len(one) for one, _ in chain.from_iterable(every)), default=1)
    pieces = np.full((len(rows), count, candidates, longest), pad)
    probability = np.zeros((len(rows), count, candidates), np.float32)
    for i, words in enumerate(rows):
        for j, found in enumerate(words):
            for k, (one, p) in enumerate(found):
                pieces[i, j, k, : len(one)] = one
                probability[i, j, k] = p
    probability /= probability.sum(-1, keepdims=True).clip(1e-30)
    return Plan(
        torch.from_numpy(pieces),
        torch.from_numpy(probability),
        torch.tensor([len(words) - 1 for words in rows]),
        torch.from_numpy(owner),
    )


def words_so_far(
    tgt: Int[Tensor, "batch tgt"],
    kinds: Int[Tensor, " vocab"],
    ends: Int[Tensor, " vocab"],
    longest: int,
    pad: int,
) -> WordSoFar:
    """Find the last word of the target up to each position, at most `longest` pieces of it.

    Args:
        tgt: BOS + tokens.
        kinds: the kind of each piece, which decides where words begin.
        ends: 1 if a piece is usually the last of its word.
        longest: number of pieces to return of each word.
        pad: the id of padding.
    """
    places = torch.arange(tgt.size(1), device=tgt.device)
    begins = (kinds[tgt] != CONTINUES) | (places == 1)
    begins &= places > 0  # the first token is BOS
    first = torch.where(begins, places, 0).cummax(1).values
    length = places - first + (first > 0)
    offsets = torch.arange(longest, device=tgt.device)
    indices = (first.unsqueeze(-1) + offsets).clamp(max=tgt.size(1) - 1).flatten(1)
    pieces = tgt.gather(1, indices).unflatten(1, (-1, longest))
    pieces = pieces.where(offsets < length.unsqueeze(-1), pad)
    return WordSoFar(begins.cumsum(1) - 1, pieces, length, ends[tgt] > 0)


def predict(
    word: WordSoFar, plan: Plan, *, smoothing: float, vocab: int, pad: int
) -> tuple[Float[Tensor, "batch tgt slots"], Int[Tensor, "batch tgt"]]:
    """Predict the piece after each position.

    Args:
        word: the last word so far.
        plan: the candidates for each source word.
        smoothing: probability that is taken from the planned piece and given to others.
        vocab: size of the target vocabulary.
        pad: the id of padding.

    Returns:
        Pieces, their probabilities and the probability of all other pieces `[batch tgt
        2*slots+1]`; and the index of the source word that the predicted piece translates
        `[batch tgt]`.
    """
    rows = torch.arange(len(word.number), device=word.number.device).unsqueeze(1)
    rows = rows // (len(word.number) // len(plan.end))  # a beam shares its sentence
    end = plan.end[rows]
    here, following = word.number.clamp(min=0).minimum(end), (word.number + 1).minimum(end)
    candidates, probability = plan.pieces[rows, here], plan.probability[rows, here]
    length, size = word.length.unsqueeze(-1), (candidates != pad).sum(-1)
    unread = torch.arange(candidates.size(-1), device=length.device) >= length.unsqueeze(-1)
    agrees = ((candidates == word.pieces.unsqueeze(2)) | unread).all(-1)
    agrees &= (size >= length) & (length > 0) & (probability > 0)
    mass = probability * agrees
    mass = mass / mass.sum(-1, keepdim=True).clamp(min=1e-30)
    goes_on = agrees & (size > length)
    # Slots: the next pieces of the candidates that agree, then the first ones of the next word.
    at = length.clamp(max=candidates.size(-1) - 1).unsqueeze(-1)
    own = candidates.gather(-1, at.expand(*candidates.shape[:-1], 1)).squeeze(-1)
    pieces = torch.cat([own, plan.pieces[rows, following][..., 0]], dim=-1)
    own_mass = mass * goes_on
    left = 1 - own_mass.sum(-1, keepdim=True)
    mass = torch.cat([own_mass, left * plan.probability[rows, following]], dim=-1)
    best = agrees.long().argmax(-1, keepdim=True)  # the first that agrees is the best
    inside = goes_on.gather(-1, best)
    planned = torch.where(inside, best, candidates.size(2))
    mass = mass * (smoothing / 2)
    mass = mass.scatter_add(-1, planned, torch.full_like(left, 1 - smoothing))
    same = pieces.unsqueeze(-1) == pieces.unsqueeze(-2)
    mass = (same * mass.unsqueeze(-2)).sum(-1)  # slots with the same piece have the same sum
    lost = ~agrees.any(-1, keepdim=True) & ~word.ends.unsqueeze(-1)
    uniform = torch.where(lost, 1.0, smoothing / 2) / vocab
    mass = mass.masked_fill(lost, 0) + uniform
    word_of = torch.where((inside | lost).squeeze(-1), here, following)
    return torch.cat([pieces.to(mass), mass, uniform], dim=-1), word_of
