"""Divide the pairs of one file into splits, so that no source sentence is in two of them.

Pairs whose sources are the same but for case, punctuation and spaces form a group, and a group is
in one split as a whole. Groups are drawn in the order of a keyed hash of their source, which
depends on the seed and on the text alone, not on the order of lines, the machine or the process.
"""

import hashlib
import math
import re
import sys
import unicodedata
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seq2seq.corpora.text import Pair
from seq2seq.errors import UserError

TRAIN = 0  # number of the split that keeps whatever no other split takes
MOST_SPLITS = 255  # a row's split is stored in one byte
NUMBER_LIKE = re.compile(r"[-+]?[\d.,_]*\d[\d.,_]*(e[-+]?\d+)?\s*%?|[-+]?(nan|inf)", re.IGNORECASE)


class Size(NamedTuple):
    """How much of a file a split gets: a number of pairs, or a share of them.

    Attributes:
        key: what a message calls it, such as data.validation=1000.
        number: pairs; None where a share is given.
        share: share of the pairs, above 0 and below 1; with a number, the split gets the smaller,
            but at least one pair.
    """

    key: str
    number: int | None = None
    share: float | None = None

    @classmethod
    def parse(cls, key: str, value: str) -> "Size | None":
        """The size that a value means; None for the name of a file.

        Raises:
            UserError: it is a number, but neither a count nor a share.
        """
        value = value.strip()
        named = f"{key}={value}"
        if not NUMBER_LIKE.fullmatch(value):
            return None
        percent = value.endswith("%")
        try:
            number = float(value.rstrip("% ").replace("_", "?")) / (100 if percent else 1)
        except ValueError:
            number = math.nan
        if number >= 1 and number == int(number if number < math.inf else 0) and not percent:
            if number == 1 and value != "1":
                raise UserError(f"{named} is all of the file: a share must be below 1")
            return cls(named, number=int(number))
        if 0 < number < 1:
            return cls(named, share=number)
        raise UserError(
            f"{named} is no size of a split: give a number of pairs, such as 1000, or a share "
            "above 0 and below 1, such as 0.1"
        )

    def pairs(self, total: int) -> int:
        """The number of pairs it asks for, of so many.

        Raises:
            UserError: it is no pair at all.
        """
        shared = total if self.share is None else round(self.share * total)
        if self.number is not None:
            return max(1, min(self.number, shared)) if self.share is not None else self.number
        if not shared:
            raise UserError(f"{self.key} of {total:,} pairs is less than one pair")
        return shared


@dataclass(frozen=True, eq=False)
class Cut:
    """Which split each pair of a file belongs to.

    Args:
        names: the splits by number; training is number 0.
        split_of: the number of each row's split, in file order.
        wanted: pairs asked for, by the names of all splits but training.
        sources: different sources, those that differ in case or punctuation alone taken as one.
        repeated: pairs whose source another pair has too.
    """

    names: tuple[str, ...]
    split_of: NDArray[np.uint8]
    wanted: dict[str, int]
    sources: int
    repeated: int

    def rows(self, split: str) -> NDArray[np.intp]:
        """The rows of the file that a split consists of."""
        return np.flatnonzero(self.split_of == self.names.index(split))

    @property
    def counts(self) -> dict[str, int]:
        """Pairs by split."""
        counts = np.bincount(self.split_of, minlength=len(self.names)).tolist()
        return dict(zip(self.names, counts, strict=True))

    @property
    def sha256(self) -> str:
        """A hash of which row is in which split."""
        return hashlib.sha256(self.split_of.tobytes()).hexdigest()


def cut(pairs: Iterable[Pair], sizes: Mapping[str, Size], seed: int, where: str) -> Cut:
    """Divide pairs into splits; what is left over is for training.

    A pair with an empty side is always left to training, which does not use it either.

    Args:
        pairs: all of them, in file order.
        sizes: what each split but training gets, in the order in which they are filled.
        seed: decides which groups of pairs go where.
        where: what a message calls the file.

    Raises:
        UserError: the pairs are too few.
    """
    keys, usable = array("Q"), bytearray()
    secret = seed.to_bytes(8, "big")
    for source, target in pairs:
        whole = bool(source.strip() and target.strip())
        usable.append(whole)
        if whole:
            digest = hashlib.blake2b(comparable(source).encode(), digest_size=8, key=secret)
            keys.append(int.from_bytes(digest.digest(), "big"))
    wanted = {name: size.pairs(len(keys)) for name, size in sizes.items()} if keys else {}
    if not keys or sum(wanted.values()) >= len(keys):
        asked = " and ".join(dict.fromkeys(size.key for size in sizes.values()))
        raise UserError(
            f"{where} has {len(keys):,} pairs with text on both sides, but {asked} ask for "
            f"{sum(wanted.values()):,} of them: nothing would be left to train on"
            if keys
            else f"{where} has no pairs with text on both sides: there is nothing to split"
        )
    _, group_of, members = np.unique(
        np.frombuffer(keys, np.uint64), return_inverse=True, return_counts=True
    )
    split_of_group = fill(members, list(wanted.values()))
    split_of = np.zeros(len(usable), np.uint8)
    split_of[np.frombuffer(usable, np.bool_)] = split_of_group[group_of]
    found = Cut(
        ("train", *sizes),
        split_of,
        wanted,
        len(members),
        int(members[members > 1].sum()),
    )
    for name, count in found.counts.items():
        if not count:
            raise UserError(
                f"{where} cannot be split: every source has so many translations that none fits "
                f"into {sizes[name].key if name in sizes else 'the training split'}, for pairs "
                "with the same source stay together"
            )
    return found


def fill(members: NDArray[np.intp], wanted: list[int]) -> NDArray[np.uint8]:
    """The split of each group: groups are taken in order, those that no longer fit are passed over.

    Args:
        members: pairs of each group, in the order in which groups are drawn.
        wanted: pairs of each split after the first, which gets the rest.
    """
    split_of = np.full(len(members), TRAIN, np.uint8)
    waiting = iter(enumerate(members.tolist()))
    passed: list[tuple[int, int]] = []
    for number, left in enumerate(wanted, start=TRAIN + 1):
        again: list[tuple[int, int]] = []
        for source in (iter(passed), waiting):
            while left and (group := next(source, None)):
                if group[1] <= left:
                    split_of[group[0]] = number
                    left -= group[1]
                else:
                    again.append(group)
            if source is not waiting:
                again.extend(source)
        passed = again
    return split_of


def comparable(source: str) -> str:
    """A source without what makes no other sentence of it: case, punctuation, spaces, marks.

    A source of nothing but punctuation stays as it is.
    """
    folded = unicodedata.normalize("NFKC", source).casefold().translate(_ignored())
    return " ".join(folded.split()) or source.strip()


@cache
def _ignored() -> dict[int, str | None]:
    """Characters that are not compared: invisible ones vanish, punctuation separates words."""
    table: dict[int, str | None] = {}
    for code in range(sys.maxunicode + 1):
        kind = unicodedata.category(chr(code))
        if kind[0] == "P" or kind in ("Zs", "Zl", "Zp", "Cc"):
            table[code] = " "
        elif kind == "Cf":
            table[code] = None
    return table
