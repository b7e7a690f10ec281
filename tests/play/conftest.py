"""A server of `seq2seq play` in a thread of the tests."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[..., Any]]:
    """Start a server of some run folders; all are stopped at the end."""
    # Imported here: `pytest tests/play` loads this file before jaxtyping can check the package.
    pytest.importorskip("uvicorn", reason="pip install 'seq2seq-toolkit[play]'")
    pytest.importorskip("starlette", reason="pip install 'seq2seq-toolkit[play]'")
    from play_client import TOKEN, Client

    from seq2seq.play import server
    from seq2seq.play.session import Session

    running = []

    def start(*runs: Any) -> Any:
        listener: socket.socket = server.bound(0)
        one = server.server(Session(runs, "cpu"), listener, TOKEN)
        thread = threading.Thread(target=one.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        running.append((one, thread))
        while not one.started:
            time.sleep(0.01)
        return Client(listener.getsockname()[1])

    yield start
    for one, thread in running:
        one.should_exit = True
        thread.join(timeout=10)
