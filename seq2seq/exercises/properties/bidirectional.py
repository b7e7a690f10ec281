"""Properties of exercise 7: a bidirectional encoder."""

import torch
from torch import Tensor

from seq2seq.exercises.expect import Draw, Student, equal, expect, tensor
from seq2seq.exercises.properties.common import same
from seq2seq.layers.recurrent import Recurrence

DIM, UNITS = 2, 2
BATCHES = ([2, 1], [1, 2], [2, 3], [4, 2, 3])  # lengths


def inputs(draw: Draw, lengths: list[int]) -> dict[str, Tensor]:
    """Return random vectors, also at padding, and weights."""
    return {
        "x": draw.normal(len(lengths), max(lengths), DIM),
        "lengths": torch.tensor(lengths),
        "w_in": draw.matrix(DIM, UNITS),
        "w_state": draw.matrix(UNITS, UNITS),
        "bias": draw.normal(UNITS),
    }


def call(student: Student, given: dict[str, Tensor]) -> Tensor:
    """Call `encode`."""
    shape = [*given["x"].shape[:2], 2 * UNITS]
    return tensor(student("encode", *given.values()), shape, "encode", **given)


def single(student: Student, draw: Draw) -> None:
    """A sentence without padding has the states of both directions."""
    for words in (1, 2, 4):
        given = inputs(draw, [words])
        equal(call(student, given), recurrence(given), "encode", **given)


def alone(student: Student, draw: Draw) -> None:
    """The states of a sentence in a batch are those of the sentence alone."""
    for lengths in BATCHES:
        given = inputs(draw, lengths)
        together = call(student, given)
        for row, length in enumerate(lengths):
            one = {"x": given["x"][row : row + 1, :length], "lengths": torch.tensor([length])}
            own = call(student, given | one)
            message = f"the states of sentence {row} differ from those of the sentence alone"
            same(together[row, :length], own[0], message, **given)


def content(student: Student, draw: Draw) -> None:
    """The vectors of padding have no effect."""
    for lengths in BATCHES:
        given = inputs(draw, lengths)
        real = torch.arange(max(lengths)) < given["lengths"].unsqueeze(1)
        other = torch.where(real.unsqueeze(-1), given["x"], draw.normal(*given["x"].shape))
        message = "the states change when the vectors of padding change"
        same(call(student, given | {"x": other}), call(student, given), message, **given)


def zero(student: Student, draw: Draw) -> None:
    """The states of padding are zero."""
    for lengths in BATCHES:
        given = inputs(draw, lengths)
        states = call(student, given)
        for row, length in enumerate(lengths):
            message = f"the states of the padding of sentence {row} are not zero"
            expect((states[row, length:] == 0).all(), message, **given)


def toolkit(student: Student, draw: Draw) -> None:
    """The states are those of seq2seq.layers.recurrent."""
    for lengths in BATCHES:
        given = inputs(draw, lengths)
        equal(call(student, given), recurrence(given), "encode", **given)


def recurrence(given: dict[str, Tensor]) -> Tensor:
    """Return the states of the network of this package with these weights."""
    network = Recurrence("tanh", DIM, UNITS, layers=1, dropout=0.0, bidirectional=True)
    values = {"weight_ih": given["w_in"].T, "weight_hh": given["w_state"].T}
    values |= {"bias_ih": given["bias"], "bias_hh": torch.zeros(UNITS)}
    with torch.no_grad():
        for name, parameter in network.network.named_parameters():
            parameter.copy_(values[name.partition("_l0")[0]])
        mask = torch.arange(given["x"].size(1)) < given["lengths"].unsqueeze(1)
        return network.read(given["x"], mask)[0]


PROPERTIES = (single, zero, alone, content, toolkit)
