"""Exercise 3: attention that hides some of the keys.

    attend(query, keys, values, mask) -> context, weights

The mask is True where a query may attend to a key. A hidden key must not contribute anything: the
result is that of attention without it. Each query may attend to one key at least.

Shapes: query [queries, width], keys [keys, width], values [keys, value_width],
mask [queries, keys], context [queries, value_width], weights [queries, keys].

The file runs, and is wrong in one way.
"""

import math

import torch


def attend(query, keys, values, mask):
    """Return the context of each query, and the weights of the keys."""
    scores = query @ keys.T / math.sqrt(query.size(-1))
    scores = scores.masked_fill(~mask, 0.0)
    weights = torch.softmax(scores, dim=-1)
    return weights @ values, weights


if __name__ == "__main__":
    torch.manual_seed(5)
    words = ["the", "cat", "sleeps", "<pad>", "<pad>"]
    query, keys, values = torch.randn(1, 16), torch.randn(5, 16), torch.randn(5, 16)
    mask = torch.tensor([[word != "<pad>" for word in words]])
    _, weights = attend(query, keys, values, mask)
    for word, weight in zip(words, weights[0].tolist(), strict=True):
        print(f"{word:8} {weight:.2f}")
    print(f"attention to padding: {weights[0, 3:].sum():.2f}")
