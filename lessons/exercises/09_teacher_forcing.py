"""Exercise 9: inputs and labels for training a decoder (teacher forcing).

    teacher_forcing(sentences) -> inputs, labels

At each position a decoder reads the words before it and predicts the next one, at last EOS (end of
the sentence). In training these are the words of the reference. The sentences are lists of word ids
without the special words PAD, BOS (start of a sentence) and EOS. All sentences of the batch are
padded to one length.

Shapes: inputs and labels [batch, words of the longest sentence + 1].

The file runs, and is wrong in one way.
"""

import torch

PAD, BOS, EOS = 0, 1, 2


def pad(rows):
    """Return a tensor of all rows, padded on the right."""
    longest = max(map(len, rows))
    return torch.tensor([row + [PAD] * (longest - len(row)) for row in rows])


def teacher_forcing(sentences):
    """Return what the decoder reads, and what it has to predict there."""
    inputs = [[*sentence, EOS] for sentence in sentences]
    labels = [[*sentence, EOS] for sentence in sentences]
    return pad(inputs), pad(labels)


if __name__ == "__main__":
    words = {3: "the", 4: "cat", 5: "dog", 6: "sleeps", 7: "barks"}
    corpus = [[3, 4, 6], [3, 5, 7], [3, 5, 6]] * 10
    inputs, labels = teacher_forcing(corpus)
    # The smallest decoder: how often each word follows each input, counted, with 0.01 added.
    counts = torch.full((8, 8), 0.01)
    for word, label in zip(inputs.flatten().tolist(), labels.flatten().tolist(), strict=True):
        counts[word, label] += 1
    model = counts / counts.sum(1, keepdim=True)
    loss = -model[inputs, labels].log().mean().item()
    print(f"training loss: {loss:.3f} nats per word")
    word, text = BOS, []
    for _ in range(4):
        word = int(model[word].argmax())
        text.append(words.get(word, "<special>"))
    print(f"greedy translation: {' '.join(text)}")
