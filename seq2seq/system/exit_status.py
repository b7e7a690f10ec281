"""Error handling of the command line: turn exceptions into a message and an exit status."""

import errno
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from seq2seq.errors import UserError
from seq2seq.system.launcher import Launcher, find
from seq2seq.system.streams import drop_output, flush_output, open_closed

# Errors of write(): no space, quota, file too large, I/O error, closed descriptor.
WRITE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF}

# Seconds that a process with rank > 0 waits before it reports an error from before the processes
# were connected. Rank 0 mostly has the same error, and torchrun or srun ends the others with it.
SAME = 5.0


@contextmanager
def reporting_user_errors() -> Iterator[None]:
    """Print expected errors as one line on standard error and exit with a status.

    Standard output is flushed here, so that a full disk or a closed pipe is detected.

    Raises:
        SystemExit: with status 1 for a UserError or OSError, 130 for Ctrl-C.
    """
    open_closed()
    try:
        try:
            yield
        finally:
            flush_output()
    except UserError as error:
        if (launcher := find_quietly()) and launcher.rank:
            time.sleep(SAME)
        print(f"seq2seq: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)  # the usual exit status after SIGINT
    except BrokenPipeError:  # the reader of standard output has exited
        drop_output()
        sys.exit(1)
    except OSError as error:
        print(f"seq2seq: {reason(error)}", file=sys.stderr)
        sys.exit(1)


def find_quietly() -> Launcher | None:
    """The launcher of this process; None also if it has set invalid variables."""
    with suppress(UserError):
        return find()
    return None


def reason(error: OSError) -> str:
    """Format an OSError with the name of its file.

    All other writes set the file name, so that a write error without one is of standard output.
    """
    message = error.strerror or str(error) or type(error).__name__
    if error.filename is not None:
        return f"{message}: {error.filename}"
    return f"{message}: standard output" if error.errno in WRITE_ERRORS else message
