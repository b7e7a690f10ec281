"""Properties of exercise 4: trained queries, keys and values."""

import torch
from torch import Tensor

from seq2seq.exercises.expect import Draw, Student, close, equal, expect
from seq2seq.exercises.properties.common import (
    LENGTHS,
    oracle,
    rows_are_distributions,
    same,
    self_attended,
)

DIM = 3
NAMES = ("w_query", "w_key", "w_value")


def inputs(draw: Draw, words: int, dim: int = DIM) -> dict[str, Tensor]:
    """Return random vectors and matrices."""
    return {"x": draw.normal(words, dim)} | {name: draw.matrix(dim, dim) for name in NAMES}


def sums(student: Student, draw: Draw) -> None:
    """The weights of each word are not negative and sum to one."""
    for words in LENGTHS:
        given = inputs(draw, words)
        rows_are_distributions(self_attended(student, **given)[1], **given)


def where(student: Student, draw: Draw) -> None:
    """w_query and w_key both have an effect on the weights, and w_value has none."""
    for words in LENGTHS:
        given = inputs(draw, words)
        _, weights = self_attended(student, **given)
        for name in NAMES:
            changed = given | {name: draw.matrix(DIM, DIM)}
            _, after = self_attended(student, **changed)
            if name == "w_value":
                same(after, weights, "another w_value changes the weights", **given)
            else:
                message = f"another {name} does not change the weights"
                expect(not close(after, weights), message, **given)


def what(student: Student, draw: Draw) -> None:
    """If w_value is zero, so are the contexts."""
    for words in LENGTHS:
        given = inputs(draw, words) | {"w_value": torch.zeros(DIM, DIM)}
        context, _ = self_attended(student, **given)
        message = "w_value is zero, and a context is not"
        same(context, torch.zeros_like(context), message, **given)


def both(student: Student, draw: Draw) -> None:
    """Only the product of w_query and the transpose of w_key has an effect on the weights."""
    for words in LENGTHS:
        given = inputs(draw, words)
        turn = torch.linalg.qr(draw.normal(DIM, DIM)).Q  # a rotation: its inverse is its transpose
        turned = given | {name: given[name] @ turn for name in ("w_query", "w_key")}
        _, weights = self_attended(student, **given)
        _, after = self_attended(student, **turned)
        message = "rotating the queries and the keys in the same way changes the weights"
        same(after, weights, message, **given)


def toolkit(student: Student, draw: Draw) -> None:
    """Contexts and weights are those of seq2seq.layers.attention."""
    for words in LENGTHS:
        given = inputs(draw, words)
        x, *matrices = given.values()
        wanted = oracle(*(x @ matrix for matrix in matrices))
        for name, one, other in zip(
            ("context", "weights"), self_attended(student, **given), wanted, strict=True
        ):
            equal(one, other, f"self_attention ({name})", **given)


PROPERTIES = (sums, where, what, both, toolkit)
