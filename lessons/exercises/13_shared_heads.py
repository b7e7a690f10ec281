"""Exercise 13: grouped-query attention, in which several heads share keys and values.

    attend(query, keys, values) -> context

There are more query heads than key/value heads, so the cache of a decoder is smaller. Consecutive
heads share: with 4 heads and 2 groups, the heads 0 and 1 use the keys and values of group 0, and
the heads 2 and 3 those of group 1 (Ainslie et al. 2023).

Shapes: query [heads, queries, width], keys and values [groups, keys, width],
context [heads, queries, width]; heads is a multiple of groups.

The file runs, and is wrong in one way.
"""

import math

import torch


def attend(query, keys, values):
    """Return the context of each head and query."""
    shared = query.size(0) // keys.size(0)
    keys, values = keys.repeat(shared, 1, 1), values.repeat(shared, 1, 1)
    scores = query @ keys.transpose(-2, -1) / math.sqrt(query.size(-1))
    return torch.softmax(scores, dim=-1) @ values


if __name__ == "__main__":
    torch.manual_seed(1)
    query, keys, values = torch.randn(4, 3, 8), torch.randn(2, 5, 8), torch.randn(2, 5, 8)
    # A multi-head layer with 4 key/value heads that happen to be equal in pairs: 0 = 1, 2 = 3
    pairs = [0, 0, 1, 1]
    expected = attend(query, keys[pairs], values[pairs])
    difference = (attend(query, keys, values) - expected).abs().amax((1, 2))
    print("A multi-head layer whose heads 0, 1 and 2, 3 are equal, and the same with 2 groups:")
    for head, change in enumerate(difference.tolist()):
        print(f"head {head}: the contexts differ by up to {change:.2f}")
