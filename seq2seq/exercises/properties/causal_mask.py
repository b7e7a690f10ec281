"""Properties of exercise 5: self-attention of a decoder."""

import torch

from seq2seq.exercises.expect import Draw, Student, close, equal, expect
from seq2seq.exercises.properties.common import (
    LENGTHS,
    oracle,
    rows_are_distributions,
    self_attended,
)


def first(student: Student, draw: Draw) -> None:
    """A sentence of one word attends to this word."""
    x = draw.normal(1, 3)
    context, _ = self_attended(student, x=x)
    equal(context, x, "self_attention (context)", x=x)


def sums(student: Student, draw: Draw) -> None:
    """The weights of each word are not negative and sum to one."""
    for words in LENGTHS:
        x = draw.normal(words, 3)
        rows_are_distributions(self_attended(student, x=x)[1], x=x)


def future(student: Student, draw: Draw) -> None:
    """A change of a word changes no result of an earlier word."""
    for words in LENGTHS:
        x = draw.normal(words, 3)
        before, _ = self_attended(student, x=x)
        for changed in range(1, words):
            other = x.clone()
            other[changed] = draw.normal(3)
            after, _ = self_attended(student, x=other)
            for word in range(changed):
                expect(
                    close(after[word], before[word]),
                    f"another word {changed} changes the context of word {word}",
                    x=x,
                    changed=other[changed],
                )


def past(student: Student, draw: Draw) -> None:
    """Each word attends to itself and to all words before it."""
    for words in LENGTHS:
        x = draw.normal(words, 3)
        _, weights = self_attended(student, x=x)
        for row in range(words):
            for column in range(row + 1):
                message = f"word {row} gives word {column} no weight"
                expect(weights[row, column] > 1e-12, message, x=x)


def toolkit(student: Student, draw: Draw) -> None:
    """Contexts and weights are those of seq2seq.layers.attention."""
    for words in LENGTHS:
        x = draw.normal(words, 3)
        mask = torch.ones(words, words, dtype=torch.bool).tril()
        given, wanted = self_attended(student, x=x), oracle(x, x, x, mask)
        for name, one, other in zip(("context", "weights"), given, wanted, strict=True):
            equal(one, other, f"self_attention ({name})", x=x)


PROPERTIES = (first, sums, future, past, toolkit)
