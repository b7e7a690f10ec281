"""Properties of exercise 16: the best finished hypothesis."""

from itertools import pairwise, product
from typing import Any

import torch
from torch import Tensor

from seq2seq.exercises.expect import Draw, Student, expect
from seq2seq.models.base import Autoregressive
from seq2seq.models.results import Hidden, Step
from seq2seq.search import Beam
from seq2seq.text.special_ids import SpecialIds

END, ROUNDS = 0, 6
SIZES = ((2, 1), (3, 2), (3, 3))  # words with END, limit
EVERYTHING = 100  # a beam that keeps all hypotheses of these sizes


def table(draw: Draw, vocab: int) -> Tensor:
    """Return a random model in which END is rather improbable."""
    logits = draw.normal(vocab, vocab)
    logits[:, END] -= 0.5
    return torch.log_softmax(logits, dim=-1)


def total(log_p: Tensor, words: list[int]) -> float:
    """Return the log-probability of a sentence and its end."""
    path = [END, *words, END]
    return sum(float(log_p[a, b]) for a, b in pairwise(path))


def mean(log_p: Tensor, words: list[int]) -> float:
    """Return the log-probability per token."""
    return total(log_p, words) / (len(words) + 1)


def call(student: Student, log_p: Tensor, beam: int, limit: int) -> list[int]:
    """Call `beam_search`."""
    words = student("beam_search", log_p, beam, limit)
    words = words.tolist() if isinstance(words, Tensor) else words
    good = isinstance(words, list | tuple) and len(words) <= limit
    good = good and all(isinstance(one, int) and 0 < one < len(log_p) for one in words)
    message = (
        f"beam_search returned {words!r:.80}, where a list of at most {limit} words is expected"
    )
    expect(good, message, log_p=log_p, beam=beam, limit=limit)
    return list(words)


def best(student: Student, draw: Draw) -> None:
    """With a beam that keeps everything, no sentence has a higher log-probability per token."""
    for vocab, limit in SIZES:
        sentences = [
            list(one) for n in range(limit + 1) for one in product(range(1, vocab), repeat=n)
        ]
        for _ in range(ROUNDS):
            log_p = table(draw, vocab)
            words = call(student, log_p, EVERYTHING, limit)
            wanted = max(sentences, key=lambda one: mean(log_p, one))
            message = (
                f"beam_search returned {words} with {mean(log_p, words):.4g} per token, and "
                f"{wanted} has {mean(log_p, wanted):.4g}"
            )
            good = mean(log_p, words) > mean(log_p, wanted) - 1e-4
            expect(good, message, log_p=log_p, beam=EVERYTHING, limit=limit)


def long(student: Student, draw: Draw) -> None:
    """If each word is more probable than the mean so far, the longest sentence is returned."""
    for limit in (1, 2, 4):
        log_p = torch.tensor([[0.3, 0.7], [0.4, 0.6]]).log()
        log_p[1] = torch.tensor([0.35, 0.65]).log()
        words = call(student, log_p, 2, limit)
        wanted = [1] * limit
        message = f"beam_search returned {words}, and {wanted} is more probable per token"
        expect(words == wanted, message, log_p=log_p, beam=2, limit=limit)


def short(student: Student, draw: Draw) -> None:
    """If END is far more probable than any word, the sentence is empty."""
    for limit in (1, 2, 4):
        log_p = torch.tensor([[0.9, 0.1], [0.5, 0.5]]).log()
        words = call(student, log_p, 2, limit)
        message = f"beam_search returned {words}, and [] is more probable per token"
        expect(words == [], message, log_p=log_p, beam=2, limit=limit)


def narrow(student: Student, draw: Draw) -> None:
    """A beam of 1 returns a beginning of the sentence of most probable words."""
    for vocab, limit in SIZES:
        for _ in range(ROUNDS):
            log_p = table(draw, vocab)
            words, greedy = call(student, log_p, 1, limit), [END]
            for _ in range(limit):
                greedy.append(1 + int(log_p[greedy[-1], 1:].argmax()))
            message = f"beam_search returned {words}, which is not a beginning of {greedy[1:]}"
            good = words == greedy[1 : len(words) + 1]
            expect(good, message, log_p=log_p, beam=1, limit=limit)


def toolkit(student: Student, draw: Draw) -> None:
    """The sentence is that of seq2seq.search with length_penalty=1."""
    for vocab, limit in SIZES:
        for _ in range(ROUNDS):
            log_p = table(draw, vocab)
            words = call(student, log_p, EVERYTHING, limit)
            search = Beam(
                beam=EVERYTHING,
                length_penalty=1.0,
                max_length=limit,
                length_ratio=0.0,
                length_extra=limit,
            )
            ids = torch.tensor([[SPECIAL.eos]])
            found = search(Table(log_p), ids, ids > 0)[0][0]
            wanted = [word - FIRST + 1 for word in found.tokens]
            good = abs(mean(log_p, words) - mean(log_p, wanted)) < 1e-4
            message = f"beam_search returned {words}, and the search of the toolkit {wanted}"
            expect(good, message, log_p=log_p, beam=EVERYTHING, limit=limit)


SPECIAL = SpecialIds()
FIRST = 4  # the id of the first word, after those of special pieces


class Table(Autoregressive):
    """A model of this package that predicts the next word from the last one, by a table."""

    def __init__(self, log_p: Tensor) -> None:
        super().__init__()
        words = len(log_p) - 1
        self.table = torch.zeros(FIRST + words, FIRST + words)  # rows of words that never occur
        rows = torch.tensor([SPECIAL.bos, *range(FIRST, FIRST + words)])
        columns = torch.tensor([SPECIAL.eos, *range(FIRST, FIRST + words)])
        self.table[rows] = float("-inf")
        self.table[rows.unsqueeze(1), columns] = log_p

    def embed_source(self, src: Tensor) -> Tensor:
        """Return the ids, one number for each source token."""
        return src.unsqueeze(-1).float()

    def encode_embedded(self, embedded: Tensor, mask: Tensor) -> Any:
        """Return the vectors."""
        return (embedded,)

    def hidden(self, tgt: Tensor, memory: Any, *, weights: bool = True) -> Hidden:
        """Not needed in a search."""
        raise NotImplementedError

    def start(self, memory: Any) -> Any:
        """Return a state without content."""
        return ()

    def step(self, token: Tensor, memory: Any, state: Any, *, weights: bool = True) -> Step:
        """Return the row of the table."""
        return Step(self.table[token], None, state)


PROPERTIES = (short, long, narrow, best, toolkit)
