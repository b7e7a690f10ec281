"""A student's file in a process of its own, with a time limit."""

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import seq2seq
from seq2seq.errors import UserError
from seq2seq.exercises.program import CODE, StudentError, shortened

LIMIT = 20.0  # seconds for the file itself, and for each call of a function
TOTAL = 180.0  # seconds for everything
START = 300.0  # seconds for starting Python and importing torch
LARGEST_FILE = 200_000  # bytes
LONGEST_ANSWER = 2**24  # bytes
BOOT = "from seq2seq.exercises.worker import main; main()"


def read_source(path: Path) -> str:
    """Read the text of a student's file.

    Raises:
        UserError: there is no such file, it is no text in UTF-8, or it is far too large.
    """
    if not path.exists():
        raise UserError(f"there is no file {path}: give the name of your file, or copy it first")
    if not path.is_file():
        raise UserError(f"{path} is not a file: give the name of the Python file to check")
    if path.stat().st_size > LARGEST_FILE:
        raise UserError(f"{path} has more than {LARGEST_FILE:,} bytes: is it the exercise?")
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise StudentError(
            f"{path}, line {line}: the file is not UTF-8: save it as UTF-8"
        ) from None


class Process:
    """Run a file in a new process; a context manager that ends the process and its children.

    The process starts at once, and the file is executed on entering the context.

    Args:
        path: the file.
        limit: time limit of each request in seconds.

    Raises:
        UserError: the file cannot be read; see `read_source`.
    """

    def __init__(self, path: Path, limit: float | None = None) -> None:
        self.file, self.limit = str(path), LIMIT if limit is None else limit
        self.source, self.timed_out = read_source(path), False
        self.trace = TemporaryFile()  # noqa: SIM115 (closed by `close`)
        self.connection, other = socket.socketpair()
        with other:
            self.child = self._start(other)
        self.stream = self.connection.makefile("rwb")
        self.end = time.monotonic() + START

    def __enter__(self) -> "Process":
        """Execute the file.

        Raises:
            StudentError: it raises an exception.
        """
        try:
            self._receive(START)
            self.end = time.monotonic() + TOTAL
            self._request(source=self.source, file=self.file)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __call__(self, function: str, *arguments: Any) -> Any:
        """Call a function of the file; see `Program`.

        Raises:
            StudentError: as `Program`; or the time limit is exceeded, or the process ended.
        """
        from seq2seq.exercises.values import decode, encode  # not before the process starts: torch

        answer = self._request(function=function, arguments=encode(arguments))
        try:
            return decode(answer)
        except Exception:
            raise self._not_an_answer() from None

    def close(self) -> None:
        """End the process and its children; a process that has ended is not killed again."""
        if self.child.returncode is None:
            self._kill()
            self.child.wait()
        for one in (self.stream, self.connection, self.trace):
            with suppress(OSError):
                one.close()

    def _start(self, other: socket.socket) -> subprocess.Popen[bytes]:
        """Start the worker; it finds this package, and no module in the folder of the file."""
        passed = other.fileno(), self.trace.fileno()
        path = [str(Path(seq2seq.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        return subprocess.Popen(
            [sys.executable, "-P", "-c", BOOT, *map(str, passed), str(self.limit)],
            pass_fds=passed,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=os.environ
            | {"PYTHONPATH": os.pathsep.join(filter(None, path)), "OMP_NUM_THREADS": "1"},
        )

    def _kill(self) -> None:
        """Kill the process group, and end a pending read of its answer."""
        with suppress(OSError):
            os.killpg(self.child.pid, signal.SIGKILL)
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _time_out(self) -> None:
        """End the process because a time limit is exceeded."""
        self.timed_out = True
        self._kill()

    def _request(self, **request: Any) -> Any:
        """Send a request and return its result.

        Raises:
            StudentError: the file raised an exception, used too much time, or ended the process.
        """
        number = secrets.token_hex(8)
        message = json.dumps(request | {"id": number}).encode() + b"\n"
        # The process itself ends after the limit and reports its line; it is killed if it does not.
        left = max(0.0, self.end - time.monotonic())
        answer = self._receive(min(self.limit + 5.0, left), message)
        if answer.get("id") != number:
            raise self._not_an_answer()
        if "error" in answer:
            raise StudentError(shortened(str(answer["error"]), 1000))
        return answer.get("result")

    def _receive(self, limit: float, message: bytes = b"") -> dict[str, Any]:
        """Send a message, if any, and read one answer.

        Raises:
            StudentError: there is none.
        """
        timer = threading.Timer(limit, self._time_out)
        timer.start()
        line = b""
        try:
            with suppress(OSError):
                self.stream.write(message)
                self.stream.flush()
                line = self.stream.readline(LONGEST_ANSWER)
        finally:
            timer.cancel()
        if not line:
            raise StudentError(self._reason())
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise self._not_an_answer()
        return answer

    def _not_an_answer(self) -> StudentError:
        return StudentError(f"{self.file} disturbs the connection over which it is judged")

    def _reason(self) -> str:
        """Say why the process ended: a time limit, with the line it was at, or something else."""
        self.trace.seek(0)
        stack = self.trace.read(100_000).decode("utf-8", "replace")
        line = re.search(rf'File "{re.escape(CODE)}", line (\d+)', stack)
        place = f"{self.file}, line {line[1]}" if line else self.file
        status = None
        with suppress(subprocess.TimeoutExpired):
            status = self.child.wait(5.0)
        self._kill()  # also children of a process that has ended
        if "Timeout" in stack or self.timed_out:
            total = self.timed_out and time.monotonic() > self.end
            seconds = f"{TOTAL:g} seconds in all" if total else f"{self.limit:g} seconds"
            return f"{place}: still running after {seconds}: is there a loop without end?"
        if status is not None and status < 0:
            return f"{place}: the process was ended by {signal.Signals(-status).name}"
        return f"{place}: the program ended its process before it could be judged"
