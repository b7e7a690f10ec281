"""What a user can get wrong, said in one sentence that names the thing and the likely mistake."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """Bad input: the command line prints its message and exits with 1, never with a traceback."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown word: the nearest known one, or all of them."""
    choices = sorted(known)
    if near := get_close_matches(word, choices, n=1, cutoff=0.5):
        return f"did you mean {near[0]!r}?"
    if len(choices) > 12:
        return f"none of the {len(choices)} known ones is like it"
    return f"choose from {', '.join(choices)}" if choices else "there is none"
