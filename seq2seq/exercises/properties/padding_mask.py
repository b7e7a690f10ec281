"""Properties of exercise 8: self-attention of a batch."""

import torch
from torch import Tensor

from seq2seq.exercises.expect import Draw, Student, equal, expect
from seq2seq.exercises.properties.common import (
    oracle,
    rows_are_distributions,
    same,
    self_attended,
)

BATCHES = ([2, 1], [3, 2], [2, 4, 3])  # lengths


def inputs(draw: Draw, lengths: list[int]) -> dict[str, Tensor]:
    """Return random vectors, also at padding, and the lengths."""
    return {"x": draw.normal(len(lengths), max(lengths), 3), "lengths": torch.tensor(lengths)}


def sums(student: Student, draw: Draw) -> None:
    """The weights of each word are not negative and sum to one."""
    for lengths in BATCHES:
        given = inputs(draw, lengths)
        _, weights = self_attended(student, **given)
        for row, length in enumerate(lengths):
            rows_are_distributions(weights[row, :length], **given)


def padding(student: Student, draw: Draw) -> None:
    """A word gives padding no weight."""
    for lengths in BATCHES:
        given = inputs(draw, lengths)
        _, weights = self_attended(student, **given)
        for row, length in enumerate(lengths):
            given_away = weights[row, :length, length:].sum(-1)
            for word, weight in enumerate(given_away.tolist()):
                message = f"word {word} of sentence {row} gives padding the weight {weight:.2g}"
                expect(abs(weight) < 1e-6, message, **given)


def alone(student: Student, draw: Draw) -> None:
    """The contexts of a sentence in a batch are those of the sentence alone."""
    for lengths in BATCHES:
        given = inputs(draw, lengths)
        together, _ = self_attended(student, **given)
        for row, length in enumerate(lengths):
            own, _ = self_attended(
                student, x=given["x"][row : row + 1, :length], lengths=torch.tensor([length])
            )
            message = f"the contexts of sentence {row} differ from those of the sentence alone"
            same(together[row, :length], own[0], message, **given)


def toolkit(student: Student, draw: Draw) -> None:
    """Contexts and weights of words are those of seq2seq.layers.attention."""
    for lengths in BATCHES:
        given = inputs(draw, lengths)
        context, weights = self_attended(student, **given)
        for row, length in enumerate(lengths):
            x = given["x"][row, :length]
            wanted = oracle(x, x, x)
            equal(context[row, :length], wanted[0], "self_attention (context)", **given)
            equal(weights[row, :length, :length], wanted[1], "self_attention (weights)", **given)


PROPERTIES = (sums, padding, alone, toolkit)
