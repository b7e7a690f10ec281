"""Properties of exercise 3: attention with a mask."""

import torch
from torch import Tensor

from seq2seq.exercises.expect import Draw, Student, equal, expect
from seq2seq.exercises.properties.common import (
    SIZES,
    attended,
    attention_inputs,
    oracle,
    rows_are_distributions,
    same,
)


def random_mask(draw: Draw, queries: int, keys: int) -> Tensor:
    """Return a mask in which each query has a key that is visible and one that is hidden."""
    mask = draw.integers(0, 1, queries, keys).bool()
    for row in mask:
        first = draw.integer(0, keys - 1)
        row[first], row[(first + 1) % keys] = True, False
    return mask


def hidden(student: Student, draw: Draw) -> None:
    """A hidden key has no weight, whatever the scores are."""
    for size, scale in ((size, scale) for size in SIZES for scale in (1, 30)):
        query, keys, values = attention_inputs(draw, *size)
        query = query * scale
        mask = random_mask(draw, *size[:2])
        _, weights = attended(student, query=query, keys=keys, values=values, mask=mask)
        for row, column in (~mask).nonzero().tolist():
            weight = float(weights[row, column])
            expect(
                abs(weight) < 1e-6,
                f"query {row} gives key {column}, which is hidden from it, the weight {weight:.2g}",
                query=query,
                keys=keys,
                mask=mask,
            )


def sums(student: Student, draw: Draw) -> None:
    """The weights of each query are not negative and sum to one."""
    for size in SIZES:
        query, keys, values = attention_inputs(draw, *size)
        mask = random_mask(draw, *size[:2])
        _, weights = attended(student, query=query, keys=keys, values=values, mask=mask)
        rows_are_distributions(weights, query=query, keys=keys, mask=mask)


def removed(student: Student, draw: Draw) -> None:
    """Attention with hidden keys is attention without these keys."""
    for _, keys_count, width in SIZES:
        query, keys, values = attention_inputs(draw, 1, keys_count, width)
        mask = random_mask(draw, 1, keys_count)
        context, _ = attended(student, query=query, keys=keys, values=values, mask=mask)
        kept = mask[0]
        without, _ = attended(
            student, query=query, keys=keys[kept], values=values[kept], mask=mask[:, kept]
        )
        message = "the context changes when the hidden keys and values are removed"
        same(context, without, message, query=query, keys=keys, values=values, mask=mask)


def everything(student: Student, draw: Draw) -> None:
    """If no key is hidden, the result is that of attention without a mask."""
    for size in SIZES:
        query, keys, values = attention_inputs(draw, *size)
        mask = torch.ones(size[:2], dtype=torch.bool)
        context, _ = attended(student, query=query, keys=keys, values=values, mask=mask)
        wanted, _ = oracle(query, keys, values)
        equal(context, wanted, "attend (context)", query=query, keys=keys, values=values, mask=mask)


def toolkit(student: Student, draw: Draw) -> None:
    """Contexts and weights are those of seq2seq.layers.attention."""
    for size in SIZES:
        query, keys, values = attention_inputs(draw, *size)
        mask = random_mask(draw, *size[:2])
        inputs = {"query": query, "keys": keys, "values": values, "mask": mask}
        given, wanted = attended(student, **inputs), oracle(query, keys, values, mask)
        for name, one, other in zip(("context", "weights"), given, wanted, strict=True):
            equal(one, other, f"attend ({name})", **inputs)


PROPERTIES = (sums, hidden, removed, everything, toolkit)
