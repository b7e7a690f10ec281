"""Exercise 15: a network with dropout, in training and in evaluation.

    training_pass(x, w_hidden, w_out, rate) -> y
    evaluation_pass(x, w_hidden, w_out, rate) -> y

In training, dropout sets each hidden unit to zero with a probability `rate`, and scales the others
by 1 / (1 - rate) (Srivastava et al. 2014). Scores are computed by evaluation passes.

Shapes: x [rows, dim], w_hidden [dim, units], w_out [units, outputs], y [rows, outputs].

The file runs, and is wrong in one way.
"""

import torch
import torch.nn.functional as F
from torch import nn


class Network(nn.Module):
    """A network with one hidden layer."""

    def __init__(self, w_hidden, w_out, rate):
        super().__init__()
        self.w_hidden, self.w_out, self.rate = nn.Parameter(w_hidden), nn.Parameter(w_out), rate

    def forward(self, x):
        """Return the outputs of each row."""
        hidden = torch.relu(x @ self.w_hidden)
        hidden = F.dropout(hidden, p=self.rate)
        return hidden @ self.w_out


def training_pass(x, w_hidden, w_out, rate):
    """Return the outputs as in training."""
    return Network(w_hidden, w_out, rate).train()(x)


def evaluation_pass(x, w_hidden, w_out, rate):
    """Return the outputs as in evaluation."""
    with torch.no_grad():
        return Network(w_hidden, w_out, rate).eval()(x)


if __name__ == "__main__":
    torch.manual_seed(1)
    x, w_hidden, w_out = torch.randn(200, 8), torch.randn(8, 32) / 3, torch.randn(32, 4) / 6
    labels = (torch.relu(x @ w_hidden) @ w_out).argmax(-1)  # the network is perfect without dropout
    for run in (1, 2):
        correct = evaluation_pass(x, w_hidden, w_out, 0.3).argmax(-1) == labels
        print(f"accuracy, evaluation {run}: {correct.float().mean():.3f}")
