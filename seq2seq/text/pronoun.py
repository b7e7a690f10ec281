"""Gold antecedents of pronouns (which noun is "it") of a test set, and their file format."""

import re
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from seq2seq.text.agreement import Agreement, agreement_line, parse_agreement, read_marks

PRONOUN = "gold.pronoun.tsv"
Role = Literal["subject", "object"]
ROLES: tuple[Role, ...] = get_args(Role)


class Places(NamedTuple):
    """The tokens of one side, counted from 0 as in the links: a pronoun and two nouns."""

    pronoun: int
    antecedent: int
    distractor: int


class Pronoun(NamedTuple):
    """A pronoun whose form depends on its antecedent, another noun being of the other gender.

    Attributes:
        agreement: the number of English words between antecedent and pronoun, and the forms.
        role: the role of the pronoun and of its antecedent in their clauses.
        source: the source tokens.
        target: the target tokens.
    """

    agreement: Agreement
    role: Role
    source: Places
    target: Places


def pronoun_line(pronoun: Pronoun | None) -> str:
    """Format between tabs: role, tokens of source and target, distance, forms; empty for None."""
    if pronoun is None:
        return ""
    tokens = map(str, (*pronoun.source, *pronoun.target))
    return "\t".join([pronoun.role, *tokens, agreement_line(pronoun.agreement)])


def parse_pronoun(line: str) -> Pronoun | None:
    """Parse a line written by `pronoun_line`.

    Raises:
        ValueError: the line is malformed.
    """
    if not line:
        return None
    role, *tokens = line.split("\t", 7)
    if (
        role not in ROLES
        or len(tokens) != 7
        or not all(re.fullmatch("[0-9]{1,6}", token) for token in tokens[:-1])
        or (agreement := parse_agreement(tokens[-1])) is None
    ):
        raise ValueError(
            f"{line!r} is not a role (subject or object), the pronoun, antecedent and distractor "
            "of both sides (tokens counted from 0), a distance, the right form and the wrong forms "
            "between tabs"
        )
    numbers = [int(token) for token in tokens[:-1]]
    return Pronoun(agreement, role, Places(*numbers[:3]), Places(*numbers[3:]))


def read_pronouns(folder: Path) -> list[Pronoun | None] | None:
    """Read the pronouns in the folder of a test set, one line per pair; None if there are none.

    Raises:
        UserError: a line is malformed, or the number of lines is not the number of pairs.
    """
    return read_marks(folder / PRONOUN, parse_pronoun)
