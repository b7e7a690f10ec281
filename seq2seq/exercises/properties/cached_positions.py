"""Properties of exercise 11: decoding with a cache."""

import torch
from torch import Tensor

from seq2seq.exercises.expect import Draw, Student, close, equal, expect, tensor
from seq2seq.exercises.properties.common import LENGTHS, oracle
from seq2seq.layers.positions import sinusoidal

VOCAB, DIM = 5, 4
BOTH = ("at_once", "step_by_step")


def inputs(draw: Draw, words: int) -> dict[str, Tensor]:
    """Return random words and weights."""
    matrices = {name: draw.matrix(DIM, DIM) for name in ("w_query", "w_key", "w_value")}
    ids = {"ids": draw.integers(0, VOCAB - 1, words)}
    return ids | {"embedding": draw.normal(VOCAB, DIM)} | matrices


def call(student: Student, function: str, given: dict[str, Tensor]) -> Tensor:
    """Call one of the two functions."""
    shape = [len(given["ids"]), DIM]
    return tensor(student(function, *given.values()), shape, function, **given)


def agreement(student: Student, draw: Draw) -> None:
    """Step by step equals all at once, at every word."""
    for words in (1, *LENGTHS):
        given = inputs(draw, words)
        whole, steps = (call(student, function, given) for function in BOTH)
        for word in range(words):
            message = f"at_once and step_by_step differ at word {word}"
            expect(close(steps[word], whole[word]), message, **given)


def order(student: Student, draw: Draw) -> None:
    """The order of the earlier words has an effect on the last one."""
    for function in BOTH:
        given = inputs(draw, 3) | {"ids": torch.tensor([1, 2, 3])}
        swapped = given | {"ids": torch.tensor([2, 1, 3])}
        one, other = (call(student, function, each)[-1] for each in (given, swapped))
        message = f"{function}: exchanging the first two words does not change the last context"
        expect(not close(one, other), message, **given)


def future(student: Student, draw: Draw) -> None:
    """A later word changes no earlier context."""
    for function in BOTH:
        given = inputs(draw, 4)
        shorter = given | {"ids": given["ids"][:3]}
        one, other = call(student, function, given)[:3], call(student, function, shorter)
        expect(close(one, other), f"{function}: word 3 changes an earlier context", **given)


def toolkit(student: Student, draw: Draw) -> None:
    """Both give the contexts of seq2seq.layers.attention with sinusoidal positions."""
    for words in LENGTHS:
        given = inputs(draw, words)
        x = given["embedding"][given["ids"]] + sinusoidal(torch.arange(words), DIM)
        causal = torch.ones(words, words, dtype=torch.bool).tril()
        query, keys, values = (x @ given[f"w_{name}"] for name in ("query", "key", "value"))
        wanted, _ = oracle(query, keys, values, causal)
        for function in BOTH:
            equal(call(student, function, given), wanted, function, **given)


PROPERTIES = (future, order, agreement, toolkit)
