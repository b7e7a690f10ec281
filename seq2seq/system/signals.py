"""Being asked to stop, by Ctrl-C or by SIGTERM, as a cluster or a shutdown sends it."""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

Found = TypeVar("Found")


class Interrupted(BaseException):
    """Work that may be left undone was ended by a signal."""


class StopSignals:
    """Inside `with`, the first signal is only noted; the second one ends the process at once."""

    def __init__(self) -> None:
        self.number: int | None = None  # of the signal that came
        self.urgent = False
        self.before: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():  # no other may hear signals
            for number in (signal.SIGINT, signal.SIGTERM):
                self.before[number] = signal.signal(number, self.handle)

    def __exit__(self, *_: object) -> None:
        while self.before:
            number, handler = self.before.popitem()
            signal.signal(number, handler or signal.SIG_DFL)

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Note the first signal; what comes after it is treated as if nobody listened."""
        self.number = number
        self.__exit__()
        if self.urgent:
            raise Interrupted

    def interruptible(self, work: Callable[[], Found]) -> Found | None:
        """What some work returns; None where a signal came before its end, and cut it short."""
        try:
            self.urgent = True
            found = None if self.number else work()
            self.urgent = False
            return found
        except Interrupted:
            return None

    def reraise(self) -> None:
        """End the program as its signal would have, if one came.

        Raises:
            KeyboardInterrupt: it was Ctrl-C.
            SystemExit: it was SIGTERM.
        """
        if self.number == signal.SIGINT:
            raise KeyboardInterrupt
        if self.number is not None:
            raise SystemExit(128 + self.number)
