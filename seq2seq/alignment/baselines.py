"""What an alignment has to beat: the diagonal, and a statistical aligner."""

from collections.abc import Sequence
from itertools import chain

import numpy as np

from seq2seq.alignment.links import Found
from seq2seq.system.console import track

Tokens = tuple[Sequence[str], Sequence[str]]  # of both sides of a pair

ITERATIONS = 5  # of expectation and maximisation, as many as fast_align makes


def diagonal(source: Sequence[str], target: Sequence[str]) -> Found:
    """Every target token with the source token at the same share of the way."""
    step = len(source) / max(len(target), 1)
    return frozenset((int((j + 0.5) * step), j) for j in range(len(target)) if source)


def fast_align(pairs: Sequence[Tokens], more: Sequence[Tokens]) -> list[Found]:
    """Links by IBM model 2 along the diagonal (Dyer et al. 2013), of sil-thot.

    The pairs are part of what it learns from, as is usual: it is never shown a link. Every target
    token has at most one; turn the pairs around for the other direction.

    Args:
        pairs: what is to be aligned.
        more: what it learns from besides.

    Raises:
        ModuleNotFoundError: sil-thot is not installed.
    """
    from thot.alignment import FastAlignModel

    model = FastAlignModel()
    for source, target in chain(pairs, more):
        model.add_sentence_pair(lowered(source), lowered(target), 1)
    model.start_training()
    for _ in track(range(ITERATIONS), "fast_align", total=ITERATIONS, unit="rounds"):
        model.train()
    model.end_training()
    found = []
    for source, target in pairs:
        _, matrix = model.get_best_alignment(lowered(source), lowered(target))
        found.append(frozenset((int(i), int(j)) for i, j in np.argwhere(matrix.to_numpy())))
    return found


def lowered(tokens: Sequence[str]) -> list[str]:
    """Tokens without capitals, which only make words rarer."""
    return [token.lower() for token in tokens]
