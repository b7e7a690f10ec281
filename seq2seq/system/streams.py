"""Standard input and output as a filter uses them: lines as they come, and what was closed."""

import contextlib
import os
import select
import sys
from collections import deque
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path

READ = 1 << 20  # bytes read at a time, at most


def ready_lines(
    stream: BufferedIOBase, most: int, *, selectable: bool = True
) -> Iterator[list[bytes]]:
    r"""Lists of up to `most` lines without their \n, in order.

    A list is yielded when it is full, when no more input is ready, or at the end: a file gives full
    lists, and a pipe or a terminal what was written to it. A last line may lack its \n. The system
    cannot tell whether a stream that is unpacked has more (`selectable=False`): its lists are full.
    """
    lines: deque[bytes] = deque()
    partial = bytearray()  # grows in place: a line may be very long
    ended = False
    ready = True  # the first read waits by itself, and takes what was looked at before
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
    """Whether there is something to read, or the end, within some seconds; None waits for it.

    A file that is no descriptor, such as io.BytesIO, is always ready.
    """
    try:
        return bool(select.select([stream.fileno()], [], [], seconds)[0])
    except ValueError:  # io.UnsupportedOperation is one; or a descriptor too high for select
        return True


def open_closed() -> None:
    """Keep files from taking the descriptors of standard streams that were closed (`<&-`, `>&-`).

    Otherwise what is printed would go into whatever file was opened first.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    if sys.stderr is None:  # `print` would take None for standard output
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115


def flush_output() -> None:
    """Write out what was printed.

    Raises:
        OSError: it cannot be written; the rest of it is dropped, so that Python does not try again.
    """
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError:
        drop_output()
        raise


def drop_output() -> None:
    """Let all further output go nowhere."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
