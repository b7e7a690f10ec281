"""Being asked to stop: by Ctrl-C, by SIGTERM, as a cluster or a shutdown sends it, or by SIGHUP.

SIGHUP comes when the terminal is closed. A signal that the process was told to ignore, as `nohup`
and a shell's background jobs are, stays ignored.
"""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

Found = TypeVar("Found")

HANGUP = getattr(signal, "SIGHUP", None)  # Windows has none
ASKING = tuple(filter(None, (signal.SIGINT, signal.SIGTERM, HANGUP)))


class Interrupted(BaseException):
    """Work that may be left undone was ended by a signal."""


class StopSignals:
    """Inside `with`, the first signal is only noted; the second one ends the process at once.

    A SIGHUP after it is ignored: a closed terminal and its shell send one each, and a shutdown
    sends one after its SIGTERM.
    """

    def __init__(self) -> None:
        self.number: int | None = None  # of the signal that came
        self.urgent = False
        self.before: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():  # no other may hear signals
            for number in ASKING:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self.before[number] = signal.signal(number, self.handle)

    def __exit__(self, *_: object) -> None:
        while self.before:
            number, handler = self.before.popitem()
            signal.signal(number, handler or signal.SIG_DFL)

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Note the first signal; what comes after it is treated as if nobody listened."""
        self.number = number
        self.__exit__()
        if HANGUP is not None:
            signal.signal(HANGUP, signal.SIG_IGN)  # to the end of the training, which is near
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
            SystemExit: it was SIGTERM or SIGHUP.
        """
        if self.number == signal.SIGINT:
            raise KeyboardInterrupt
        if self.number is not None:
            raise SystemExit(128 + self.number)
