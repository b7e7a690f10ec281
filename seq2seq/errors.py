"""Exceptions for invalid user input."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """Invalid user input: the command line prints the message, no traceback, and exits with 1.

    The message is one sentence that names the file, line or key and the likely mistake.
    """


def did_you_mean(word: str, known: Iterable[str], prefix: str = "") -> str:
    """Return the hint after "unknown word; ": the most similar known word, or all known words.

    Args:
        word: the unknown word.
        known: the known words.
        prefix: what to write before each known word.
    """
    choices = sorted(filter(None, known))
    if near := get_close_matches(word, choices, n=1, cutoff=0.51):
        return f"did you mean {prefix + near[0]!r}?"
    if len(choices) > 12:
        return f"none of the {len(choices)} known names is similar"
    return (
        f"choose from {', '.join(prefix + choice for choice in choices)}"
        if choices
        else "there are none"
    )
