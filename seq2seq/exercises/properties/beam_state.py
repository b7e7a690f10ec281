"""Properties of exercise 12: beam search with a recurrent decoder."""

from itertools import product

import torch
from torch import Tensor

from seq2seq.exercises.expect import Draw, Student, expect, number, parts

VOCAB, DIM, ROUNDS = 4, 4, 12
Model = tuple[Tensor, Tensor, Tensor]


def model(draw: Draw) -> Model:
    """Return a random model; its states matter as much as its inputs."""
    return draw.normal(VOCAB, DIM), 2 * draw.matrix(DIM, DIM), draw.normal(DIM, VOCAB)


def log_probability(weights: Model, words: list[int]) -> float:
    """Return the log-probability of a sentence."""
    embedding, recurrent, output = weights
    state, total = torch.zeros(DIM), 0.0
    for before, word in zip([0, *words], words, strict=False):
        state = torch.tanh(embedding[before] + state @ recurrent)
        total += float(torch.log_softmax(state @ output, dim=-1)[word])
    return total


def call(student: Student, weights: Model, beam: int, length: int) -> tuple[list[int], float]:
    """Call `beam_search`."""
    given = {"model": weights, "beam": beam, "length": length}
    pair = parts(student("beam_search", *given.values()), 2, "beam_search", **given)
    words = pair[0].tolist() if isinstance(pair[0], Tensor) else pair[0]
    good = isinstance(words, list | tuple) and len(words) == length
    good = good and all(isinstance(word, int) and 0 <= word < VOCAB for word in words)
    expect(good, f"beam_search returned {words!r:.80} as words", **given)
    return list(words), number(pair[1], "beam_search (log_probability)", **given)


def greedy(student: Student, draw: Draw) -> None:
    """A beam of 1 takes the most probable word at each step."""
    for length in (1, 2, 4):
        weights, wanted = model(draw), list[int]()
        for _ in range(length):
            wanted.append(
                max(range(VOCAB), key=lambda word: log_probability(weights, [*wanted, word]))
            )
        words, _ = call(student, weights, 1, length)
        message = f"beam_search returned {words}, and greedy search is {wanted}"
        expect(words == wanted, message, model=weights, beam=1, length=length)


def agreement(student: Student, draw: Draw) -> None:
    """The search returns the log-probability that the model gives to the words."""
    for length in (2, 3, 5):
        for _ in range(ROUNDS):
            weights = model(draw)
            words, found = call(student, weights, 2, length)
            own = log_probability(weights, words)
            message = f"the search returns {words} with {found:.4g}; the model gives them {own:.4g}"
            expect(abs(found - own) < 1e-3, message, model=weights, beam=2, length=length)


def exhaustive(student: Student, draw: Draw) -> None:
    """A beam as large as the number of sentences returns the best of all sentences."""
    for length in (2, 3):
        for _ in range(ROUNDS):
            weights, beam = model(draw), VOCAB**length
            words, _ = call(student, weights, beam, length)
            sentences = [list(one) for one in product(range(VOCAB), repeat=length)]
            best = max(sentences, key=lambda one: log_probability(weights, one))
            gap = log_probability(weights, best) - log_probability(weights, words)
            message = f"beam_search returned {words}, and {best} is more probable"
            expect(gap < 1e-4, message, model=weights, beam=beam, length=length)


def beginnings(student: Student, draw: Draw) -> None:
    """A beam keeps the most probable beginnings of each length."""
    for length in (2, 3, 4):
        for _ in range(ROUNDS):
            weights, kept = model(draw), list[list[int]]([[]])
            for _ in range(length):
                longer = [[*one, word] for one in kept for word in range(VOCAB)]
                kept = sorted(longer, key=lambda one: -log_probability(weights, one))[:2]
            words, _ = call(student, weights, 2, length)
            gap = log_probability(weights, kept[0]) - log_probability(weights, words)
            message = f"beam_search returned {words}, and a beam of 2 keeps {kept[0]}"
            expect(abs(gap) < 1e-4, message, model=weights, beam=2, length=length)


PROPERTIES = (greedy, agreement, exhaustive, beginnings)
