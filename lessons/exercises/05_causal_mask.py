"""Exercise 5: self-attention of a decoder, which must not see the words that it is to predict.

    self_attention(x) -> context, weights

Word t attends to the words 0, 1, ..., t. To keep the file short, queries, keys and values are the
vectors themselves.

Shapes: x [words, dim], context [words, dim], weights [words, words].

The file runs, and is wrong in one way.
"""

import math

import torch


def visible(words):
    """Return a mask [words, words]: row t is True at the words to which word t may attend."""
    return torch.ones(words, words, dtype=torch.bool).tril(diagonal=1)


def self_attention(x):
    """Return the context of each word, and its weights of all words."""
    scores = x @ x.T / math.sqrt(x.size(-1))
    scores = scores.masked_fill(~visible(len(x)), float("-inf"))
    weights = torch.softmax(scores, dim=-1)
    return weights @ x, weights


if __name__ == "__main__":
    torch.manual_seed(1)
    x = torch.randn(4, 8)
    before, _ = self_attention(x)
    x[3] = torch.randn(8)
    after, _ = self_attention(x)
    for word, change in enumerate((after - before).abs().amax(-1).tolist()):
        print(f"another word 3 changes the context of word {word} by up to {change:.2f}")
