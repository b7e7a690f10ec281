"""Known agreements (such as subject and verb) of the sentences of a test set, and their file."""

import re
from pathlib import Path
from typing import NamedTuple

from seq2seq.errors import UserError
from seq2seq.system.text_lines import read_lines

AGREEMENT = "gold.agreement.tsv"


class Agreement(NamedTuple):
    """A target word that must agree with another some way off.

    Attributes:
        distance: words of English between the two.
        right: the form that agrees.
        wrong: the forms that agree with something else.
    """

    distance: int
    right: str
    wrong: tuple[str, ...]


def agreement_line(agreement: Agreement | None) -> str:
    """Distance, right form and wrong forms between tabs; empty where nothing agrees."""
    if agreement is None:
        return ""
    return "\t".join([str(agreement.distance), agreement.right, *agreement.wrong])


def parse_agreement(line: str) -> Agreement | None:
    """Read what `agreement_line` wrote.

    Raises:
        ValueError: it is something else; the message says what.
    """
    distance, *forms = line.split("\t")
    if not line:
        return None
    if not re.fullmatch(r"[0-9]{1,6}", distance) or len(forms) < 2:
        raise ValueError(f"{line!r} is not a distance, the right form and wrong ones between tabs")
    return Agreement(int(distance), forms[0], tuple(forms[1:]))


def read_agreements(folder: Path) -> list[Agreement | None] | None:
    """The agreements beside a test set's text, a line a pair; None where there are none.

    Raises:
        UserError: a line is not one, or there is not one for every pair; the message names it.
    """
    path = folder / AGREEMENT
    if not path.is_file():
        return None
    found: list[Agreement | None] = []
    for number, line in enumerate(read_lines(path), 1):
        try:
            found.append(parse_agreement(line))
        except ValueError as error:
            raise UserError(f"{path}, line {number}: {error}") from error
    text = folder / "reference.txt"
    if text.is_file() and len(pairs := list(read_lines(text))) != len(found):
        raise UserError(
            f"{path} has {len(found)} lines for {len(pairs)} pairs: there must be one for each, "
            "empty where nothing agrees"
        )
    return found
