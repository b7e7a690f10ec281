"""The local web server: Starlette and uvicorn on 127.0.0.1."""

import asyncio
import json
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from seq2seq.errors import UserError
from seq2seq.play import page
from seq2seq.play.guard import Guard, RefusedError
from seq2seq.play.limits import BODY, CONNECTIONS, SECONDS
from seq2seq.play.session import Session
from seq2seq.play.worker import GoneError, Worker
from seq2seq.system.console import console

HOST = "127.0.0.1"
USUAL_PORT = 8000  # if it is free and no other is asked for
CLOSED = 499  # the status of a request whose client has gone, which nobody reads


def application(session: Session, port: int, token: str) -> Guard:
    """Return the ASGI application of a session.

    Args:
        session: the loaded runs.
        port: the port of the server, which the Host of a request must have.
        token: what the page must send with each request for data.
    """
    worker = Worker()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        worker.close()

    async def act(request: Request) -> Response:
        action = request.path_params["action"]
        if action not in session.actions:
            raise RefusedError(404, "there is no such page")
        body = await read_body(request)
        answer = await worker.run(partial(answered, session, action, body), request.is_disconnected)
        return Response(answer, media_type="application/json")

    files = (
        ("/", page.index(), "text/html"),
        ("/play.css", page.style(), "text/css"),
        ("/play.js", page.script(), "text/javascript"),
    )
    routes = [Route(path, partial(stored, text, kind)) for path, text, kind in files]
    routes += [Route("/favicon.ico", partial(stored, "", "image/x-icon"))]
    routes += [Route("/api/{action}", act, methods=["POST"])]
    kinds = (UserError, RefusedError, GoneError, ClientDisconnect, HTTPException)
    handlers: dict[Any, Any] = dict.fromkeys(kinds, refused)
    app = Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan)
    return Guard(app, port, token)


async def stored(text: str, kind: str, request: Request) -> Response:
    """Return a file of the page."""
    return HTMLResponse(text) if kind == "text/html" else Response(text, media_type=kind)


def answered(session: Session, action: str, body: bytes) -> bytes:
    """Return the answer to a request as JSON.

    Raises:
        UserError: the request cannot be answered.
        RefusedError: an error of this program, which is also printed.
    """
    try:
        return json.dumps(session.answer(action, body), allow_nan=False).encode()
    except UserError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        console.print(f"seq2seq play: error in {action}: {reason}", markup=False)
        raise RefusedError(500, f"an error in seq2seq: {reason}") from error


async def read_body(request: Request) -> bytes:
    """Return the body of a request.

    Raises:
        RefusedError: it is too large, or does not arrive in time.
    """
    too_large = RefusedError(413, f"the request is larger than {BODY:,} bytes")
    length = request.headers.get("content-length", "0")
    if length.isascii() and length.isdecimal() and int(length[:20]) > BODY:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > BODY:
                    raise too_large
    except TimeoutError as error:
        raise RefusedError(408, f"the request did not arrive within {SECONDS:g} seconds") from error
    return bytes(body)


async def refused(request: Request, error: Exception) -> Response:
    """Return the response to a request that is not answered."""
    match error:
        case RefusedError():
            return error.response()
        case UserError():
            return JSONResponse({"error": str(error)}, 422)
        case HTTPException():
            known = {404: "there is no such page", 405: "this page does not accept this method"}
            sentence = known.get(error.status_code, error.detail)
            return JSONResponse({"error": sentence}, error.status_code, headers=error.headers)
    return Response(status_code=CLOSED)


def bound(port: int | None) -> socket.socket:
    """Return a listening socket on 127.0.0.1.

    Args:
        port: the port; None is USUAL_PORT if it is free, else any free one.

    Raises:
        UserError: the port is in use, or may not be used.
    """
    for tried in [port] if port is not None else [USUAL_PORT, 0]:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, tried))
            listener.listen(CONNECTIONS)
            return listener
        except OSError as error:
            listener.close()
            if port is not None:
                raise UserError(
                    f"port {port} cannot be used ({error.strerror}): give another one with --port, "
                    "or omit --port to take a free one"
                ) from error
    raise UserError("no port of 127.0.0.1 is free")


def new_token() -> str:
    """Return a random token."""
    return secrets.token_urlsafe(24)


def serve(session: Session, listener: socket.socket, token: str) -> None:
    """Answer requests until the process is stopped by a signal.

    Raises:
        KeyboardInterrupt: the signal was SIGINT.
    """
    server(session, listener, token).run(sockets=[listener])


def server(session: Session, listener: socket.socket, token: str) -> uvicorn.Server:
    """Return the server of a session, which listens on a socket."""
    port = listener.getsockname()[1]
    return uvicorn.Server(
        uvicorn.Config(
            application(session, port, token),
            http="h11",
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=CONNECTIONS,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=2,
        )
    )
