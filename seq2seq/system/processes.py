"""The processes of one training: they start together, and if one of them fails, all end.

A process that has failed or was killed takes no part in collective operations, in which the others
wait for it, on a GPU for up to half an hour. Therefore every process has a TCP connection to the
process with rank 0, read by a thread. It carries the message of a failure, and its end shows that a
process was killed. The processes with rank > 0 write no files and can exit immediately; rank 0
reports, once, and releases the run folder.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import torch

from seq2seq.errors import UserError
from seq2seq.system import launcher as launching
from seq2seq.system.launcher import Launcher
from seq2seq.system.peers import Follower, Leader

if TYPE_CHECKING:
    from seq2seq.system.lightning import Fabric

ADDRESS = "SEQ2SEQ_RANK_0"  # variable with the address of rank 0, for the processes it has started


class Processes:
    """All processes of a training, seen from one of them.

    Args:
        per_machine: number of processes on this machine.
        launcher: the program that has started the processes; None if rank 0 starts them.

    Attributes:
        count: number of processes on all machines.
        on_kill: called in rank 0 before a thread ends it because another process has failed.

    Raises:
        UserError: rank 0, which has started this process, cannot be reached.
    """

    def __init__(self, per_machine: int, launcher: Launcher | None) -> None:
        self.launcher = launcher
        self.count = launcher.processes if launcher else per_machine
        self.started = False
        self.link: Leader | Follower | None = None
        self.on_kill: list[Callable[[], None]] = []
        if self.count > 1 and launcher is None and (address := os.environ.get(ADDRESS)):
            # At once, so that rank 0 reports the errors of this process.
            self.link = Follower(int(os.environ["LOCAL_RANK"]), self.count, address)

    def start(self, fabric: "Fabric") -> None:
        """Start or join the other processes, unless that has been done.

        Raises:
            UserError: the processes cannot connect to each other.
        """
        if self.started:
            return
        self.started = True
        if self.count > 1 and not self.launcher and not self.link:
            self.link = leader = Leader(self.count, self.kill, patience=3.0)
            variables = {ADDRESS: leader.listen("127.0.0.1")}
            leader.watch_children(launching.start_others(self.count, **variables))
        self.launch(fabric)
        if self.launcher:
            self.meet(fabric)

    def launch(self, fabric: "Fabric") -> None:
        """Create the process group."""
        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # else 6 lines of its own
        try:
            fabric.launch()
        except RuntimeError as error:
            if not is_lost(error):
                raise
            address = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
            reason = str(error).strip().splitlines()[0]
            raise UserError(f"the processes cannot connect at {address}: {reason}") from error

    def meet(self, fabric: "Fabric") -> None:
        """Connect the processes that a launcher has started."""
        host = os.environ.get("MASTER_ADDR", "127.0.0.1")
        if fabric.is_global_zero:
            # Without patience: the launcher, too, ends rank 0, once another process has ended.
            self.link = leader = Leader(self.count, self.kill, patience=0.0)
            fabric.broadcast(leader.listen(host))
        else:
            self.link = Follower(fabric.global_rank, self.count, fabric.broadcast(""))

    def kill(self) -> None:
        """Do what has to be done before rank 0 is ended by a thread."""
        for work in self.on_kill:
            with suppress(Exception):
                work()

    def ready(self) -> None:
        """In rank 0: let the other processes begin a piece of work (`wait_until_ready`)."""
        if isinstance(self.link, Leader):
            self.link.tell("ready")

    def wait_until_ready(self) -> bool:
        """In rank > 0: wait for the next piece of work; False if rank 0 has ended without one."""
        return isinstance(self.link, Follower) and self.link.wait_until_ready()

    @contextmanager
    def ended_together(self) -> Iterator[None]:
        """End all processes when one of them fails inside the context; rank 0 raises.

        Raises:
            UserError: another process failed; the message is the one of that process.
        """
        try:
            yield
        except BaseException as error:
            if self.link:
                self.link.fail(error, lost=is_lost(error))
            raise
        if self.link:
            self.link.finish()


def is_lost(error: BaseException) -> bool:
    """Whether an error means that the connection to another process is lost."""
    return isinstance(error, RuntimeError) and (
        isinstance(error, torch.distributed.DistError) or "gloo" in str(error).lower()
    )
