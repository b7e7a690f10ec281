"""Exercise 10: the training loss of a batch of sentences.

    mean_loss(logits, labels) -> loss

The mean negative log-probability of the labels in nats per word, over all words of the batch. The
label PAD marks positions that are not words of a sentence: they have no part in the loss.

Shapes: logits [batch, words, vocab], labels [batch, words], loss [] (a scalar).

The file runs, and is wrong in one way.
"""

import torch

PAD = 0


def mean_loss(logits, labels):
    """Return the loss in nats per word."""
    log_p = torch.log_softmax(logits, dim=-1)
    losses = -log_p.gather(-1, labels.unsqueeze(-1)).squeeze(-1)
    losses = losses.masked_fill(labels == PAD, 0.0)
    return losses.mean()


if __name__ == "__main__":
    torch.manual_seed(1)
    vocab = 8
    short, long = torch.tensor([[3, 4]]), torch.tensor([[3, 4, 5, 6, 7, 3, 4, 5]])
    both = torch.cat([torch.nn.functional.pad(short, (0, 6), value=PAD), long])
    print("A model that predicts uniformly gives each of 8 words the probability 1/8.")
    for name, labels in (("short sentence", short), ("long sentence", long), ("both", both)):
        loss = mean_loss(torch.zeros(*labels.shape, vocab), labels)
        print(f"loss, {name}: {loss:.2f}")
