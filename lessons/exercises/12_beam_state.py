"""Exercise 12: beam search with a recurrent decoder.

    beam_search(model, beam, length) -> words, log_probability

The search keeps the `beam` most probable beginnings (hypotheses) at each step, and returns the best
sentence of `length` words with its log-probability under the model. To keep the file short there is
no end of a sentence.

The model is a tuple (embedding [vocab, dim], recurrent [dim, dim], output [dim, vocab]). Its state
before the first word is zero, and the first input is the word 0.

The file runs, and is wrong in one way.
"""

import torch


def step(model, words, state):
    """Read one word for each hypothesis; return log-probabilities of the next, and new states."""
    embedding, recurrent, output = model
    state = torch.tanh(embedding[words] + state @ recurrent)
    return torch.log_softmax(state @ output, dim=-1), state


def log_probability(model, sentence):
    """Return the log-probability that the model gives to a sentence."""
    state, total = torch.zeros(1, model[0].size(1)), 0.0
    for before, word in zip([0, *sentence], sentence, strict=False):
        log_p, state = step(model, torch.tensor([before]), state)
        total += log_p[0, word].item()
    return total


def beam_search(model, beam, length):
    """Return the words of the best sentence, as a list, and its log-probability."""
    words, sentences = torch.zeros(beam, dtype=torch.long), [[] for _ in range(beam)]
    state = torch.zeros(beam, model[0].size(1))
    totals = torch.full((beam,), float("-inf"))
    totals[0] = 0.0  # all hypotheses are equal before the first word, so only one counts
    for _ in range(length):
        log_p, state = step(model, words, state)
        totals, best = (totals.unsqueeze(1) + log_p).flatten().topk(beam)
        parents, words = best // log_p.size(1), best % log_p.size(1)
        sentences = [
            [*sentences[parent], word]
            for parent, word in zip(parents.tolist(), words.tolist(), strict=True)
        ]
    return sentences[0], totals[0].item()


if __name__ == "__main__":
    torch.manual_seed(6)
    model = torch.randn(6, 16), torch.randn(16, 16) / 2, torch.randn(16, 6)
    for beam in (1, 4):
        sentence, found = beam_search(model, beam, length=6)
        own = log_probability(model, sentence)
        print(f"beam {beam}: the search says {found:.2f}, the model {own:.2f}")
