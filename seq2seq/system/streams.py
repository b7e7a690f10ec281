"""Standard input and output for filters: lines as they arrive, and closed streams."""

import contextlib
import os
import select
import sys
from collections import deque
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path

READ = 1 << 20  # maximum number of bytes per read


def ready_lines(
    stream: BufferedIOBase, most: int, *, selectable: bool = True
) -> Iterator[list[bytes]]:
    r"""Yield lists of up to `most` lines without their \n, in order.

    A list is yielded when it is full, when no more input is ready, or at the end of the input: a
    file gives full lists, a pipe or terminal the lines written so far. The last line may lack \n.

    Args:
        stream: a binary stream.
        most: maximum number of lines per list.
        selectable: whether `select` can tell that input is ready. For decompressed streams it
            cannot, and all lists are full.
    """
    lines: deque[bytes] = deque()
    partial = bytearray()  # grows in place, because a line may be very long
    ended = False
    ready = True  # do not wait before the first read, which may return peeked bytes
    while lines or not ended:
        while not ended and len(lines) < most and (ready or wait(stream, 0 if lines else None)):
            ready = not selectable
            piece = stream.read1(READ)
            ended = not piece
            *whole, rest = piece.split(b"\n")
            for line in whole:
                lines.append(bytes(partial + line))
                partial.clear()
            partial += rest
            if ended and partial:
                lines.append(bytes(partial))
        if lines:
            yield [lines.popleft() for _ in range(min(most, len(lines)))]


def wait(stream: BufferedIOBase, seconds: int | None) -> bool:
    """Wait up to `seconds` (None: without limit) for input; return whether it is ready.

    The end of the input counts as ready. A stream without a descriptor, such as io.BytesIO, is
    always ready.
    """
    try:
        return bool(select.select([stream.fileno()], [], [], seconds)[0])
    except ValueError:  # io.UnsupportedOperation, or a descriptor too high for select
        return True


def open_closed() -> None:
    """Open os.devnull for standard streams that were closed by the shell (`<&-`, `>&-`).

    Otherwise the next opened file would get such a descriptor and receive printed output.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free descriptor, which is this one
    if sys.stderr is None:  # print(file=None) would print to standard output
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115


def flush_output() -> None:
    """Flush standard output.

    Raises:
        OSError: the output cannot be written; it is discarded, so that Python does not try again.
    """
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError:
        drop_output()
        raise


def drop_output() -> None:
    """Discard all further output to standard output."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
