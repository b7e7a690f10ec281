"""Exercise 2: scaled dot-product attention.

    attend(query, keys, values) -> context, weights

The attention of section 3.2.1 of "Attention Is All You Need" (Vaswani et al. 2017). At the start
of training, queries and keys are random vectors; then no key should get nearly all of the weight.

Shapes: query [queries, width], keys [keys, width], values [keys, value_width],
context [queries, value_width], weights [queries, keys].

The file runs, and is wrong in one way.
"""

import torch


def attend(query, keys, values):
    """Return the context of each query, and the weights of the keys."""
    scores = query @ keys.T
    weights = torch.softmax(scores, dim=-1)
    return weights @ values, weights


def largest_weight(width):
    """Return the largest weight among ten random keys, on average over 1,000 random queries."""
    query, keys = torch.randn(1000, width), torch.randn(10, width)
    _, weights = attend(query, keys, keys)
    return weights.amax(-1).mean().item()


if __name__ == "__main__":
    torch.manual_seed(1)
    for width in (4, 64, 1024):
        print(f"vectors of width {width}: the largest of 10 weights is {largest_weight(width):.2f}")
