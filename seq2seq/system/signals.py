"""Graceful stop on SIGINT (Ctrl-C), SIGTERM (cluster, shutdown) and SIGHUP (closed terminal).

A signal that the process ignores from the start, as under `nohup` or in a background job of a
shell, stays ignored.
"""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

Result = TypeVar("Result")

SIGHUP = getattr(signal, "SIGHUP", None)  # does not exist on Windows
STOP_SIGNALS = tuple(filter(None, (signal.SIGINT, signal.SIGTERM, SIGHUP)))


class Interrupted(BaseException):
    """A signal has interrupted work inside `StopSignals.interruptible`."""


class StopSignals:
    """Context manager that records the first stop signal; a second one stops the process.

    SIGHUP is ignored after the first signal: a closed terminal and its shell send one each, and a
    shutdown sends SIGHUP after SIGTERM.

    Attributes:
        number: the number of the signal received, or None.
        interrupting: whether a signal raises `Interrupted`.
        previous: the handlers to restore, by signal number.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.interrupting = False
        self.previous: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():  # others cannot set handlers
            for number in STOP_SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self.previous[number] = signal.signal(number, self.handle)

    def __exit__(self, *_: object) -> None:
        while self.previous:
            number, handler = self.previous.popitem()
            signal.signal(number, handler or signal.SIG_DFL)

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Record the first signal and restore the previous handlers for the next ones."""
        self.number = number
        if SIGHUP is not None:  # first, because a second one may arrive at any moment
            signal.signal(SIGHUP, signal.SIG_IGN)  # until the training has saved and stopped
            self.previous.pop(SIGHUP, None)
        self.__exit__()
        if self.interrupting:
            raise Interrupted

    def interruptible(self, work: Callable[[], Result]) -> Result | None:
        """Run `work` and return its result; None if a signal arrived before or during it."""
        try:
            self.interrupting = True
            result = None if self.number else work()
            self.interrupting = False
            return result
        except Interrupted:
            return None

    def reraise(self) -> None:
        """End the program as the received signal would have, if there was one.

        Raises:
            KeyboardInterrupt: the signal was SIGINT.
            SystemExit: the signal was SIGTERM or SIGHUP.
        """
        if self.number == signal.SIGINT:
            raise KeyboardInterrupt
        if self.number is not None:
            raise SystemExit(128 + self.number)
