"""Properties of exercise 2: scaled dot-product attention."""

from seq2seq.exercises.expect import Draw, Student, expect
from seq2seq.exercises.properties import softmax_axis
from seq2seq.exercises.properties.common import SIZES, attended, attention_inputs, same


def spread(student: Student, draw: Draw) -> None:
    """For random vectors, how uneven the weights are does not depend on the width."""
    deviations = []
    for width in (4, 64):
        query, keys, values = draw.normal(400, width), draw.normal(2, width), draw.normal(2, width)
        keys = keys / keys.std(-1, keepdim=True)
        _, weights = attended(student, query=query, keys=keys, values=values)
        ratio = weights.clamp_min(1e-30).log()
        length = (keys[0] - keys[1]).norm() / width**0.5
        deviations.append(float((ratio[:, 0] - ratio[:, 1]).std() / length))
    narrow, wide = deviations
    expect(
        0.7 < wide / narrow < 1.4,
        f"the difference of the logarithms of two weights varies {wide / narrow:.2g} times as much "
        "at width 64 as at width 4, for standard normal queries and two keys",
    )


def shift(student: Student, draw: Draw) -> None:
    """Adding one vector to all keys changes no weight."""
    for size in SIZES:
        query, keys, values = attention_inputs(draw, *size)
        moved = keys + draw.normal(1, size[2])
        _, before = attended(student, query=query, keys=keys, values=values)
        _, after = attended(student, query=query, keys=moved, values=values)
        message = "the weights change when one vector is added to all keys"
        same(after, before, message, query=query, keys=keys, keys_after=moved)


PROPERTIES = (softmax_axis.sums, spread, shift, softmax_axis.toolkit)
