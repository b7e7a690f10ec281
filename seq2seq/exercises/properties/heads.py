"""Properties of exercise 6: multi-head attention."""

from typing import Any

import torch
from torch import Tensor

from seq2seq.exercises.expect import Draw, Student, equal, tensor
from seq2seq.exercises.properties.common import same
from seq2seq.layers.multi_head import MultiHeadAttention

SIZES = ((1, 2, 4, 2), (2, 3, 4, 2), (2, 5, 6, 3))  # batch, words, dim, heads
NAMES = ("w_query", "w_key", "w_value", "w_out")


def inputs(draw: Draw, batch: int, words: int, dim: int, heads: int) -> dict[str, Any]:
    """Return random vectors and matrices."""
    x = {"x": draw.normal(batch, words, dim)}
    return x | {name: draw.matrix(dim, dim) for name in NAMES} | {"heads": heads}


def call(student: Student, given: dict[str, Any]) -> Tensor:
    """Call `multi_head`."""
    return tensor(student("multi_head", *given.values()), given["x"].shape, "multi_head", **given)


def parts_of_words(student: Student, draw: Draw) -> None:
    """Head h of word t is part h of the vector of word t."""
    for batch, words, dim, heads in SIZES:
        x = torch.arange(batch * words * dim).view(batch, words, dim) / 1.0
        width = dim // heads
        wanted = torch.stack([x[..., h * width : (h + 1) * width] for h in range(heads)], dim=1)
        equal(student("split", x, heads), wanted, "split", x=x, heads=heads)


def order(student: Student, draw: Draw) -> None:
    """Without positions, another order of the words changes the order of the results only."""
    for size in SIZES:
        given = inputs(draw, *size)
        turned = given | {"x": given["x"].flip(1)}
        message = "reversing the words does not merely reverse the results"
        same(call(student, turned).flip(1), call(student, given), message, **given)


def one_head(student: Student, draw: Draw) -> None:
    """A sentence of one word is its vector times w_value times w_out, with any number of heads."""
    for _, _, dim, heads in SIZES:
        given = inputs(draw, 1, 1, dim, heads)
        wanted = given["x"] @ given["w_value"] @ given["w_out"]
        equal(call(student, given), wanted, "multi_head", **given)


def toolkit(student: Student, draw: Draw) -> None:
    """The result is that of seq2seq.layers.multi_head."""
    for size in SIZES:
        given = inputs(draw, *size)
        layer = MultiHeadAttention(size[2], size[3], 0.0, bias=False)
        for part, name in zip((layer.query, layer.key, layer.value, layer.out), NAMES, strict=True):
            part.weight = torch.nn.Parameter(given[name].T.contiguous())
        with torch.no_grad():
            wanted = layer(given["x"], layer.remember(given["x"]), None).context
        equal(call(student, given), wanted, "multi_head", **given)


PROPERTIES = (parts_of_words, one_head, order, toolkit)
