"""Properties of exercise 9: inputs and labels of a decoder."""

import torch
from torch import Tensor

from seq2seq.exercises.expect import Draw, Student, equal, expect, parts, tensor
from seq2seq.text.batching import collate
from seq2seq.text.special_ids import SpecialIds

SPECIAL = SpecialIds()
LENGTHS = ([1], [2], [1, 3], [4, 2, 3])


def sentences(draw: Draw, lengths: list[int]) -> list[list[int]]:
    """Return random sentences, in each of which no word occurs twice."""
    return [[10 * place + draw.integer(3, 9) for place in range(length)] for length in lengths]


def call(student: Student, given: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Call `teacher_forcing`."""
    function, shape = "teacher_forcing", [len(given), max(map(len, given)) + 1]
    pair = parts(student(function, given), 2, function, sentences=given)
    inputs, labels = (
        tensor(one, shape, f"{function} ({name})", sentences=given)
        for name, one in zip(("inputs", "labels"), pair, strict=True)
    )
    return inputs, labels


def answers(student: Student, draw: Draw) -> None:
    """An input contains no word that has yet to be predicted."""
    for lengths in LENGTHS:
        given = sentences(draw, lengths)
        inputs, labels = call(student, given)
        for row, sentence in enumerate(given):
            for t in range(len(sentence)):
                expect(
                    labels[row, t] not in inputs[row, : t + 1],
                    f"at position {t} the decoder has to predict {int(labels[row, t])} and has "
                    f"read {inputs[row, : t + 1].long().tolist()}",
                    sentences=given,
                )


def chain(student: Student, draw: Draw) -> None:
    """Each label is the next input, as in translation."""
    for lengths in LENGTHS:
        given = sentences(draw, lengths)
        inputs, labels = call(student, given)
        for row, sentence in enumerate(given):
            for t in range(len(sentence)):
                expect(
                    labels[row, t] == inputs[row, t + 1],
                    f"label {t} is {int(labels[row, t])}, input {t + 1} is "
                    f"{int(inputs[row, t + 1])}",
                    sentences=given,
                )


def ends(student: Student, draw: Draw) -> None:
    """The labels are the words of the sentence, then EOS, then PAD."""
    for lengths in LENGTHS:
        given = sentences(draw, lengths)
        labels = call(student, given)[1].long().tolist()
        for row, sentence in enumerate(given):
            wanted = [*sentence, SPECIAL.eos]
            wanted += [SPECIAL.pad] * (len(labels[row]) - len(wanted))
            message = f"the labels of sentence {row} are {labels[row]}"
            expect(labels[row] == wanted, message, sentences=given)


def toolkit(student: Student, draw: Draw) -> None:
    """Inputs and labels are those of seq2seq.text.batching; inputs at padding do not matter."""
    for lengths in LENGTHS:
        given = sentences(draw, lengths)
        batch = collate([(sentence, sentence) for sentence in given], SPECIAL)
        inputs, labels = call(student, given)
        real = batch.tgt_out != SPECIAL.pad
        equal(labels, batch.tgt_out, "teacher_forcing (labels)", sentences=given)
        read = inputs.where(real, torch.tensor(0.0, dtype=inputs.dtype))
        wanted = batch.tgt_in.where(real, torch.tensor(0))
        equal(read, wanted, "teacher_forcing (inputs)", sentences=given)


PROPERTIES = (ends, answers, chain, toolkit)
