"""Ranges of the numbers that a user gives, and their checks; NaN and infinity are in none."""

from seq2seq.errors import UserError

LONGEST = 100_000  # pieces of a translation, and
WIDEST = 1_000  # hypotheses of a beam: a stored configuration must not ask for all memory
LARGEST = 2**63 - 1  # of seeds and of counts without a limit of their own
COLDEST, HOTTEST = 1e-3, 1e3  # temperatures; beyond, a softmax in 32 bits overflows


def whole(name: str, value: object, low: int, high: int) -> int:
    """Check a whole number.

    Raises:
        UserError: it is none from low to high, both included.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise UserError(f"{name} is {value}; it must be a whole number from {low} to {high}")
    return value


def real(name: str, value: object, low: float, high: float, *, above: bool = False) -> float:
    """Check a number.

    Args:
        name: what the user calls it.
        value: what the user gave.
        low: the smallest that is allowed,
        high: and the largest.
        above: `low` itself is not allowed.

    Raises:
        UserError: it is not finite, or not in the range.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not low <= value <= high or (above and value == low):  # type: ignore[operator]
        start = f"above {low:g} and at most" if above else f"from {low:g} to"
        raise UserError(f"{name} is {value}; it must be {start} {high:g}")
    return value  # type: ignore[return-value]
