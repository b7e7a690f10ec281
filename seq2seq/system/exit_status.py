"""The edge of every command: an error becomes one sentence and an exit status."""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from seq2seq.errors import UserError
from seq2seq.system.streams import drop_output, flush_output, open_closed

# What writing ends in: no space, a quota, too large a file, a broken disk, a closed descriptor.
UNWRITTEN = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF}


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
