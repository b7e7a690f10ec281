"""Checks of every request before it is answered, and the headers of every response.

A web page from elsewhere can send requests to this machine: directly, or under a name of its own
that resolves to 127.0.0.1 (DNS rebinding). It knows neither the token nor a Host that is accepted,
and its Origin gives it away. Other users of this machine do not know the token.
"""

import secrets
import time
from collections.abc import Awaitable, Callable

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seq2seq.play.limits import BURST, RATE

TOKEN_HEADER = "x-seq2seq-token"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}


class RefusedError(Exception):
    """A request that is not answered: its HTTP status and a sentence for the page."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status

    def response(self) -> JSONResponse:
        """Return the response."""
        return JSONResponse({"error": str(self)}, self.status)


class Bucket:
    """A token bucket: `rate` requests each second, and up to `burst` at once after a pause.

    Args:
        rate: requests each second.
        burst: requests at once.
        clock: returns the time in seconds.
    """

    def __init__(
        self,
        rate: float = RATE,
        burst: float = BURST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rate, self.burst, self.clock = rate, burst, clock
        self.level, self.last = burst, clock()

    def take(self) -> bool:
        """Take one request from the bucket; return whether there was one."""
        now = self.clock()
        self.level = min(self.burst, self.level + (now - self.last) * self.rate)
        self.last = now
        if self.level < 1:
            return False
        self.level -= 1
        return True


class Guard:
    """ASGI middleware that refuses requests which do not come from the page itself.

    Args:
        app: the application behind it.
        port: the port of the server.
        token: what the page must send with each request for data.
    """

    def __init__(self, app: ASGIApp, port: int, token: str) -> None:
        self.app, self.token, self.bucket = app, token, Bucket()
        self.hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
        self.origins = {f"http://{host}" for host in self.hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it; add the headers to the response."""
        if scope["type"] != "http":  # uvicorn is started without websockets
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(key.encode(), value.encode()) for key, value in HEADERS.items()]
                message["headers"] = [*message.get("headers", []), *added]
            await send(message)

        answer: Callable[[Scope, Receive, Send], Awaitable[None]] = self.app
        try:
            self.check(scope)
        except RefusedError as refusal:
            answer = refusal.response()
        await answer(scope, receive, with_headers)

    def check(self, scope: Scope) -> None:
        """Check the headers of a request.

        Raises:
            RefusedError: they are not those of the page.
        """
        headers = Headers(scope=scope)
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or hosts[0].lower() not in self.hosts:
            raise RefusedError(421, "this server answers only at the address that it has printed")
        site = headers.get("sec-fetch-site", "none")
        foreign = any(origin not in self.origins for origin in origins)
        if foreign or (site not in ("same-origin", "none") and scope["path"] != "/"):
            raise RefusedError(403, "requests from another web page are refused")
        if not scope["path"].startswith("/api/"):
            return
        given = headers.getlist(TOKEN_HEADER)
        if len(given) != 1 or not secrets.compare_digest(given[0].encode(), self.token.encode()):
            raise RefusedError(
                401, "the token is missing or wrong: open the address that the command has printed"
            )
        if scope["method"] == "POST":
            kind = headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind != "application/json":
                raise RefusedError(415, "a request must be of the type application/json")
        if not self.bucket.take():
            raise RefusedError(
                429, "too many requests in a short time: wait a second and try again"
            )
