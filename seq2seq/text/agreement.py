"""Gold long-distance agreement (such as subject-verb) of a test set, and its file format."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from seq2seq.errors import UserError
from seq2seq.system.text_lines import read_lines

AGREEMENT = "gold.agreement.tsv"
Mark = TypeVar("Mark")


class Agreement(NamedTuple):
    """A target word that must agree with a distant word.

    Attributes:
        distance: number of English words between the two.
        right: the form that agrees, one word or several.
        wrong: the forms that do not agree.
    """

    distance: int
    right: str
    wrong: tuple[str, ...]


def agreement_line(agreement: Agreement | None) -> str:
    """Format as distance, right form and wrong forms between tabs; empty for None."""
    if agreement is None:
        return ""
    return "\t".join([str(agreement.distance), agreement.right, *agreement.wrong])


def parse_agreement(line: str) -> Agreement | None:
    """Parse a line written by `agreement_line`.

    Raises:
        ValueError: the line is malformed.
    """
    distance, *forms = line.split("\t")
    if not line:
        return None
    if not re.fullmatch(r"[0-9]{1,6}", distance) or len(forms) < 2:
        raise ValueError(
            f"{line!r} is not a distance, the right form and the wrong forms between tabs"
        )
    return Agreement(int(distance), forms[0], tuple(forms[1:]))


def read_agreements(folder: Path) -> list[Agreement | None] | None:
    """Read the agreements in the folder of a test set, one line per pair; None if there are none.

    Raises:
        UserError: a line is malformed, or the number of lines is not the number of pairs.
    """
    return read_marks(folder / AGREEMENT, parse_agreement)


def read_marks(path: Path, parse: Callable[[str], Mark | None]) -> list[Mark | None] | None:
    """Read a file with one line per pair of a test set; None if there is no such file.

    Args:
        path: the file, in the folder of the test set.
        parse: returns what a line says, None if it is empty; raises ValueError if it is malformed.

    Raises:
        UserError: a line is malformed, or the number of lines is not the number of pairs.
    """
    if not path.is_file():
        return None
    found: list[Mark | None] = []
    for number, line in enumerate(read_lines(path), 1):
        try:
            found.append(parse(line))
        except ValueError as error:
            raise UserError(f"{path}, line {number}: {error}") from error
    text = path.with_name("reference.txt")
    if text.is_file() and len(pairs := list(read_lines(text))) != len(found):
        raise UserError(
            f"{path} has {len(found)} lines for {len(pairs)} pairs: it must have one line per "
            "pair, empty if there is nothing to test in it"
        )
    return found
