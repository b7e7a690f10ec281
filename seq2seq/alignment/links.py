"""Sets of links: how good they are, how two directions become one, how straight they run.

A link joins token i of the source to token j of the target, both counted from 0.
"""

from collections.abc import Callable
from dataclasses import dataclass

from seq2seq.alignment.gold import Link, Links

Found = frozenset[Link]

AROUND = ((-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))


@dataclass(frozen=True)
class Tally:
    """Counts over a corpus, that all scores are made of; add those of its pairs.

    Args:
        links: |A|, links that were found.
        sure: |S|, sure links of the gold.
        among_sure: |A and S|.
        among_possible: |A and P|, where P includes S.
    """

    links: int = 0
    sure: int = 0
    among_sure: int = 0
    among_possible: int = 0

    @classmethod
    def of(cls, found: Found, gold: Links) -> "Tally":
        """The counts of one pair."""
        return cls(
            links=len(found),
            sure=len(gold.sure),
            among_sure=len(found & gold.sure),
            among_possible=len(found & (gold.sure | gold.possible)),
        )

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.links + other.links,
            self.sure + other.sure,
            self.among_sure + other.among_sure,
            self.among_possible + other.among_possible,
        )

    @property
    def precision(self) -> float:
        """|A and P| / |A|: which share of what was found is not wrong."""
        return share(self.among_possible, self.links)

    @property
    def recall(self) -> float:
        """|A and S| / |S|: which share of what is sure was found."""
        return share(self.among_sure, self.sure)

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0

    @property
    def aer(self) -> float:
        """1 - (|A and S| + |A and P|) / (|A| + |S|), Och and Ney 2003, section 5.1."""
        return 1 - share(self.among_sure + self.among_possible, self.links + self.sure)

    def scores(self) -> dict[str, float]:
        """Error rate, precision, recall and F1 by their names."""
        return {"aer": self.aer, "precision": self.precision, "recall": self.recall, "f1": self.f1}


def share(part: int, whole: int) -> float:
    """part / whole; where there is nothing, nothing is wrong."""
    return part / whole if whole else 1.0


def intersection(forward: Found, backward: Found) -> Found:
    """Links that both directions found."""
    return forward & backward


def union(forward: Found, backward: Found) -> Found:
    """Links that either direction found."""
    return forward | backward


def grow_diag_final_and(forward: Found, backward: Found) -> Found:
    """From the intersection towards the union (Koehn et al. 2003; Moses' `grow-diag-final-and`).

    Neighbours of a link that either direction found join it as long as one of their two words has
    no link yet; at the end so does what is left of either direction, if both words have none.
    """
    either, found = forward | backward, set(forward & backward)
    sources, targets = {i for i, _ in found}, {j for _, j in found}

    def add(link: Link) -> None:
        found.add(link)
        sources.add(link[0])
        targets.add(link[1])

    grown = True
    while grown:
        grown = False
        for i, j in sorted(found):
            for down, right in AROUND:
                near = (i + down, j + right)
                free = near[0] not in sources or near[1] not in targets
                if free and near in either and near not in found:
                    add(near)
                    grown = True
    for direction in (forward, backward):
        for link in sorted(direction):
            if link[0] not in sources and link[1] not in targets:
                add(link)
    return frozenset(found)


COMBINE: dict[str, Callable[[Found, Found], Found]] = {
    "intersection": intersection,
    "union": union,
    "grow-diag-final-and": grow_diag_final_and,
}


def flip(links: Found) -> Found:
    """The links of the other direction."""
    return frozenset((j, i) for i, j in links)
