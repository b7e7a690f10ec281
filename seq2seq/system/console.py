"""What a person sees while waiting: one console (standard error), bars with speed and time left.

Results go to standard output by `print`; everything else goes through here.
"""

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, TextIO, TypeVar, cast

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

Item = TypeVar("Item")


class Stderr:
    """Standard error, which may be lost without a word: what it would show is no reason to stop.

    The reader of a pipe may have gone, or the terminal been closed. Everything else is asked of
    whatever `sys.stderr` is at the time.
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    @property
    def stream(self) -> Any:
        """Standard error itself, also while Rich has put a proxy in its place."""
        return getattr(sys.stderr, "rich_proxied_file", sys.stderr)

    @property
    def rich_proxied_file(self) -> "Stderr":
        """What Rich is to write to while it has put a proxy in place of `sys.stderr`."""
        return self

    def write(self, text: str) -> int:
        """Write, if anybody is there."""
        with losing(self.stream):
            self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, likewise."""
        with losing(self.stream):
            self.stream.flush()


@contextmanager
def losing(stream: Any) -> Iterator[None]:
    """Inside, a stream whose other end is gone is replaced by one that goes nowhere."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EIO):  # EIO: its terminal was closed
            raise
        to_nowhere(stream)
    except ValueError:
        if not stream.closed:
            raise


def to_nowhere(stream: Any) -> None:
    """Let what a stream still holds, and all that follows, be lost without an error."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def print_if_read(text: str) -> None:
    """Print a line on standard output; nothing, and no error, where nobody reads it any more."""
    with losing(sys.stdout):
        print(text, flush=True)


# No markup: a path or a test set may be called [bold].
console = Console(
    file=cast(TextIO, Stderr()), highlight=False, markup=False, emoji=False, soft_wrap=True
)


class SpeedColumn(ProgressColumn):
    """Items a second."""

    def render(self, task: Task) -> Text:
        """The bar's own estimate, blank until there is one."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} {task.fields.get('unit', 'it')}/s")


_title: ContextVar[str] = ContextVar("title", default="")


@contextmanager
def titled(title: str) -> Iterator[None]:
    """Inside, every bar begins with this title (no braces): which of several tasks it is of."""
    token = _title.set(f"{title}  " if console.is_terminal else "")
    console.print(title)
    try:
        yield
    finally:
        _title.reset(token)


def bar() -> Progress:
    """A progress bar that shows speed and time left and vanishes when done."""
    return Progress(
        TextColumn(_title.get() + "{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        SpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,  # a log file wants lines, not bars
    )


def training_bar(shown: bool) -> Progress:
    """A bar over the share of a training's budget that is spent; set `speed` in tokens a second."""
    return Progress(
        TextColumn(_title.get() + "{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[speed]:,.0f} target tokens/s"),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=console,
        transient=True,
        refresh_per_second=2,
        disable=not (shown and console.is_terminal),
    )


def track(items: Iterable[Item], what: str, *, total: int | None, unit: str) -> Iterator[Item]:
    """Yield the items under a bar named `what`; total is None where it is not known."""
    with bar() as progress:
        task = progress.add_task(what, total=total, unit=unit)
        for item in items:
            yield item
            progress.advance(task)
