"""Exercise 1: attention of several queries to several keys.

    attend(query, keys, values) -> context, weights

Each query is compared with each key. The softmax turns the scores of a query into weights, and its
context is the average of the values with these weights.

Shapes: query [queries, width], keys [keys, width], values [keys, value_width],
context [queries, value_width], weights [queries, keys].

The file runs, and is wrong in one way.
"""

import math

import torch


def attend(query, keys, values):
    """Return the context of each query, and the weights of the keys."""
    scores = query @ keys.T / math.sqrt(query.size(-1))
    weights = torch.softmax(scores, dim=0)
    return weights @ values, weights


if __name__ == "__main__":
    torch.manual_seed(1)
    query, keys, values = torch.randn(2, 8), torch.randn(5, 8), torch.randn(5, 8)
    context, weights = attend(query, keys, values)
    print("weights of the first query:", [f"{weight:.2f}" for weight in weights[0].tolist()])
    print(f"their sum: {weights[0].sum():.2f}")
    alone, _ = attend(query[:1], keys, values)
    print(f"context without the second query: first element {alone[0, 0]:.2f}")
    print(f"context with the second query: first element {context[0, 0]:.2f}")
