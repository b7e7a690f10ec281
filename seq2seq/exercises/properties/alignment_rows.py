"""Properties of exercise 14: a word alignment from attention."""

from typing import Any

import torch
from torch import Tensor

from seq2seq.alignment.links import LinkSet
from seq2seq.alignment.rule import Rule
from seq2seq.exercises.expect import Draw, Student, described, expect

WORDS = ("la", "maison", "rouge", "est", "vieille")
SIZES = ((1, 2), (2, 2), (3, 4), (5, 3))  # words of the translation, and of the source


def inputs(draw: Draw, target: int, source: int) -> dict[str, Any]:
    """Return a translation and random attention, with a row and a column for `</s>`."""
    words = list(WORDS[:target])
    shape = target + 1, source + 1
    order = torch.randperm(90, generator=draw.generator)[: shape[0] * shape[1]]
    weights = (order + 1).view(
        shape
    ) / 100  # no two are equal; that their sum is not one is no matter
    return {"inputs": ["<s>", *words], "outputs": [*words, "</s>"], "weights": weights}


def call(student: Student, given: dict[str, Any]) -> LinkSet:
    """Call `links`; the order of the links does not matter."""
    found = student("links", *given.values())
    good = isinstance(found, list | tuple | set | frozenset) and all(
        isinstance(link, tuple | list) and len(link) == 2 and all(map(is_place, link))
        for link in found
    )
    message = f"links returned {described(found)}, where a list of pairs of integers is expected"
    expect(good, message, **given)
    return frozenset((int(i), int(j)) for i, j in found)


def is_place(value: Any) -> bool:
    """Whether a value is an integer, or a tensor of one integer."""
    if isinstance(value, Tensor):
        return value.numel() == 1 and not value.is_floating_point()
    return isinstance(value, int)


def peaked(target: list[int], source: int) -> Tensor:
    """Return attention that is high at one source word for each row."""
    weights = torch.full((len(target), source + 1), 0.1)
    for row, column in enumerate(target):
        weights[row, column] = 0.9
    return weights


def every_word(student: Student, draw: Draw) -> None:
    """Each word of the translation has one link, and `</s>` has none."""
    for size in SIZES:
        given = inputs(draw, *size)
        linked = sorted(j for _, j in call(student, given))
        message = f"the target words of the links are {linked}"
        expect(linked == list(range(size[0])), message, **given)


def predicted(student: Student, draw: Draw) -> None:
    """A decoder that attends to the word it is about to translate has the right links."""
    for columns in ([0, 1], [1, 0, 2], [0, 1, 2, 3], [2, 0, 3, 1]):
        source = len(columns) - 1 if max(columns) < len(columns) - 1 else len(columns)
        given = inputs(draw, len(columns) - 1, source)
        given["weights"] = peaked(columns, source)
        wanted = {(column, row) for row, column in enumerate(columns[:-1])}
        found = call(student, given)
        message = f"the links are {sorted(found)}, and the correct ones {sorted(wanted)}"
        expect(found == wanted, message, **given)


def last_row(student: Student, draw: Draw) -> None:
    """The attention while `</s>` was predicted has no effect, and that of the first word has."""
    for size in SIZES:
        given = inputs(draw, *size)
        before = call(student, given)
        other = given | {"weights": given["weights"].clone()}
        other["weights"][-1] = given["weights"][-1].flip(0)
        message = "the last row, in which `</s>` was predicted, changes the links"
        expect(call(student, other) == before, message, **given)
        first = given | {"weights": given["weights"].clone()}
        for column in range(2):
            first["weights"][0, :-1] = 0.0
            first["weights"][0, column] = 1.0
            message = "the first row, in which the first word was predicted, has no effect"
            expect((column, 0) in call(student, first), message, **first)


def toolkit(student: Student, draw: Draw) -> None:
    """The links are those of the default rule of seq2seq.alignment.rule."""
    for size in SIZES:
        for _ in range(3):
            given = inputs(draw, *size)
            wanted = Rule().links(given["weights"][:-1].numpy())
            found = call(student, given)
            expect(found == wanted, f"the links are {sorted(found)}", **given)


PROPERTIES = (every_word, last_row, predicted, toolkit)
