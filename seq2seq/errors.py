"""What a user can get wrong, said in one sentence that names the thing and the likely mistake."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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


@contextmanager
def reporting_user_errors() -> Iterator[None]:
    """Turn what a person can cause into one sentence on standard error and an exit status."""
    try:
        yield
    except UserError as error:
        print(f"seq2seq: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)  # as a shell reports a program ended by Ctrl-C
    except BrokenPipeError:  # the reader of our output has gone: nothing is left to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        print(f"seq2seq: {error.strerror or error}: {error.filename or ''}", file=sys.stderr)
        sys.exit(1)
