"""Where words are compared in a target, and where their probabilities are looked up."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

Pieces = tuple[int, ...]


class Site(NamedTuple):
    """A place in a target where words are compared.

    Attributes:
        start: index of the first piece of the word that is there.
        stop: index after its last piece.
        words: the pieces of each compared word, all different.
        of: which words are explained, by index.
        against: which words they are compared with; none for their log-probability.
        scale: factor of the value. Each piece of the word has the value.
    """

    start: int
    stop: int
    words: Sequence[Pieces]
    of: Sequence[int]
    against: Sequence[int] = ()
    scale: float = 1.0


class Plan(NamedTuple):
    """The sites of one target, and where the probabilities of their words are looked up.

    Attributes:
        spread: (site, target position) of each piece with the value of a site.
        scale: the factor of each site.
        against: whether each site compares with other words.
        site: the site of each word.
        signs: how each word counts in the two sums of `Site`, `of` and `against`: 1, -1 or 0.
        lookups: (word, target position, piece) in the true target.
        branches: the beginnings of targets that are not beginnings of the true one.
        branched: (word, branch, target position, piece) in the branches.
    """

    spread: Int[ndarray, "pieces 2"]
    scale: Float[ndarray, " sites"]
    against: Bool[ndarray, " sites"]
    site: Int[ndarray, " words"]
    signs: Int[ndarray, "words 2"]
    lookups: Int[ndarray, "lookups 3"]
    branches: list[list[int]]
    branched: Int[ndarray, "branched 4"]


def plan_of(target: Sequence[int], sites: Sequence[Site], eos: int) -> Plan:
    """Return where the words of the sites of a target are looked up."""
    true = (*target, eos)
    owner: list[int] = []
    signs: list[list[int]] = []
    lookups: list[tuple[int, ...]] = []
    branched: list[tuple[int, ...]] = []
    branches: list[Pieces] = []
    for number, site in enumerate(sites):
        sums = [counted(site.words, one) for one in (site.of, site.against)]
        # The longest words first: a branch also has the beginnings of its target.
        for i in sorted(range(len(site.words)), key=lambda i: -len(site.words[i])):
            both = [one[i] for one in sums]
            if not any(both):
                continue
            word, name = site.words[i], len(owner)
            owner.append(number)
            signs.append(both)
            branch = None
            for k, piece in enumerate(word):
                read, place = (*target[: site.start], *word[:k]), site.start + k
                if read == true[: len(read)]:
                    lookups.append((name, place, piece))
                    continue
                if branch is None:
                    whole = (*target[: site.start], *word[:-1])
                    branch = next(
                        (n for n, one in enumerate(branches) if one[: len(whole)] == whole), None
                    )
                    if branch is None:
                        branch = len(branches)
                        branches.append(whole)
                branched.append((name, branch, place, piece))
    return Plan(
        table([(n, at) for n, one in enumerate(sites) for at in range(one.start, one.stop)], 2),
        np.array([one.scale for one in sites], dtype=np.float32),
        np.array([bool(one.against) for one in sites], dtype=bool),
        np.array(owner, dtype=np.int64),
        table(signs, 2),
        table(lookups, 3),
        [list(one) for one in branches],
        table(branched, 4),
    )


def table(rows: Sequence[Sequence[int]], width: int) -> Int[ndarray, "_ _"]:
    """Return rows of numbers as an array, also if there are none."""
    return np.array(rows, dtype=np.int64).reshape(-1, width)


def counted(words: Sequence[Pieces], chosen: Sequence[int]) -> list[int]:
    """Return how the pieces of each word count in the probability of the chosen ones.

    A chosen word counts unless its pieces begin with those of another chosen word, which includes
    it. A word that is not chosen is taken off the chosen word that its pieces begin with.
    """
    signs = []
    for i, word in enumerate(words):
        begins = [j for j, other in enumerate(words) if i != j and word[: len(other)] == other]
        before = max(begins, key=lambda j: len(words[j]), default=None)
        signs.append((i in chosen) - (before in chosen))
    return signs


def joined(plans: Sequence[Plan]) -> tuple[Plan, list[Int[ndarray, " _"]]]:
    """Join the plans of the rows of a batch.

    Returns:
        The joined plan with its words, sites and branches counted through, and the rows of its
        pieces, lookups and branches.
    """
    counts = np.array([(len(p.scale), len(p.site), len(p.branches)) for p in plans]).reshape(-1, 3)
    starts = np.cumsum(counts, axis=0) - counts
    parts: dict[str, list[ndarray]] = {name: [] for name in ("spread", "site", "look", "branch")}
    for plan, (sites, words, branches) in zip(plans, starts, strict=True):
        parts["spread"].append(plan.spread + np.array([sites, 0]))
        parts["site"].append(plan.site + sites)
        parts["look"].append(plan.lookups + np.array([words, 0, 0]))
        parts["branch"].append(plan.branched + np.array([words, branches, 0, 0]))
    together = Plan(
        np.concatenate(parts["spread"]),
        np.concatenate([plan.scale for plan in plans]),
        np.concatenate([plan.against for plan in plans]),
        np.concatenate(parts["site"]),
        np.concatenate([plan.signs for plan in plans]),
        np.concatenate(parts["look"]),
        [branch for plan in plans for branch in plan.branches],
        np.concatenate(parts["branch"]),
    )
    sizes = [
        [len(plan.spread) for plan in plans],
        [len(plan.lookups) for plan in plans],
        [len(plan.branches) for plan in plans],
    ]
    return together, [np.repeat(np.arange(len(plans)), size) for size in sizes]
