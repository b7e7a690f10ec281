"""What a user can get wrong, said in one sentence that names the thing and the likely mistake."""

import errno
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches

from seq2seq.system.streams import drop_output, flush_output, open_closed

# What writing ends in: no space, a quota, too large a file, a broken disk, a closed descriptor.
UNWRITTEN = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF}


class UserError(ValueError):
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
    """Turn what a person can cause into one sentence on standard error and an exit status.

    What was printed is written out inside, so that a full disk or a closed pipe is noticed here.
    """
    open_closed()
    try:
        try:
            yield
        finally:
            flush_output()
    except UserError as error:
        print(f"seq2seq: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)  # as a shell reports a program ended by Ctrl-C
    except BrokenPipeError:  # the reader of our output has gone: nothing is left to say
        drop_output()
        sys.exit(1)
    except OSError as error:
        print(f"seq2seq: {reason(error)}", file=sys.stderr)
        sys.exit(1)


def reason(error: OSError) -> str:
    """What the system refused, and for which file.

    Whatever else is written names its file, so that what cannot be written and has no name is
    standard output.
    """
    said = error.strerror or str(error) or type(error).__name__
    if error.filename is not None:
        return f"{said}: {error.filename}"
    return f"{said}: standard output" if error.errno in UNWRITTEN else said
