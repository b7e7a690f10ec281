"""Exercise 11: decoding word by word with a cache of keys and values.

    at_once(ids, embedding, w_query, w_key, w_value) -> contexts
    step_by_step(ids, embedding, w_query, w_key, w_value) -> contexts

A causal self-attention layer over embeddings and sinusoidal positions. In training it computes all
words at once; in translation one word at a time, with the keys and values of the earlier words in a
cache. Both compute the same.

Shapes: ids [words], embedding [vocab, dim], each matrix [dim, dim], contexts [words, dim].

The file runs, and is wrong in one way.
"""

import math

import torch


def positions(start, count, dim):
    """Return the encodings [count, dim] of `count` positions from `start` (Vaswani et al. 2017)."""
    places = torch.arange(start, start + count).unsqueeze(1)
    angles = places * torch.exp(torch.arange(0, dim, 2) * (-math.log(10_000) / dim))
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


def attend(query, keys, values, mask):
    """Return the contexts of the queries."""
    scores = query @ keys.T / math.sqrt(query.size(-1))
    return torch.softmax(scores.masked_fill(~mask, float("-inf")), dim=-1) @ values


def at_once(ids, embedding, w_query, w_key, w_value):
    """Return the contexts of all words, computed together."""
    x = embedding[ids] + positions(0, len(ids), embedding.size(1))
    causal = torch.ones(len(ids), len(ids), dtype=torch.bool).tril()
    return attend(x @ w_query, x @ w_key, x @ w_value, causal)


def step_by_step(ids, embedding, w_query, w_key, w_value):
    """Return the contexts of all words, computed one after the other."""
    dim = embedding.size(1)
    keys, values, contexts = torch.zeros(0, dim), torch.zeros(0, dim), []
    for word in ids:
        x = embedding[word].unsqueeze(0) + positions(0, 1, dim)
        keys, values = torch.cat([keys, x @ w_key]), torch.cat([values, x @ w_value])
        everything = torch.ones(1, len(keys), dtype=torch.bool)
        contexts.append(attend(x @ w_query, keys, values, everything))
    return torch.cat(contexts)


if __name__ == "__main__":
    torch.manual_seed(1)
    ids, embedding = torch.tensor([3, 1, 4, 1, 5]), torch.randn(8, 8)
    matrices = [torch.randn(8, 8) / math.sqrt(8) for _ in range(3)]
    difference = at_once(ids, embedding, *matrices) - step_by_step(ids, embedding, *matrices)
    for word, change in enumerate(difference.abs().amax(-1).tolist()):
        print(f"word {word}: training and translation differ by up to {change:.2f}")
