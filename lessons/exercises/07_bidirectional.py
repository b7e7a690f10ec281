"""Exercise 7: a bidirectional recurrent encoder of a batch of sentences.

    encode(x, lengths, w_in, w_state, bias) -> states

A recurrent network runs over each sentence from left to right, and once more from right to left;
the state of a word is the concatenation of both (Bahdanau et al. 2014, section 3.2; here both
directions have the same weights). Sentence b has lengths[b] words. The positions after them are
padding: their vectors can be anything, and their states are zero.

Shapes: x [batch, words, dim], lengths [batch], w_in [dim, units], w_state [units, units],
bias [units], states [batch, words, 2 * units].

The file runs, and is wrong in one way.
"""

import torch


def run(x, w_in, w_state, bias):
    """Return the states [batch, words, units] of a network that reads from left to right."""
    state = x.new_zeros(x.size(0), w_state.size(0))
    states = []
    for t in range(x.size(1)):
        state = torch.tanh(x[:, t] @ w_in + state @ w_state + bias)
        states.append(state)
    return torch.stack(states, dim=1)


def flip(x, lengths):
    """Reverse the order of the words."""
    return x.flip(1)


def encode(x, lengths, w_in, w_state, bias):
    """Return the states of both directions."""
    forward = run(x, w_in, w_state, bias)
    backward = flip(run(flip(x, lengths), w_in, w_state, bias), lengths)
    real = torch.arange(x.size(1)) < lengths.unsqueeze(1)
    return torch.cat([forward, backward], dim=-1) * real.unsqueeze(-1)


if __name__ == "__main__":
    torch.manual_seed(1)
    weights = torch.randn(4, 6), torch.randn(6, 6) / 2, torch.randn(6)
    short, long = torch.randn(1, 2, 4), torch.randn(1, 5, 4)
    alone = encode(short, torch.tensor([2]), *weights)
    padded = torch.cat([short, torch.zeros(1, 3, 4)], dim=1)
    together = encode(torch.cat([padded, long]), torch.tensor([2, 5]), *weights)
    change = (together[:1, :2] - alone).abs()
    print("A sentence of 2 words, alone, and in a batch with one of 5 words:")
    print(f"its states from left to right differ by up to {change[..., :6].max():.2f}")
    print(f"its states from right to left differ by up to {change[..., 6:].max():.2f}")
