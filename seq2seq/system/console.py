"""The console on standard error, and progress bars with speed and time left.

Results are printed to standard output with `print`; all other output goes through this module.
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
    """A proxy for `sys.stderr` that ignores a closed pipe or terminal, so that work continues.

    All other attributes are those of the current `sys.stderr`.
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    @property
    def stream(self) -> Any:
        """Standard error itself, also while Rich has replaced it with a proxy."""
        return getattr(sys.stderr, "rich_proxied_file", sys.stderr)

    @property
    def rich_proxied_file(self) -> "Stderr":
        """The file that Rich writes to while it has replaced `sys.stderr` with a proxy."""
        return self

    def write(self, text: str) -> int:
        """Write the text, unless the pipe or terminal is closed."""
        with discard_if_closed(self.stream):
            self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, unless the pipe or terminal is closed."""
        with discard_if_closed(self.stream):
            self.stream.flush()


@contextmanager
def discard_if_closed(stream: Any) -> Iterator[None]:
    """Redirect a stream to os.devnull if writing fails because its pipe or terminal is closed."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EIO):  # EIO: the terminal was closed
            raise
        redirect_to_null(stream)
    except ValueError:
        if not stream.closed:
            raise


def redirect_to_null(stream: Any) -> None:
    """Discard the buffered and all later output of a stream without an error."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def print_if_read(text: str) -> None:
    """Print a line on standard output; do nothing if the reader of the pipe has exited."""
    with discard_if_closed(sys.stdout):
        print(text, flush=True)


# No markup: the name of a path or test set may contain [bold].
console = Console(
    file=cast(TextIO, Stderr()), highlight=False, markup=False, emoji=False, soft_wrap=True
)


class SpeedColumn(ProgressColumn):
    """A progress-bar column with the speed in items per second."""

    def render(self, task: Task) -> Text:
        """Render Rich's estimate of the speed; empty until there is one."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} {task.fields.get('unit', 'it')}/s")


_title: ContextVar[str] = ContextVar("title", default="")


@contextmanager
def section_heading(title: str) -> Iterator[None]:
    """Print a title, and prefix it to every progress bar inside the context.

    Args:
        title: the name of the current task; it must not contain braces.
    """
    token = _title.set(f"{title}  " if console.is_terminal else "")
    console.print(title)
    try:
        yield
    finally:
        _title.reset(token)


def bar() -> Progress:
    """Create a progress bar with speed and time left that disappears when done."""
    return Progress(
        TextColumn(_title.get() + "{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        SpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,  # no bars in log files
    )


def training_bar(shown: bool) -> Progress:
    """Create a bar for the spent share of the training budget.

    Set its field `speed` in tokens per second.
    """
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


def track(
    items: Iterable[Item], description: str, *, total: int | None, unit: str
) -> Iterator[Item]:
    """Yield the items and show a progress bar; `total` is None if unknown."""
    with bar() as progress:
        task = progress.add_task(description, total=total, unit=unit)
        for item in items:
            yield item
            progress.advance(task)
