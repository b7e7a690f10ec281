"""Exercise 8: self-attention of a batch of sentences of different lengths.

    self_attention(x, lengths) -> context, weights

Sentence b has lengths[b] words; the positions after them are padding. No word attends to padding.
What padding itself attends to does not matter, because its result is not used; it only has to be
finite. To keep the file short, queries, keys and values are the vectors themselves.

Shapes: x [batch, words, dim], lengths [batch], context [batch, words, dim],
weights [batch, words, words]: one row for each query, one column for each key.

The file runs, and is wrong in one way.
"""

import math

import torch

HIDDEN = -1e9  # exp(-1e9) is 0, and a row in which everything is hidden does not become NaN


def self_attention(x, lengths):
    """Return the context of each word, and its weights of all words."""
    real = torch.arange(x.size(1)) < lengths.unsqueeze(1)  # [batch, words]
    scores = x @ x.transpose(1, 2) / math.sqrt(x.size(-1))
    scores = scores.masked_fill(~real.unsqueeze(2), HIDDEN)
    weights = torch.softmax(scores, dim=-1)
    return weights @ x, weights


if __name__ == "__main__":
    torch.manual_seed(1)
    x, lengths = torch.randn(2, 6, 16) / 2, torch.tensor([6, 3])
    context, weights = self_attention(x, lengths)
    alone, _ = self_attention(x[1:, :3], lengths[1:])
    print("The second sentence has 3 words, and 3 positions of padding.")
    print(f"Its words give padding {weights[1, :3, 3:].sum(-1).mean():.2f} of their attention.")
    change = (context[1, :3] - alone[0]).abs().max().item()
    print(f"Alone, its contexts differ by up to {change:.2f}.")
