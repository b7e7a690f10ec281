"""Exceptions for invalid user input."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """Invalid user input: the command line prints the message, no traceback, and exits with 1.

    The message is one sentence that names the file, line or key and the likely mistake.
    """


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the hint after "unknown word; ": the most similar known word, or all known words."""
    choices = sorted(filter(None, known))
    if near := get_close_matches(word, choices, n=1, cutoff=0.51):
        return f"did you mean {near[0]!r}?"
    if len(choices) > 12:
        return f"none of the {len(choices)} known names is similar"
    return f"choose from {', '.join(choices)}" if choices else "there are none"
