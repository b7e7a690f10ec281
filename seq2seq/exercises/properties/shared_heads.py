"""Properties of exercise 13: grouped-query attention."""

import torch
from torch import Tensor

from seq2seq.exercises.expect import Draw, Student, close, equal, expect, tensor
from seq2seq.exercises.properties.common import oracle, same
from seq2seq.layers.attention import dot_product_attention
from seq2seq.layers.dropout import Dropout

SIZES = ((4, 2, 1, 2), (4, 2, 2, 3), (6, 3, 2, 3), (6, 2, 2, 3))  # heads, groups, queries, keys
WIDTH = 2


def inputs(draw: Draw, heads: int, groups: int, queries: int, keys: int) -> dict[str, Tensor]:
    """Return random queries, keys and values."""
    return {
        "query": draw.normal(heads, queries, WIDTH),
        "keys": draw.normal(groups, keys, WIDTH),
        "values": draw.normal(groups, keys, WIDTH),
    }


def call(student: Student, given: dict[str, Tensor]) -> Tensor:
    """Call `attend`."""
    return tensor(student("attend", *given.values()), given["query"].shape, "attend", **given)


def multi_head(student: Student, draw: Draw) -> None:
    """With as many groups as heads, each head has its own keys and values."""
    for heads in (1, 2, 3):
        given = inputs(draw, heads, heads, 2, 3)
        wanted = torch.stack([oracle(*parts)[0] for parts in zip(*given.values(), strict=True)])
        equal(call(student, given), wanted, "attend", **given)


def multi_query(student: Student, draw: Draw) -> None:
    """With one group, all heads use its keys and values."""
    given = inputs(draw, 3, 1, 2, 3)
    context = call(student, given)
    for head, query in enumerate(given["query"]):
        wanted, _ = oracle(query, given["keys"][0], given["values"][0])
        same(context[head], wanted, f"head {head} does not use the only group", **given)


def neighbours(student: Student, draw: Draw) -> None:
    """Other values of a group change exactly the consecutive heads that share it."""
    for size in SIZES:
        heads, groups, *_ = size
        given = inputs(draw, *size)
        before = call(student, given)
        for group in range(groups):
            values = given["values"].clone()
            values[group] = values[group] + 1
            after = call(student, given | {"values": values})
            changed = [head for head in range(heads) if not close(after[head], before[head])]
            shared = heads // groups
            wanted = list(range(group * shared, (group + 1) * shared))
            message = (
                f"other values of group {group} of {groups} change the heads {changed}, and those "
                f"that share it are {wanted}"
            )
            expect(changed == wanted, message, **given)


def toolkit(student: Student, draw: Draw) -> None:
    """The contexts are those of seq2seq.layers.attention."""
    for size in SIZES:
        given = inputs(draw, *size)
        query, keys, values = (part.unsqueeze(0) for part in given.values())
        wanted, _ = dot_product_attention(query, keys, values, None, None, Dropout(0.0), True)
        equal(call(student, given), wanted[0], "attend", **given)


PROPERTIES = (multi_head, multi_query, neighbours, toolkit)
