"""Random segmentation of text (subword regularization) with an explicit random generator.

SentencePiece implements this too, but its samples differ between processes even with the same seed,
so that training could not be reproduced or resumed exactly.
"""

import math
import re
from collections.abc import Mapping
from operator import add
from random import Random


def drop_merges(text: str, scores: Mapping[str, float], dropout: float, rng: Random) -> list[str]:
    """Segment with BPE-dropout: each possible merge is skipped at random (Provilkov et al. 2020).

    Args:
        text: normalized text, with SentencePiece's mark at the beginning of each word.
        scores: score of each piece; the highest is merged first.
        dropout: probability of skipping a merge at each step.
        rng: random generator.
    """
    pieces = []
    for word in re.findall("▁?[^▁]+|▁", text):
        parts = list(word)
        while True:
            merges = [
                (scores[pair], -index)
                for index, pair in enumerate(map(add, parts, parts[1:]))
                if pair in scores and rng.random() >= dropout
            ]
            if not merges:
                break
            index = -max(merges)[1]
            parts[index : index + 2] = [parts[index] + parts[index + 1]]
        pieces += parts
    return pieces


def draw_path(text: str, scores: Mapping[str, float], alpha: float, rng: Random) -> list[str]:
    """Sample a segmentation with probability proportional to P^alpha (Kudo 2018, section 3.2).

    Args:
        text: normalized text.
        scores: log-probability of each piece; characters without a piece get a very low one.
        alpha: inverse temperature, above 0; 1 is the distribution of the model.
        rng: random generator.
    """
    longest, unknown = max(map(len, scores)), min(scores.values()) - 10
    mass = [0.0]  # log of the summed weight of all segmentations of each prefix
    steps: list[tuple[range, list[float]]] = []
    for end in range(1, len(text) + 1):
        starts = range(max(0, end - longest), end)
        weights = [
            mass[start] + alpha * scores.get(text[start:end], default)
            for start, default in zip(
                starts, [-math.inf] * (len(starts) - 1) + [unknown], strict=True
            )
        ]
        top = max(weights)
        weights = [math.exp(weight - top) for weight in weights]
        mass.append(top + math.log(sum(weights)))
        steps.append((starts, weights))
    pieces, end = [], len(text)
    while end:
        (start,) = rng.choices(*steps[end - 1])
        pieces.append(text[start:end])
        end = start
    return pieces[::-1]
