"""A client of the server of `seq2seq play`, without a browser."""

import http.client
import json
from typing import Any, NamedTuple

TOKEN = "a-token-for-tests"


class Reply(NamedTuple):
    """The status, the headers and the decoded JSON of a response (its text if it is not JSON)."""

    status: int
    headers: dict[str, str]
    content: Any

    @property
    def error(self) -> str:
        """The sentence of a refusal, which is checked to be one line without a traceback."""
        assert self.status >= 400, self
        sentence = self.content["error"]
        assert sentence and "\n" not in sentence and "Traceback" not in sentence
        return sentence


class Client:
    """Sends requests to a server as its page does."""

    def __init__(self, port: int) -> None:
        self.port = port

    def raw(
        self, method: str, path: str, body: bytes | str | None, headers: dict[str, str]
    ) -> Reply:
        """Send a request with these headers alone."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            data = body.encode() if isinstance(body, str) else body
            for name, value in headers.items():
                connection.putheader(name, value)
            if data is not None and "Content-Length" not in headers:
                connection.putheader("Content-Length", str(len(data)))
            connection.endheaders()
            if data is not None:
                connection.send(data)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        try:
            content = json.loads(text)
        except ValueError:
            content = text.decode()
        return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, content)

    @property
    def headers(self) -> dict[str, str]:
        """The headers that the page sends."""
        host = f"127.0.0.1:{self.port}"
        return {
            "Host": host,
            "Origin": f"http://{host}",
            "Sec-Fetch-Site": "same-origin",
            "Content-Type": "application/json",
            "X-Seq2seq-Token": TOKEN,
        }

    def post(self, action: str, fields: Any = None, **headers: str | None) -> Reply:
        """Send a request; headers replace those of the page, None leaves one out."""
        own = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in {**self.headers, **own}.items() if value is not None}
        body = fields if isinstance(fields, bytes) else json.dumps(fields or {})
        return self.raw("POST", f"/api/{action}", body, sent)

    def ok(self, action: str, **fields: Any) -> Any:
        """Send a request that must succeed; return its content."""
        reply = self.post(action, fields)
        assert reply.status == 200, reply
        return reply.content
