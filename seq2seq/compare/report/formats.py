"""Numbers as tables show them, in few characters; "-" where there is none."""

from seq2seq.compare.systems import Spread, number
from seq2seq.text.characters import printable

DASH = "-"


def text(value: object) -> str:
    """A value for reading."""
    return DASH if value is None else printable(str(value))


def figures(value: object, form: str) -> str:
    """A number in the given format."""
    known = value if isinstance(value, Spread) else number(value)
    return DASH if known is None else format(known, form)


def interval(low: float, high: float) -> str:
    """The ends of an interval, to one place."""
    return f"{low:.1f}\N{EN DASH}{high:.1f}"


def short(spread: Spread | None) -> str:
    """A mean in at most seven characters, as 20.04, 123.5 or 1.2e+07."""
    if spread is None:
        return DASH
    for bound, form in ((100, ".2f"), (1000, ".1f"), (1e6, ".0f")):
        if abs(spread.mean) < bound:
            return format(spread.mean, form)
    return format(spread.mean, ".1e")


def count(spread: Spread | None) -> str:
    """A mean in at most six characters, as 950, 12.3k or 45.0M."""
    if spread is None:
        return DASH
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if spread.mean >= 0.99995 * size:
            return f"{spread.mean / size:.1f}{unit}"
    return f"{spread.mean:.0f}"
