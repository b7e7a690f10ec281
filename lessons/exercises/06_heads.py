"""Exercise 6: multi-head self-attention.

    split(x, heads) -> one short vector for each head and word
    multi_head(x, w_query, w_key, w_value, w_out, heads) -> y

With h heads, the vector of each word is cut into h consecutive parts, and head i attends with part
i of every word. The parts that the heads return are joined and multiplied with w_out.

Shapes: x [batch, words, dim], split(x, heads) [batch, heads, words, dim / heads],
each matrix [dim, dim], y [batch, words, dim].

The file runs, and is wrong in one way.
"""

import math

import torch


def split(x, heads):
    """Cut the vector of each word into one part for each head."""
    batch, words, dim = x.shape
    return x.reshape(batch, heads, words, dim // heads)


def join(parts):
    """Put the parts of each word side by side again."""
    return parts.transpose(1, 2).flatten(2)


def multi_head(x, w_query, w_key, w_value, w_out, heads):
    """Return the result of self-attention with several heads."""
    query, keys, values = (split(x @ w, heads) for w in (w_query, w_key, w_value))
    scores = query @ keys.transpose(-2, -1) / math.sqrt(query.size(-1))
    return join(torch.softmax(scores, dim=-1) @ values) @ w_out


if __name__ == "__main__":
    torch.manual_seed(1)
    x = torch.randn(1, 6, 8)
    matrices = [torch.randn(8, 8) / math.sqrt(8) for _ in range(4)]
    forward = multi_head(x, *matrices, heads=2)
    backward = multi_head(x.flip(1), *matrices, heads=2).flip(1)
    print("There are no positions here, so the order of the words must not matter.")
    change = (forward - backward).abs().max().item()
    print(f"Reversing the sentence changes the vector of a word by up to {change:.2f}")
