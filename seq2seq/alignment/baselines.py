"""Alignment baselines: the diagonal, and fast_align."""

import re
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import chain

import numpy as np

from seq2seq.alignment.links import LinkSet, flip, grow_diag_final_and
from seq2seq.errors import UserError
from seq2seq.system.console import track

Tokens = tuple[Sequence[str], Sequence[str]]  # source and target tokens

ITERATIONS = 5  # iterations of expectation-maximization, the default of fast_align


def diagonal(source: Sequence[str], target: Sequence[str]) -> LinkSet:
    """Link every target token to the source token at the same relative position."""
    step = len(source) / max(len(target), 1)
    return frozenset((int((j + 0.5) * step), j) for j in range(len(target)) if source)


def fast_align(pairs: Sequence[Tokens], more: Sequence[Tokens]) -> list[LinkSet]:
    """Align pairs with fast_align (Dyer et al. 2013), as implemented in sil-thot.

    Training is unsupervised, so the model is also trained on the pairs to align, as is usual. Every
    target token has at most one link; exchange the sides for the reverse direction.

    Args:
        pairs: the pairs to align.
        more: further training pairs.

    Raises:
        ModuleNotFoundError: sil-thot is not installed.
    """
    from thot.alignment import FastAlignModel

    model = FastAlignModel()
    for source, target in chain(pairs, more):
        model.add_sentence_pair(lowercase(source), lowercase(target), 1)
    model.start_training()
    for _ in track(range(ITERATIONS), "fast_align", total=ITERATIONS, unit="iterations"):
        model.train()
    model.end_training()
    links = []
    for source, target in pairs:
        _, matrix = model.get_best_alignment(lowercase(source), lowercase(target))
        links.append(frozenset((int(i), int(j)) for i, j in np.argwhere(matrix.to_numpy())))
    return links


def symmetrized_fast_align(
    pairs: Sequence[Tokens], more: Sequence[Tokens]
) -> tuple[list[LinkSet], list[LinkSet]]:
    """Return the links of `fast_align`, and both directions symmetrized by grow-diag-final-and."""
    forward = fast_align(pairs, more)
    swapped = fast_align([(t, s) for s, t in pairs], [(t, s) for s, t in more])
    both = zip(forward, map(flip, swapped), strict=True)
    return forward, [grow_diag_final_and(*pair) for pair in both]


def need_fast_align(option: str) -> None:
    """Raise UserError if fast_align is not installed; `option` is what needs it."""
    if find_spec("thot") is None:
        raise UserError(f"{option} needs fast_align: pip install 'seq2seq-toolkit[align]'")


def split_words(text: str) -> list[str]:
    """Divide a text that is not tokenized into words and punctuation marks."""
    return re.findall(r"\w+|[^\w\s]", text)


def lowercase(tokens: Sequence[str]) -> list[str]:
    """Lowercase tokens, so that fewer of them are rare."""
    return [token.lower() for token in tokens]
