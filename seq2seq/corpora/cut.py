"""Divide the pairs of one file into splits such that no source sentence is in two of them.

Pairs whose sources differ only in case, punctuation and spaces form a group; a group is never
divided. Groups are assigned in the order of a keyed hash of their source, which depends only on
the seed and the text, not on the order of lines, the machine or the process.
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

TRAIN = 0  # number of the split that gets the remaining pairs
MAX_SPLITS = 255  # a row's split is stored in one byte
NUMBER_LIKE = re.compile(r"[-+]?[\d.,_]*\d[\d.,_]*(e[-+]?\d+)?\s*%?|[-+]?(nan|inf)", re.IGNORECASE)


class Size(NamedTuple):
    """The size of a split: a number of pairs or a share of the file.

    Attributes:
        key: its name in messages, such as data.validation=1000.
        number: number of pairs; None if a share is given.
        share: share of the pairs, above 0 and below 1; if `number` is given too, the split gets
            the smaller of the two, but at least one pair.
    """

    key: str
    number: int | None = None
    share: float | None = None

    @classmethod
    def parse(cls, key: str, value: str) -> "Size | None":
        """Parse the value of an option; None for the name of a file.

        Raises:
            UserError: the value is a number, but neither a count nor a share.
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
                raise UserError(f"{named} is the whole file: a share must be below 1")
            return cls(named, number=int(number))
        if 0 < number < 1:
            return cls(named, share=number)
        raise UserError(
            f"{named} is not the size of a split: give a number of pairs, such as 1000, or a share "
            "above 0 and below 1, such as 0.1"
        )

    def pairs(self, total: int) -> int:
        """Return the number of pairs of this split out of `total`.

        Raises:
            UserError: the share is less than one pair.
        """
        shared = total if self.share is None else round(self.share * total)
        if self.number is not None:
            return max(1, min(self.number, shared)) if self.share is not None else self.number
        if not shared:
            raise UserError(f"{self.key} of {total:,} pairs is less than one pair")
        return shared


@dataclass(frozen=True, eq=False)
class Cut:
    """The assignment of the pairs of a file to splits.

    Args:
        names: names of the splits by number; training is number 0.
        split_of: number of the split of each row, in file order.
        wanted: requested number of pairs of each split except training.
        sources: number of distinct sources, ignoring case and punctuation.
        repeated: number of pairs whose source occurs in another pair.
    """

    names: tuple[str, ...]
    split_of: NDArray[np.uint8]
    wanted: dict[str, int]
    sources: int
    repeated: int

    def rows(self, split: str) -> NDArray[np.intp]:
        """Return the rows of the file that belong to a split."""
        return np.flatnonzero(self.split_of == self.names.index(split))

    @property
    def counts(self) -> dict[str, int]:
        """Number of pairs by split."""
        counts = np.bincount(self.split_of, minlength=len(self.names)).tolist()
        return dict(zip(self.names, counts, strict=True))

    @property
    def sha256(self) -> str:
        """SHA-256 of the assignment of rows to splits."""
        return hashlib.sha256(self.split_of.tobytes()).hexdigest()


def cut(pairs: Iterable[Pair], sizes: Mapping[str, Size], seed: int, where: str) -> Cut:
    """Divide pairs into splits; the training split gets the rest.

    A pair with an empty side is assigned to the training split, which skips such pairs.

    Args:
        pairs: all pairs in file order.
        sizes: size of each split except training, in the order in which they are filled.
        seed: seed of the assignment.
        where: name of the file in messages.

    Raises:
        UserError: there are too few pairs.
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
            f"{where} has {len(keys):,} pairs with text on both sides, but {asked} need "
            f"{sum(wanted.values()):,} of them: no training pairs would be left"
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
                f"{where} cannot be split: pairs with the same source stay together, and no group "
                f"fits into {sizes[name].key if name in sizes else 'the training split'}"
            )
    return found


def fill(members: NDArray[np.intp], wanted: list[int]) -> NDArray[np.uint8]:
    """Assign groups to splits in order; a group too large for the current split is skipped.

    Args:
        members: number of pairs of each group, in the order in which groups are assigned.
        wanted: number of pairs of each split after the first, which gets the rest.

    Returns:
        The number of the split of each group.
    """
    split_of = np.full(len(members), TRAIN, np.uint8)
    remaining = iter(enumerate(members.tolist()))
    skipped: list[tuple[int, int]] = []
    for number, left in enumerate(wanted, start=TRAIN + 1):
        still_skipped: list[tuple[int, int]] = []
        for source in (iter(skipped), remaining):
            while left and (group := next(source, None)):
                if group[1] <= left:
                    split_of[group[0]] = number
                    left -= group[1]
                else:
                    still_skipped.append(group)
            if source is not remaining:
                still_skipped.extend(source)
        skipped = still_skipped
    return split_of


def comparable(source: str) -> str:
    """Normalize a source for comparison: case, punctuation, spaces and Unicode form are ignored.

    A source that consists only of punctuation is returned as it is.
    """
    folded = unicodedata.normalize("NFKC", source).casefold().translate(_ignored())
    return " ".join(folded.split()) or source.strip()


@cache
def _ignored() -> dict[int, str | None]:
    """Map ignored characters: invisible ones are deleted, punctuation becomes a space."""
    table: dict[int, str | None] = {}
    for code in range(sys.maxunicode + 1):
        kind = unicodedata.category(chr(code))
        if kind[0] == "P" or kind in ("Zs", "Zl", "Zp", "Cc"):
            table[code] = " "
        elif kind == "Cf":
            table[code] = None
    return table
