"""Exercise 14: a word alignment from the attention of a decoder.

    links(inputs, outputs, weights) -> list of pairs (source, target)

A decoder has read inputs[t] (at first "<s>") when it computes row t of the attention and predicts
outputs[t] (at last "</s>"). Each translated word is linked with the source word to which it
attended most while it was predicted. Words are counted from 0. The last column is the "</s>" of the
source; it is no word, and no word is linked with it.

Shapes: weights [len(outputs), source words + 1].

The file runs, and is wrong in one way.
"""

import torch


def links(inputs, outputs, weights):
    """Return a link (source, target) for each word of the translation."""
    found = []
    for t, word in enumerate(inputs):
        if word != "<s>":
            source = int(weights[t, :-1].argmax())
            found.append((source, t - 1))
    return found


if __name__ == "__main__":
    source = ["the", "red", "house", "is", "old"]
    outputs = ["la", "maison", "rouge", "est", "vieille", "</s>"]
    inputs = ["<s>", *outputs[:-1]]
    gold = {(0, 0), (2, 1), (1, 2), (3, 3), (4, 4)}
    weights = torch.full((6, 6), 0.02)
    for row, column in enumerate((0, 2, 1, 3, 4, 5)):
        weights[row, column] = 0.9
    found = links(inputs, outputs, weights)
    for i, j in found:
        print(f"{outputs[j]:8} - {source[i]}")
    print(f"alignment error rate: {1 - 2 * len(gold & set(found)) / (len(gold) + len(found)):.2f}")
