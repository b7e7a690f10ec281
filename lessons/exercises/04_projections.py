"""Exercise 4: self-attention with trained projections.

    self_attention(x, w_query, w_key, w_value) -> context, weights

Three matrices turn the vector of each word into a query, a key and a value. The query and the key
decide where a word attends; the value is what it contributes.

Shapes: x [words, dim], each matrix [dim, dim], context [words, dim], weights [words, words].

The file runs, and is wrong in one way.
"""

import math

import torch


def self_attention(x, w_query, w_key, w_value):
    """Return the context of each word, and its weights of all words."""
    query, keys, values = x @ w_query, x, x @ w_value
    scores = query @ keys.T / math.sqrt(query.size(-1))
    weights = torch.softmax(scores, dim=-1)
    return weights @ values, weights


if __name__ == "__main__":
    torch.manual_seed(1)
    x = torch.randn(5, 8)
    matrices = {name: torch.randn(8, 8, requires_grad=True) for name in ("query", "key", "value")}
    context, _ = self_attention(x, *matrices.values())
    context.pow(2).mean().backward()  # any loss
    for name, matrix in matrices.items():
        norm = 0.0 if matrix.grad is None else matrix.grad.norm().item()
        print(f"norm of the gradient of w_{name}: {norm:.2f}")
