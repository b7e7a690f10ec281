"""Sets of links: AER, precision, recall, F1, and symmetrization of two directions.

A link (i, j) connects token i of the source with token j of the target, both counted from 0.
"""

from collections.abc import Callable
from dataclasses import dataclass

from seq2seq.alignment.gold import Link, Links

LinkSet = frozenset[Link]

AROUND = ((-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))


@dataclass(frozen=True)
class Tally:
    """The counts from which all scores are computed; the counts of pairs are added for a corpus.

    Args:
        links: |A|, predicted links.
        sure: |S|, sure gold links.
        among_sure: |A and S|.
        among_possible: |A and P|, where P includes S.
    """

    links: int = 0
    sure: int = 0
    among_sure: int = 0
    among_possible: int = 0

    @classmethod
    def of(cls, predicted: LinkSet, gold: Links) -> "Tally":
        """Return the counts of one pair."""
        return cls(
            links=len(predicted),
            sure=len(gold.sure),
            among_sure=len(predicted & gold.sure),
            among_possible=len(predicted & (gold.sure | gold.possible)),
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
        """|A and P| / |A|, the share of predicted links that are correct."""
        return share(self.among_possible, self.links)

    @property
    def recall(self) -> float:
        """|A and S| / |S|, the share of sure gold links that are predicted."""
        return share(self.among_sure, self.sure)

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0

    @property
    def aer(self) -> float:
        """Alignment error rate, 1 - (|A and S| + |A and P|) / (|A| + |S|).

        Source: Och and Ney 2003, section 5.1.
        """
        return 1 - share(self.among_sure + self.among_possible, self.links + self.sure)

    def scores(self) -> dict[str, float]:
        """Return AER, precision, recall and F1 by name."""
        return {"aer": self.aer, "precision": self.precision, "recall": self.recall, "f1": self.f1}


def share(part: int, whole: int) -> float:
    """Return part / whole; 1 if whole is 0."""
    return part / whole if whole else 1.0


def intersection(forward: LinkSet, backward: LinkSet) -> LinkSet:
    """Return the links in both directions."""
    return forward & backward


def union(forward: LinkSet, backward: LinkSet) -> LinkSet:
    """Return the links in either direction."""
    return forward | backward


def grow_diag_final_and(forward: LinkSet, backward: LinkSet) -> LinkSet:
    """Symmetrize with grow-diag-final-and (Koehn et al. 2003; as in Moses).

    Starts from the intersection. Repeatedly adds links of the union that are adjacent (also
    diagonally) to a link, if at least one of their two tokens has no link yet. Finally adds links
    of either direction if both tokens have no link yet.
    """
    either, links = forward | backward, set(forward & backward)
    sources, targets = {i for i, _ in links}, {j for _, j in links}

    def add(link: Link) -> None:
        links.add(link)
        sources.add(link[0])
        targets.add(link[1])

    grown = True
    while grown:
        grown = False
        for i, j in sorted(links):
            for down, right in AROUND:
                near = (i + down, j + right)
                free = near[0] not in sources or near[1] not in targets
                if free and near in either and near not in links:
                    add(near)
                    grown = True
    for direction in (forward, backward):
        for link in sorted(direction):
            if link[0] not in sources and link[1] not in targets:
                add(link)
    return frozenset(links)


COMBINE: dict[str, Callable[[LinkSet, LinkSet], LinkSet]] = {
    "intersection": intersection,
    "union": union,
    "grow-diag-final-and": grow_diag_final_and,
}


def flip(links: LinkSet) -> LinkSet:
    """Return the links with source and target exchanged."""
    return frozenset((j, i) for i, j in links)
