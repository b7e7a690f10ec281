"""Format numbers for tables in few characters; a missing value is "-"."""

from dataclasses import dataclass

from seq2seq.compare.systems import Spread, number
from seq2seq.text.characters import printable

DASH = "-"


@dataclass(frozen=True)
class Table:
    """A table of text cells; the first column names the row, the others are numbers.

    Attributes:
        title: title of the table.
        head: column heads.
        rows: rows of one cell per column.
        note: explanation of the column heads; None if they need none.
    """

    title: str
    head: list[str]
    rows: list[list[str]]
    note: str | None = None


def text(value: object) -> str:
    """Format any value as printable text."""
    return DASH if value is None else printable(str(value))


def figures(value: object, form: str) -> str:
    """Format a number or mean with the format specification `form`."""
    known = value if isinstance(value, Spread) else number(value)
    return DASH if known is None else format(known, form)


def interval(low: float, high: float) -> str:
    """Format an interval with one decimal place."""
    return f"{low:.1f}\N{EN DASH}{high:.1f}"


def short(spread: Spread | None) -> str:
    """Format a mean in at most seven characters: 20.04, 123.5 or 1.2e+07."""
    if spread is None:
        return DASH
    for bound, form in ((100, ".2f"), (1000, ".1f"), (1e6, ".0f")):
        if abs(spread.mean) < bound:
            return format(spread.mean, form)
    return format(spread.mean, ".1e")


def count(spread: Spread | None) -> str:
    """Format a mean in at most six characters: 950, 12.3k or 45.0M."""
    if spread is None:
        return DASH
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if spread.mean >= 0.99995 * size:
            return f"{spread.mean / size:.1f}{unit}"
    return f"{spread.mean:.0f}"
