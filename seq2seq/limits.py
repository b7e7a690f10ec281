"""Ranges of user-supplied numbers, and functions that check them; they reject NaN and infinity."""

from seq2seq.errors import UserError

LONGEST = 100_000  # pieces in a translation
WIDEST = 1_000  # hypotheses in a beam; an untrusted configuration must not exhaust the memory
LARGEST = 2**63 - 1  # seeds, and counts without a limit of their own
COLDEST, HOTTEST = 1e-3, 1e3  # temperatures; outside this range a 32-bit softmax overflows


def whole(name: str, value: object, low: int, high: int) -> int:
    """Check an integer.

    Args:
        name: the name of the value in messages.
        value: the value that the user gave.
        low: the smallest allowed value.
        high: the largest allowed value.

    Raises:
        UserError: the value is not an integer from low to high.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise UserError(f"{name} is {value}; it must be a whole number from {low} to {high}")
    return value


def real(name: str, value: object, low: float, high: float, *, above: bool = False) -> float:
    """Check a number.

    Args:
        name: the name of the value in messages.
        value: the value that the user gave.
        low: the smallest allowed value.
        high: the largest allowed value.
        above: exclude `low` itself.

    Raises:
        UserError: the value is not a finite number in the range.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not low <= value <= high or (above and value == low):  # type: ignore[operator]
        start = f"above {low:g} and at most" if above else f"from {low:g} to"
        raise UserError(f"{name} is {value}; it must be {start} {high:g}")
    return value  # type: ignore[return-value]
