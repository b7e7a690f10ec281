"""The connections between rank 0 and the other processes of a training (see `processes`).

Each message is a line, a JSON list. A process with rank > 0 begins with ["hello", rank, key], where
the key is part of the address, and sends ["failed", message] or ["done"]. Rank 0 sends ["ready"],
["done"] or ["stop"].
"""

import hmac
import json
import os
import queue
import secrets
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from seq2seq.errors import UserError
from seq2seq.system.console import console
from seq2seq.system.exit_status import reason as reason_of_os_error

WAIT = 5.0  # seconds for a message that explains a lost connection
END = 3.0  # seconds for the other processes to end
LONGEST = 1 << 20  # bytes of a message


class Connection:
    """A connection with a message per line, which can be sent from several threads.

    Args:
        socket_: the connected socket.
    """

    def __init__(self, socket_: socket.socket) -> None:
        self.socket, self.lock = socket_, threading.Lock()
        # So that the loss of a machine, which sends nothing, is noticed.
        socket_.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 4)):
            if hasattr(socket, name):
                socket_.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def send(self, *message: Any) -> None:
        """Send a message, unless the other side is gone."""
        with suppress(OSError), self.lock:
            self.socket.sendall(json.dumps(message).encode() + b"\n")

    def messages(self) -> Iterator[list[Any]]:
        """Yield the messages until the other side is gone."""
        with suppress(OSError, ValueError), self.socket.makefile("rb") as file:
            while line := file.readline(LONGEST):
                message = json.loads(line)
                if isinstance(message, list) and message:
                    yield message


class Leader:
    """The connections of rank 0.

    Args:
        count: number of processes, including this one.
        on_kill: called before a thread ends this process.
        patience: seconds for this process to end by itself after another one has failed.
    """

    def __init__(self, count: int, on_kill: Callable[[], None], patience: float) -> None:
        self.count, self.on_kill, self.patience = count, on_kill, patience
        self.connections: dict[int, Connection] = {}
        self.children: Sequence[subprocess.Popen[bytes]] = ()
        self.told: list[str] = []  # sent to all; also to those that connect later
        self.lock = threading.Lock()
        self.reason: str | None = None
        self.failed, self.over = threading.Event(), threading.Event()
        self.ended: set[int] = set()  # ranks that have done their work, or are gone
        self.ending = threading.Lock()  # of the thread that ends this process

    def listen(self, host: str) -> str:
        """Accept connections at a free port of this machine; return the address for the others."""
        local = host in ("127.0.0.1", "localhost")
        self.key = secrets.token_hex(16)
        self.listener = socket.create_server(("127.0.0.1" if local else "", 0))
        start(self.accept)
        start(self.end_after_failure)
        return f"{host} {self.listener.getsockname()[1]} {self.key}"

    def watch_children(self, children: Sequence[subprocess.Popen[bytes]]) -> None:
        """Treat the end of a process, which this one has started as rank 1, 2, ..., as a loss."""
        self.children = children
        for rank, child in enumerate(children, 1):
            start(self.watch_child, rank, child)

    def watch_child(self, rank: int, child: subprocess.Popen[bytes]) -> None:
        """Wait for the end of a process that this one has started."""
        status = child.wait()
        self.lose(rank, None if status < 0 else status)

    def accept(self) -> None:
        """Accept connections until the listener is closed."""
        with suppress(OSError):
            while True:
                start(self.serve, Connection(self.listener.accept()[0]))

    def serve(self, connection: Connection) -> None:
        """Read the messages of one process; ignore any other program."""
        with connection.socket:
            self.follow(connection)

    def follow(self, connection: Connection) -> None:
        """Read the messages of one process until it is gone."""
        messages = connection.messages()
        match next(messages, None):
            case ["hello", int(rank), str(key)] if hmac.compare_digest(key, self.key):
                pass
            case _:
                return
        with self.lock:
            self.connections[rank] = connection
            for word in self.told:
                connection.send(word)
        for message in messages:
            if message[0] == "failed":
                self.set_reason(str(message[1]))
            elif message[0] == "done":
                self.ended.add(rank)
        if not self.children:
            self.lose(rank)

    def lose(self, rank: int, status: int | None = None) -> None:
        """Note that a process has ended, which is a failure unless it has done its work.

        Args:
            rank: the rank of the process.
            status: its exit status; None if a signal ended it or this is unknown.
        """
        if rank not in self.ended:
            unexpected = f"the process with rank {rank} ended with status {status}"
            self.set_reason(killed(rank) if status is None else unexpected)
            self.ended.add(rank)

    def set_reason(self, reason: str) -> None:
        """Note why another process has failed; the first reason counts."""
        with self.lock:
            if self.reason is None and not self.over.is_set():
                self.reason = reason
                self.failed.set()

    def end_after_failure(self) -> None:
        """End this process if another one has failed and this one does not end by itself."""
        self.failed.wait()
        if self.over.wait(self.patience) or not self.ending.acquire(blocking=False):
            return
        print_error(self.reason)
        self.stop()
        self.on_kill()
        os._exit(1)

    def tell(self, word: str) -> None:
        """Send a word to all processes."""
        with self.lock:
            self.told.append(word)
            for connection in self.connections.values():
                connection.send(word)

    def stop(self) -> None:
        """Stop all other processes."""
        self.tell("stop")
        self.wait_for_children()

    def wait_for_children(self) -> None:
        """Wait for the processes that this one has started; end those that do not end."""
        deadline = time.monotonic() + END
        for child in self.children:
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()

    def close(self) -> None:
        """Let the threads of this object end."""
        self.failed.set()
        with suppress(OSError):  # some systems do not shut down a listening socket
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def fail(self, error: BaseException, *, lost: bool) -> None:
        """Stop all other processes after an error of this one.

        Args:
            error: the error.
            lost: whether it says that the connection to another process is lost.

        Raises:
            UserError: another process had failed before.
        """
        if lost:
            self.failed.wait(WAIT)
        if not self.ending.acquire(blocking=False):
            time.sleep(60)  # until the other thread has ended this process
        self.over.set()
        reason = self.reason or ("the connection between the processes was lost" if lost else None)
        self.stop()
        self.close()
        if reason and not isinstance(error, KeyboardInterrupt | SystemExit):
            raise UserError(reason) from error

    def finish(self) -> None:
        """Let all other processes end, after the work is done.

        Raises:
            UserError: another process failed at the end.
        """
        self.over.set()
        self.tell("done")
        self.wait_for_children()
        self.close()


class Follower:
    """The connection of a process with rank > 0 to rank 0.

    Args:
        rank: the rank of this process.
        count: number of processes.
        address: what `Leader.listen` has returned.

    Raises:
        UserError: rank 0 cannot be reached.
    """

    def __init__(self, rank: int, count: int, address: str) -> None:
        self.rank, self.count = rank, count
        host, port, key = address.split(" ")
        try:
            self.connection = Connection(socket.create_connection((host, int(port)), timeout=60))
        except OSError as error:
            raise UserError(f"rank {rank} cannot connect to rank 0 at {host}:{port}") from error
        self.connection.socket.settimeout(None)
        self.connection.send("hello", rank, key)
        self.words: queue.Queue[str] = queue.Queue()  # received, and not yet waited for
        self.over = threading.Event()
        start(self.listen)

    def listen(self) -> None:
        """Follow rank 0 until it is gone."""
        for word, *_ in self.connection.messages():
            if word == "stop":
                leave(0)
            if word == "done":
                self.over.set()
            self.words.put(word)
        if not self.over.is_set():
            if self.rank == 1:  # one sentence, not one of each process
                print_error(killed(0))
            leave(1)

    def wait_until_ready(self) -> bool:
        """Wait until rank 0 is ready for the next piece of work; False if there is none."""
        return self.words.get() == "ready"

    def fail(self, error: BaseException, *, lost: bool) -> NoReturn:
        """Report an error of this process to rank 0, and exit.

        Args:
            error: the error.
            lost: whether it says that the connection to another process is lost.
        """
        if lost:
            time.sleep(WAIT)  # rank 0 stops this process if it knows why
        elif not isinstance(error, UserError | OSError | KeyboardInterrupt | SystemExit):
            traceback.print_exc()
        self.connection.send("failed", self.describe(error))
        time.sleep(2 * WAIT)
        leave(1)

    def describe(self, error: BaseException) -> str:
        """The message for an error, which rank 0 prints."""
        if isinstance(error, UserError):
            return str(error)
        if isinstance(error, OSError):
            return reason_of_os_error(error)
        if isinstance(error, KeyboardInterrupt | SystemExit):
            return f"the process with rank {self.rank} was interrupted"
        return f"rank {self.rank} of {self.count} failed: {type(error).__name__}: {error}"

    def finish(self) -> None:
        """Tell rank 0 that the work is done."""
        self.over.set()
        self.connection.send("done")


def killed(rank: int) -> str:
    """The message for a process that has ended without one."""
    return (
        f"the process with rank {rank} was killed, possibly because memory ran out: run the same "
        "command again to resume from the last save"
    )


def print_error(reason: str | None) -> None:
    """Print an error message as the command line does."""
    console.print(f"seq2seq: {reason}", markup=False, highlight=False, soft_wrap=True)


def leave(status: int) -> NoReturn:
    """Exit from this process without waiting for its other threads."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def start(work: Callable[..., object], *arguments: Any) -> None:
    """Run a function in a thread that does not keep the process alive."""
    threading.Thread(target=work, args=arguments, daemon=True).start()
