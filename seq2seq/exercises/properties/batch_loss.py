"""Properties of exercise 10: the loss of a batch."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from seq2seq.exercises.expect import Draw, Student, expect, number
from seq2seq.layers.loss import cross_entropy

PAD, VOCAB = 0, 4
BATCHES = ([1, 2], [2, 1, 3], [4, 2, 1])  # lengths


def inputs(draw: Draw, lengths: list[int]) -> dict[str, Tensor]:
    """Return random logits and labels, padded on the right."""
    labels = draw.integers(1, VOCAB - 1, len(lengths), max(lengths))
    real = torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)
    return {
        "logits": draw.normal(len(lengths), max(lengths), VOCAB),
        "labels": labels.masked_fill(~real, PAD),
    }


def call(student: Student, given: dict[str, Tensor]) -> float:
    """Call `mean_loss`."""
    return number(student("mean_loss", *given.values()), "mean_loss", **given)


def near(actual: float, wanted: float) -> bool:
    """Whether two losses are equal up to rounding."""
    return math.isclose(actual, wanted, rel_tol=1e-4, abs_tol=1e-5)


def uniform(student: Student, draw: Draw) -> None:
    """If all words are equally probable, the loss is log(vocab), whatever the lengths."""
    for lengths in ([2], *BATCHES):
        given = inputs(draw, lengths)
        given["logits"] = torch.zeros_like(given["logits"])
        loss = call(student, given)
        message = f"the loss is {loss:.4g}, and log({VOCAB}) is {math.log(VOCAB):.4g}"
        expect(near(loss, math.log(VOCAB)), message, labels=given["labels"])


def padding(student: Student, draw: Draw) -> None:
    """More padding does not change the loss."""
    for lengths in ([1], *BATCHES):
        given = inputs(draw, lengths)
        wider = {
            "logits": torch.cat([given["logits"], draw.normal(len(lengths), 2, VOCAB)], dim=1),
            "labels": F.pad(given["labels"], (0, 2), value=PAD),
        }
        before, after = call(student, given), call(student, wider)
        message = f"two more positions of padding change the loss from {before:.4g} to {after:.4g}"
        expect(near(after, before), message, **given)


def words(student: Student, draw: Draw) -> None:
    """Each word of the batch counts the same, in short and in long sentences."""
    for lengths in BATCHES:
        given = inputs(draw, lengths)
        loss, total = call(student, given), 0.0
        for row, length in enumerate(lengths):
            one = {name: value[row : row + 1, :length] for name, value in given.items()}
            total += length * call(student, one)
        wanted = total / sum(lengths)
        message = (
            f"the loss is {loss:.4g}; the mean over the words, from the losses of the sentences "
            f"alone, is {wanted:.4g}"
        )
        expect(near(loss, wanted), message, **given)


def toolkit(student: Student, draw: Draw) -> None:
    """The loss is that of seq2seq.layers.loss divided by the number of words."""
    for lengths in BATCHES:
        given = inputs(draw, lengths)
        real = given["labels"] != PAD
        total = cross_entropy(
            given["logits"][real], torch.eye(VOCAB), torch.zeros(VOCAB), given["labels"][real]
        )
        loss, wanted = call(student, given), float(total) / sum(lengths)
        expect(near(loss, wanted), f"the loss is {loss:.4g}, expected {wanted:.4g}", **given)


PROPERTIES = (uniform, padding, words, toolkit)
