"""Properties of exercise 1: attention of several queries."""

from seq2seq.exercises.expect import Draw, Student, equal
from seq2seq.exercises.properties.common import (
    SIZES,
    attended,
    attention_inputs,
    oracle,
    rows_are_distributions,
    same,
)


def sums(student: Student, draw: Draw) -> None:
    """The weights of each query are not negative and sum to one."""
    for size in SIZES:
        query, keys, values = attention_inputs(draw, *size)
        _, weights = attended(student, query=query, keys=keys, values=values)
        rows_are_distributions(weights, query=query, keys=keys)


def alone(student: Student, draw: Draw) -> None:
    """The context of a query does not depend on the other queries."""
    for size in SIZES[1:]:
        query, keys, values = attention_inputs(draw, *size)
        together, _ = attended(student, query=query, keys=keys, values=values)
        first, _ = attended(student, query=query[:1], keys=keys, values=values)
        message = "without the other queries, the context of the first one changes"
        same(together[:1], first, message, query=query, keys=keys, values=values)


def average(student: Student, draw: Draw) -> None:
    """If all values are equal, so is the context."""
    for size in SIZES:
        query, keys, values = attention_inputs(draw, *size)
        values = values[:1].expand_as(values).contiguous()
        context, _ = attended(student, query=query, keys=keys, values=values)
        message = "all values are equal, and a context differs from them"
        same(context, values[:1].expand_as(context), message, query=query, keys=keys, values=values)


def toolkit(student: Student, draw: Draw) -> None:
    """Contexts and weights are those of seq2seq.layers.attention."""
    for size in SIZES:
        query, keys, values = attention_inputs(draw, *size)
        given = attended(student, query=query, keys=keys, values=values)
        for name, actual, wanted in zip(
            ("context", "weights"), given, oracle(query, keys, values), strict=True
        ):
            equal(actual, wanted, f"attend ({name})", query=query, keys=keys, values=values)


PROPERTIES = (sums, alone, average, toolkit)
