"""The process that runs a student's file: it answers calls of functions until it is stopped.

Messages are lines of JSON on a socket. Standard output and error lead nowhere, so that nothing the
file prints is part of an answer.
"""

import faulthandler
import json
import socket
import sys
from contextlib import suppress
from typing import Any

from seq2seq.exercises.program import Program, StudentError
from seq2seq.exercises.values import decode, encode

MEMORY = 4 * 2**30  # bytes that the file may use beyond what Python and torch use


def main() -> None:
    """Answer requests on the socket whose descriptor is the first argument.

    The second argument is the descriptor of a file for the stack at a timeout, the third the time
    limit of a request in seconds.
    """
    descriptor, trace, limit = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    with socket.socket(fileno=descriptor) as connection, connection.makefile("rwb") as stream:
        limit_memory()
        send(stream, {"ready": True})
        program: Program | None = None
        for line in stream:
            request = json.loads(line)
            # Also in code that catches all exceptions, and in compiled code
            faulthandler.dump_traceback_later(limit, file=trace, exit=True)
            try:
                if program is None:
                    program = Program(request["source"], request["file"])
                    result = None
                else:
                    result = encode(program(request["function"], *decode(request["arguments"])))
                answer = {"result": result}
            except StudentError as error:
                answer = {"error": str(error)}
            except BaseException as error:
                what = f"{request.get('function')} of {program.file if program else 'the file'}"
                problem = f"{type(error).__name__}: {error}"
                answer = {"error": f"the result of {what} cannot be read: {problem}"}
            faulthandler.cancel_dump_traceback_later()
            send(stream, answer | {"id": request["id"]})


def send(stream: Any, message: dict[str, Any]) -> None:
    """Write one message."""
    stream.write(json.dumps(message).encode() + b"\n")
    stream.flush()


def limit_memory() -> None:
    """Limit the address space, where the operating system can, so that a mistake is an error."""
    with suppress(ImportError, OSError, ValueError, IndexError):
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 (before any file of a user)
            used = int(file.read().split()[0]) * resource.getpagesize()
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, most))
