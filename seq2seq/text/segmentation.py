"""Random segmentations of text, from a generator that is given.

SentencePiece can draw them too, but the bits of its draws differ from process to process even under
the same seed, so that no training that uses them could be repeated or gone on with.
"""

import math
import re
from collections.abc import Mapping
from operator import add
from random import Random


def drop_merges(text: str, scores: Mapping[str, float], share: float, chance: Random) -> list[str]:
    """BPE in which each possible merge is passed over at random (Provilkov et al. 2020).

    Args:
        text: normalized, with SentencePiece's mark at the beginning of each word.
        scores: of each piece; what is merged first has the highest.
        share: of the merges passed over at every step.
        chance: the generator.
    """
    pieces = []
    for word in re.findall("▁?[^▁]+|▁", text):
        parts = list(word)
        while True:
            merges = [
                (scores[pair], -place)
                for place, pair in enumerate(map(add, parts, parts[1:]))
                if pair in scores and chance.random() >= share
            ]
            if not merges:
                break
            place = -max(merges)[1]
            parts[place : place + 2] = [parts[place] + parts[place + 1]]
        pieces += parts
    return pieces


def draw_path(
    text: str, scores: Mapping[str, float], sharpness: float, chance: Random
) -> list[str]:
    """A segmentation drawn in proportion to its probability to a power (Kudo 2018, section 3.2).

    Args:
        text: normalized.
        scores: log-probability of each piece; a character that is none is very unlikely.
        sharpness: the power; 1 is the model's own distribution, 0 takes all alike.
        chance: the generator.
    """
    longest, unknown = max(map(len, scores)), min(scores.values()) - 10
    mass = [0.0]  # logarithm of all there is up to each place
    steps: list[tuple[range, list[float]]] = []
    for end in range(1, len(text) + 1):
        starts = range(max(0, end - longest), end)
        weights = [
            mass[start] + sharpness * scores.get(text[start:end], lost)
            for start, lost in zip(starts, [-math.inf] * (len(starts) - 1) + [unknown], strict=True)
        ]
        top = max(weights)
        weights = [math.exp(weight - top) for weight in weights]
        mass.append(top + math.log(sum(weights)))
        steps.append((starts, weights))
    pieces, end = [], len(text)
    while end:
        (start,) = chance.choices(*steps[end - 1])
        pieces.append(text[start:end])
        end = start
    return pieces[::-1]
