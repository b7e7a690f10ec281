"""Several processes of one training end together: where one fails, all end, and the first says why.

A process that fails cannot say so through the operations that processes share, for the others are
waiting in one of their own. So each has a thread that asks a small store, kept by the first
process, whether anybody has failed. Processes other than the first write no files, and can end at
once.
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

FAILED = "failed"  # the key whose value says why
EVERY = 0.2  # seconds between two looks at the store
PATIENCE = 10.0  # seconds that the first process has to end by itself where another has failed


@contextmanager
def ended_together(fabric: "Fabric", last_words: Callable[[], None]) -> Iterator[None]:
    """Inside, an error of one process ends all of them; the first one raises it.

    Args:
        fabric: the process, launched.
        last_words: what the first process still does before it is ended by force.

    Raises:
        UserError: another process failed, for the reason that it gave.
    """
    if fabric.world_size == 1:
        yield
        return
    peers = Peers(fabric)
    threading.Thread(target=peers.watch, args=(last_words,), daemon=True).start()
    try:
        yield
    except BaseException as error:
        peers.fail(error)
        raise
    finally:
        peers.over.set()


class Peers:
    """All processes of a training, as one of them sees them.

    Args:
        fabric: the process, launched.
    """

    def __init__(self, fabric: "Fabric") -> None:
        self.rank, self.count = fabric.global_rank, fabric.world_size
        self.over = threading.Event()
        host, limit = os.environ.get("MASTER_ADDR", "127.0.0.1"), timedelta(seconds=60)
        first, port = self.rank == 0, 0
        if first:
            self.store = TCPStore(host, 0, is_master=True, wait_for_workers=False, timeout=limit)
            port = self.store.port
        port = fabric.broadcast(port)
        if not first:
            self.store = TCPStore(host, port, is_master=False, timeout=limit)

    def reason(self) -> str | None:
        """Why somebody failed; empty where the first process is gone, None where nobody failed."""
        try:
            return self.store.get(FAILED).decode() if self.store.check([FAILED]) else None
        except RuntimeError:
            return ""

    def watch(self, last_words: Callable[[], None]) -> None:
        """Wait for the end, or for somebody to fail, and then end this process."""
        while not self.over.wait(EVERY):
            reason = self.reason()
            if reason is None:
                continue
            if self.rank:
                self.leave()
            # Whatever the first process waits for ends with an error once another one is gone,
            # but not on a GPU.
            if not self.over.wait(PATIENCE):
                with suppress(Exception):
                    last_words()
                console.print(f"seq2seq: {reason}")
                os._exit(1)
            return

    def fail(self, error: BaseException) -> None:
        """Tell all others of an error here, or give the one that it follows from.

        Raises:
            UserError: another process had failed before; in the first process alone.
        """
        reason = self.reason()
        lost = reason is None and is_lost(error)
        if lost:  # by a process that could not say why
            reason = (
                "a process of this training was ended from outside, perhaps for lack of memory: "
                "the same command goes on from the last save"
            )
        if reason is None or lost:
            with suppress(RuntimeError):
                self.store.set(FAILED, reason or self.described(error))
        if self.rank:
            if reason is None and not isinstance(error, UserError | KeyboardInterrupt | SystemExit):
                traceback.print_exc()
            self.leave()
        self.wait_for_others()
        if reason:
            raise UserError(reason) from error

    def described(self, error: BaseException) -> str:
        """An error in one sentence for the first process to say."""
        if isinstance(error, UserError):
            return str(error)
        return f"process {self.rank} of {self.count} failed: {type(error).__name__}: {error}"

    def leave(self) -> None:
        """End this process, which is not the first, without a word."""
        with suppress(RuntimeError):
            self.store.add("gone", 1)
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        # With 0, or else Lightning would kill the first process in the middle of its last words.
        os._exit(0)

    def wait_for_others(self) -> None:
        """Keep the store, which ends with the first process, until the others have read it."""
        until = time.monotonic() + 2.0
        with suppress(RuntimeError):
            while self.store.add("gone", 0) < self.count - 1 and time.monotonic() < until:
                time.sleep(EVERY / 4)


def is_lost(error: BaseException) -> bool:
    """Whether an error says that another process is gone."""
    return isinstance(error, RuntimeError) and (
        isinstance(error, torch.distributed.DistError) or "gloo" in str(error).lower()
    )
