"""Gold word alignments: what a person, or a grammar, says belongs together.

A link joins token i of the source to token j of the target, both counted from 0. It is sure, or
merely possible (Och and Ney 2003): a reading that lacks a possible link is not wrong, and neither
is one that has it. On disk links are in Pharaoh format, `i-j` for a sure and `i?j` for a possible
one, a line a pair, beside both sides cut into the tokens that they count.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from seq2seq.errors import UserError
from seq2seq.system.files import write_lines
from seq2seq.system.text_lines import read_lines
from seq2seq.text.agreement import AGREEMENT, Agreement, agreement_line

Link = tuple[int, int]

FILES = ("gold.source.txt", "gold.reference.txt", "gold.links.txt")  # beside a test set's text


class Links(NamedTuple):
    """The links of one pair; `possible` holds only those that are not sure."""

    sure: frozenset[Link]
    possible: frozenset[Link] = frozenset()

    @classmethod
    def parse(cls, line: str) -> "Links":
        """Read Pharaoh format, whose tokens are counted from 0.

        Raises:
            ValueError: a word is no link; the message names it.
        """
        found: dict[str, set[Link]] = {"-": set(), "?": set()}
        for word in line.split():
            match = re.fullmatch(r"(\d+)([-?])(\d+)", word, re.ASCII)
            if not match:
                raise ValueError(f"{word!r} is neither a sure link i-j nor a possible one i?j")
            found[match[2]].add((int(match[1]), int(match[3])))
        return cls(frozenset(found["-"]), frozenset(found["?"] - found["-"]))

    def turned(self) -> "Links":
        """The same links from the target to the source."""
        return Links(*(frozenset((j, i) for i, j in links) for links in self))

    def __str__(self) -> str:
        marked = [(i, j, "-") for i, j in self.sure] + [(i, j, "?") for i, j in self.possible]
        return " ".join(f"{i}{mark}{j}" for i, j, mark in sorted(marked))


class Gold(NamedTuple):
    """One pair cut into tokens, the links between them, and maybe an agreement to look at."""

    source: list[str]
    target: list[str]
    links: Links
    agreement: Agreement | None = None


def write_gold(folder: Path, golds: Iterable[Gold]) -> None:
    """Write the gold of a test set beside its text."""
    golds = list(golds)
    write_lines(folder / FILES[0], (" ".join(gold.source) for gold in golds))
    write_lines(folder / FILES[1], (" ".join(gold.target) for gold in golds))
    write_lines(folder / FILES[2], (str(gold.links) for gold in golds))
    if any(gold.agreement for gold in golds):
        write_lines(folder / AGREEMENT, (agreement_line(gold.agreement) for gold in golds))


def read_gold(folder: Path) -> list[Gold] | None:
    """The gold beside a test set's text; None where there is none.

    Raises:
        UserError: the files differ in length, a word is no link, or a link points past a sentence;
            the message names file and line.
    """
    paths = [folder / name for name in FILES]
    if not paths[2].is_file():
        return None
    sources, targets, links = (list(read_lines(path)) for path in paths)
    if not len(sources) == len(targets) == len(links):
        raise UserError(
            f"{paths[0]} has {len(sources)} lines, {paths[1].name} {len(targets)} and "
            f"{paths[2].name} {len(links)}: there must be one of each for every pair"
        )
    golds = []
    for number, (source, target, line) in enumerate(zip(sources, targets, links, strict=True), 1):
        try:
            gold = Gold(source.split(), target.split(), Links.parse(line))
            check_range(gold)
        except ValueError as error:
            raise UserError(f"{paths[2]}, line {number}: {error}") from error
        golds.append(gold)
    return golds


def check_range(gold: Gold) -> None:
    """Refuse links to tokens that are not there.

    Raises:
        ValueError: the message names the link and both lengths.
    """
    for i, j in sorted(gold.links.sure | gold.links.possible):
        if not (i < len(gold.source) and j < len(gold.target)):
            raise ValueError(
                f"the link {i}-{j} points past the pair of {len(gold.source)} and "
                f"{len(gold.target)} tokens (they are counted from 0)"
            )
