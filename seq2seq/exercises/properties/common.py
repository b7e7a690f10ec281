"""Oracles and inputs that several exercises have in common."""

from typing import Any

from torch import Tensor

from seq2seq.exercises.expect import Draw, Student, close, expect, parts, tensor
from seq2seq.layers.attention import attend, scaled_dot_score

SIZES = ((1, 2, 2), (2, 3, 2), (3, 5, 4))  # queries, keys, width: the smallest first
LENGTHS = (2, 3, 5)


def attention_inputs(draw: Draw, queries: int, keys: int, width: int) -> tuple[Tensor, ...]:
    """Return random queries, keys and values."""
    return draw.normal(queries, width), draw.normal(keys, width), draw.normal(keys, width)


def oracle(
    query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return context and weights of the attention of this package."""
    return attend(scaled_dot_score(query, keys), values, mask)


def context_and_weights(
    student: Student, function: str, shapes: tuple[list[int], list[int]], **inputs: Tensor
) -> tuple[Tensor, Tensor]:
    """Call a function that returns contexts and weights, and check both.

    Raises:
        PropertyError: their number or shapes are others.
    """
    pair = parts(student(function, *inputs.values()), 2, function, **inputs)
    context = tensor(pair[0], shapes[0], f"{function} (context)", **inputs)
    return context, tensor(pair[1], shapes[1], f"{function} (weights)", **inputs)


def attended(student: Student, **inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Call `attend(query, keys, values, ...)` of a file."""
    queries, keys = len(inputs["query"]), len(inputs["keys"])
    shapes = [queries, inputs["values"].size(-1)], [queries, keys]
    return context_and_weights(student, "attend", shapes, **inputs)


def self_attended(student: Student, **inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Call `self_attention(x, ...)` of a file."""
    shape = list(inputs["x"].shape)
    return context_and_weights(
        student, "self_attention", (shape, [*shape[:-1], shape[-2]]), **inputs
    )


def rows_are_distributions(weights: Tensor, **inputs: Tensor) -> None:
    """Expect that no weight is negative and that each row sums to one."""
    expect((weights >= 0).all(), "a weight is negative", **inputs)
    for row, total in enumerate(weights.sum(-1).flatten().tolist()):
        expect(abs(total - 1) < 1e-4, f"the weights of row {row} sum to {total:.4g}", **inputs)


def same(actual: Tensor, expected: Tensor, message: str, **inputs: Any) -> None:
    """Expect two results to be equal."""
    expect(close(actual, expected), message, **inputs)
