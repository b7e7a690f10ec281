"""Joint shutdown of multi-process training: if one process fails, all end and rank 0 reports why.

A failed process cannot use collective operations to notify the others, which are waiting in one.
Therefore a thread in each process polls a TCPStore on rank 0 for a failure. Processes with rank > 0
write no files and can exit immediately.
"""

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import torch
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from seq2seq.errors import UserError
from seq2seq.system.console import console

if TYPE_CHECKING:
    from lightning_fabric import Fabric

FAILED = "failed"  # key of the store; its value is the error message
EVERY = 0.2  # seconds between two polls of the store
PATIENCE = 10.0  # seconds for rank 0 to end by itself after another process has failed


@contextmanager
def ended_together(fabric: "Fabric", on_kill: Callable[[], None]) -> Iterator[None]:
    """End all processes of a run when one of them fails inside the context; rank 0 raises.

    Args:
        fabric: the Fabric handle of this process, launched.
        on_kill: called in rank 0 before the watching thread kills it.

    Raises:
        UserError: another process failed; the message is the one of that process.
    """
    if fabric.world_size == 1:
        yield
        return
    peers = Peers(fabric)
    watcher = threading.Thread(target=peers.watch, args=(on_kill,), daemon=True)
    watcher.start()
    try:
        yield
    except BaseException as error:
        peers.fail(error)
        raise
    finally:
        peers.over.set()
        # Python ends a daemon thread that returns to it at exit; inside the store this aborts.
        watcher.join(timeout=5.0)


class Peers:
    """The connection of one process to the shared failure store of a run.

    Args:
        fabric: the Fabric handle of this process, launched.
    """

    def __init__(self, fabric: "Fabric") -> None:
        self.rank, self.count = fabric.global_rank, fabric.world_size
        self.over = threading.Event()
        host, limit = os.environ.get("MASTER_ADDR", "127.0.0.1"), timedelta(seconds=60)
        is_main, port = self.rank == 0, 0
        if is_main:
            self.store = TCPStore(host, 0, is_master=True, wait_for_workers=False, timeout=limit)
            port = self.store.port
        port = fabric.broadcast(port)
        if not is_main:
            self.store = TCPStore(host, port, is_master=False, timeout=limit)

    def reason(self) -> str | None:
        """The message of a failed process; empty if rank 0 has exited, None if none failed."""
        try:
            return self.store.get(FAILED).decode() if self.store.check([FAILED]) else None
        except RuntimeError:
            return ""

    def watch(self, on_kill: Callable[[], None]) -> None:
        """Poll until training is over; if a process fails, end this one."""
        while not self.over.wait(EVERY):
            reason = self.reason()
            if reason is None:
                continue
            if self.rank:
                self.leave()
            # A collective operation of rank 0 raises once another process has exited, but not on
            # a GPU.
            if not self.over.wait(PATIENCE):
                with suppress(Exception):
                    on_kill()
                console.print(f"seq2seq: {reason}")
                os._exit(1)
            return

    def fail(self, error: BaseException) -> None:
        """Report an error of this process, or raise the earlier error that caused it.

        Raises:
            UserError: another process had failed before; in rank 0 only.
        """
        reason = self.reason()
        lost = reason is None and is_lost(error)
        if lost:  # another process was killed and could not report an error
            reason = (
                "a process of this training was killed, possibly because memory ran out: run the "
                "same command again to resume from the last save"
            )
        if reason is None or lost:
            with suppress(RuntimeError):
                self.store.set(FAILED, reason or self.describe(error))
        if self.rank:
            if reason is None and not isinstance(error, UserError | KeyboardInterrupt | SystemExit):
                traceback.print_exc()
            self.leave()
        self.wait_for_others()
        if reason:
            raise UserError(reason) from error

    def describe(self, error: BaseException) -> str:
        """The message for an error, which rank 0 prints."""
        if isinstance(error, UserError):
            return str(error)
        return f"process {self.rank} of {self.count} failed: {type(error).__name__}: {error}"

    def leave(self) -> None:
        """Exit from this process, which has rank > 0, without a message."""
        with suppress(RuntimeError):
            self.store.add("gone", 1)
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        # With status 0: on another status Lightning would kill rank 0 before it has reported.
        os._exit(0)

    def wait_for_others(self) -> None:
        """In rank 0, keep the store open until the other processes have read it, or 2 seconds."""
        deadline = time.monotonic() + 2.0
        with suppress(RuntimeError):
            while self.store.add("gone", 0) < self.count - 1 and time.monotonic() < deadline:
                time.sleep(EVERY / 4)


def is_lost(error: BaseException) -> bool:
    """Whether an error means that the connection to another process is lost."""
    return isinstance(error, RuntimeError) and (
        isinstance(error, torch.distributed.DistError) or "gloo" in str(error).lower()
    )
