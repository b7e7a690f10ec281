"""What the server refuses, and what it survives: each with one sentence and no traceback."""

import asyncio
import http.client
import json
import re
import signal
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial

import pytest
from untrained_runs import make_controlled_run

from seq2seq.errors import UserError

EXTRA = "pip install 'seq2seq-toolkit[play]'"
for library in ("starlette", "uvicorn"):
    pytest.importorskip(library, reason=EXTRA)

from seq2seq.play import sentences, server  # noqa: E402
from seq2seq.play.guard import POLICY, Bucket, RefusedError  # noqa: E402
from seq2seq.play.limits import BODY, CHARACTERS, PIECES  # noqa: E402
from seq2seq.play.worker import GoneError, Worker  # noqa: E402

TEXT = "a man rides a horse"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_controlled_run(tmp_path_factory.mktemp("runs") / "bahdanau", "bahdanau")


@pytest.fixture(scope="module")
def client(serve, run):
    return serve(run)


def translate(text: object = TEXT, **more: object) -> dict:
    return {"run": 0, "text": text, **more}


# --- where a request comes from -------------------------------------------------------------------


def test_only_the_page_itself_is_answered(client):
    assert client.post("translate", translate()).status == 200
    port = client.port
    assert client.post("translate", translate(), Host=f"localhost:{port}").status == 200
    for host in (
        "evil.example",
        "127.0.0.1",
        f"evil.example:{port}",
        "127.0.0.1:1",
        f"127.0.0.1:{port}.evil.example",
        f"127.1:{port}",
        "",
    ):
        for path in ("/", "/play.js", "/api/start"):
            reply = client.raw("GET", path, None, {**client.headers, "Host": host})
            assert reply.status == 421 and "address that it has printed" in reply.error, host
    for origin in (
        "http://evil.example",
        "null",
        f"https://127.0.0.1:{port}",
        "http://127.0.0.1:1",
        f"http://127.0.0.1:{port}.evil.example",
        "",
    ):
        reply = client.post("translate", translate(), Origin=origin)
        assert reply.status == 403 and "another web page" in reply.error, origin
    for site in ("cross-site", "same-site"):
        assert client.post("translate", translate(), Sec_Fetch_Site=site).status == 403
    assert client.post("translate", translate(), Origin=None, Sec_Fetch_Site=None).status == 200


@pytest.mark.parametrize("token", [None, "", "wrong", "A-TOKEN-FOR-TESTS", "a-token-for-test", "é"])
@pytest.mark.parametrize(
    "action", ["start", "translate", "explain", "alternatives", "numbers", "grammar"]
)
def test_data_needs_the_token(client, token, action):
    reply = client.post(action, translate(), X_Seq2seq_Token=token)
    assert reply.status == 401 and "token" in reply.error


def test_no_response_allows_other_pages_or_is_stored(client):
    for reply in (
        client.raw("GET", "/", None, client.headers),
        client.raw("GET", "/play.js", None, client.headers),
        client.post("start"),
        client.post("start", X_Seq2seq_Token="wrong"),
        client.raw("GET", "/nowhere", None, client.headers),
    ):
        headers = reply.headers
        assert headers["content-security-policy"] == POLICY
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert not [name for name in headers if name.startswith("access-control")]
        assert "server" not in headers
    assert "unsafe" not in POLICY and POLICY.startswith("default-src 'none'")


def test_the_page_has_no_token_and_no_data(client):
    page = client.raw("GET", "/", None, {"Host": f"127.0.0.1:{client.port}"})
    assert page.status == 200 and "a-token-for-tests" not in page.content
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<script>" not in page.content and " onclick" not in page.content
    for path in ("/play.js", "/play.css"):
        text = client.raw("GET", path, None, client.headers).content
        assert (
            "eval(" not in text
            and "innerHTML" not in text
            and "http://" not in text.replace("http://www.w3.org/2000/svg", "")
        )
        assert "https://" not in text


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/play.js/../../secret",
        "/api/../start",
        "/api/__class__",
        "/api/answer",
        "/api/",
        "/.git/config",
        "//evil.example/",
        "/api/start%00",
        "/model.safetensors",
    ],
)
def test_there_are_no_other_pages(client, path):
    for method in ("GET", "POST"):
        reply = client.raw(method, path, "{}" if method == "POST" else None, client.headers)
        assert reply.status in (404, 405) and reply.error


def test_other_methods_are_refused(client):
    for method in ("GET", "PUT", "DELETE", "OPTIONS", "PATCH"):
        assert client.raw(method, "/api/start", None, client.headers).status == 405
    assert client.raw("POST", "/", "{}", client.headers).status == 405


# --- what a request contains ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe{}", "not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
        (b"[" * 20000, "nested too deeply"),
        (b'{"run":0,"text":' + b"[" * 9000 + b"]" * 9000 + b"}", "request"),
        (b'{"run":NaN,"text":"a"}', "NaN is not a number"),
        (b'{"run":-Infinity,"text":"a"}', "Infinity is not a number"),
        (b'{"run":0,"text":"a","step":1e400}', "must be"),
        (b'{"run":0,"text":"a","step":' + b"9" * 5000 + b"}", "digits"),
        (b'{"run":0}', "request.text must be given"),
        (b'{"run":0,"text":null}', "request.text"),
        (b'{"run":0,"text":["a"]}', "request.text"),
        (b'{"run":"x","text":"a"}', "request.run"),
        (b'{"run":-1,"text":"a"}', "at least 0"),
        (b'{"run":7,"text":"a"}', "no run 7"),
        (b'{"run":true,"text":"a"}', "request.run"),
        (b'{"run":0,"text":"a","beam":11}', "at most 10"),
        (b'{"run":0,"text":"a","beam":0}', "at least 1"),
        (b'{"run":0,"text":"a","search":{"beam":1000}}', "unknown key"),
        (b'{"run":0,"text":"a","view":{"method":"attenton"}}', "did you mean 'attention'"),
        (b'{"run":0,"text":"a","view":{"layer":-1}}', "at least 0"),
        (b'{"run":0,"text":"a","view":[]}', "group of keys"),
        (b'{"run":0,"text":"a","prefix":[999999]}', "not one of the"),
        (b'{"run":0,"text":"a","prefix":[0]}', "not one of the"),
        (b'{"run":0,"text":"a","prefix":[1]}', "not one of the"),
        (b'{"run":0,"text":"a","prefix":[2,5]}', "only be the last"),
        (b'{"run":0,"text":"a","hidden":[-1]}', "at least 0"),
        (b'{"run":0,"text":"\\ud800"}', "must be text in UTF-8"),
    ],
)
def test_a_request_of_another_form_is_refused(client, body, part):
    reply = client.post("translate", body)
    assert reply.status == 422 and part in reply.error, reply.error
    assert len(reply.error) < 600


@pytest.mark.parametrize("text", ["", " ", "\t\n", "\u2028"])
def test_an_empty_sentence_is_refused(client, text):
    assert "sentence" in client.post("translate", translate(text)).error


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a" * 10_000, f"10,000 characters, but at most {CHARACTERS:,}"),
        ("a " * 499, f"pieces of the model's vocabulary, but at most {PIECES}"),
        ("a\0b", "U+0000"),
        ("a\x1b[2Jb", "U+001B"),
        ("a\u202eb", "U+202E"),
        ("a\ufdd0", "U+FDD0"),
    ],
)
def test_a_sentence_that_cannot_be_used_is_refused(client, text, part):
    for action, more in (
        ("translate", {}),
        ("alternatives", {"tokens": [], "place": 0}),
        ("explain", {"target": "a"}),
    ):
        assert part in client.post(action, translate(text, **more)).error
    assert (
        part.split(" pieces")[0] in client.post("explain", translate(TEXT, target=text)).error
        or "pieces" in part
    )


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "{{7*7}}", "中文 🙂", "a\tb\nc", "' OR 1=1 --", "\u00ad"]
)
def test_unusual_sentences_are_translated(client, text):
    reply = client.post("translate", translate(text))
    assert reply.status == 200 and reply.headers["content-type"] == "application/json"


def test_slow_methods_are_for_short_sentences(client):
    for method, most, text in (("smoothgrad", 20, "a man " * 12), ("gradient", 100, "a man " * 60)):
        answer = client.ok("translate", **translate(text, view={"method": method}))
        assert answer["map"] is None and answer["text"]
        said = (
            "the sentence or its translation has [0-9]+ pieces, but {} accepts at most {}: choose"
        )
        assert re.match(said.format(method, most), answer["no_map"])


def test_a_large_or_other_body_is_refused(client):
    assert client.post("translate", b" " * (BODY + 1)).status == 413
    huge = client.raw(
        "POST", "/api/translate", None, {**client.headers, "Content-Length": "9" * 30}
    )
    assert huge.status in (400, 413)
    reply = client.post("translate", translate(), Content_Type="text/plain")
    assert reply.status == 415 and "application/json" in reply.error
    assert client.post("translate", translate(), Content_Type=None).status == 415


def test_a_body_in_parts_without_end_is_refused(client):
    with socket.create_connection(("127.0.0.1", client.port)) as one:
        lines = [f"{name}: {value}" for name, value in client.headers.items()]
        head = ["POST /api/translate HTTP/1.1", *lines, "Transfer-Encoding: chunked", "", ""]
        one.sendall("\r\n".join(head).encode())
        part = b"1000\r\n" + b" " * 0x1000 + b"\r\n"
        with suppress(OSError):  # the server closes the connection
            for _ in range(2 * BODY // 0x1000):
                one.sendall(part)
        assert b" 413 " in one.recv(200)


@pytest.mark.parametrize(
    "bytes_",
    [
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"b" * 100_000 + b"\r\n\r\n",
        b"\0" * 100,
    ],
)
def test_what_is_no_http_is_refused(client, bytes_):
    with socket.create_connection(("127.0.0.1", client.port)) as one:
        one.sendall(bytes_)
        assert b" 4" in one.recv(100)
    assert client.post("start").status == 200


# --- load -----------------------------------------------------------------------------------------


def test_twenty_requests_at_once_are_all_answered(client):
    with ThreadPoolExecutor(20) as pool:
        texts = [f"{TEXT} {number}" for number in range(20)]
        replies = list(pool.map(lambda text: client.post("translate", translate(text)), texts))
    assert [reply.status for reply in replies] == [200] * 20
    alone = [client.ok("translate", **translate(text)) for text in texts[:3]]
    for reply, one in zip(replies, alone, strict=False):
        assert {**reply.content, "seconds": 0} == {**one, "seconds": 0}


def test_a_browser_that_goes_away_does_no_harm(client):
    lines = [f"{name}: {value}" for name, value in client.headers.items()]
    body = json.dumps(translate()).encode()
    head = ["POST /api/translate HTTP/1.1", *lines, f"Content-Length: {len(body)}", "", ""]
    for sent in (
        "\r\n".join(head).encode() + body,
        "\r\n".join(head).encode() + body[:9],
        b"POST /api",
    ):
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", client.port)) as one:
                one.sendall(sent)
    assert client.post("translate", translate()).status == 200


def test_a_job_whose_client_has_gone_is_not_started():
    async def scenario():
        worker, done, release = Worker(), [], threading.Event()

        async def here():
            return False

        async def gone():
            return True

        first = asyncio.create_task(worker.run(lambda: release.wait(10), here))
        await asyncio.sleep(0.01)
        second = asyncio.create_task(worker.run(lambda: done.append("gone"), gone))
        third = asyncio.create_task(worker.run(lambda: done.append("here"), here))
        await asyncio.sleep(0.01)
        release.set()
        results = await asyncio.gather(first, second, third, return_exceptions=True)
        assert isinstance(results[1], GoneError) and done == ["here"] and worker.waiting == {}
        worker.close()

    asyncio.run(scenario())


def test_a_full_queue_is_refused():
    async def scenario():
        worker, release = Worker(most=2), threading.Event()

        async def here():
            return False

        # One runs and two wait.
        jobs = [asyncio.create_task(worker.run(lambda: release.wait(10), here)) for _ in range(3)]
        await asyncio.sleep(0.01)
        with pytest.raises(RefusedError, match="2 requests are waiting already"):
            await worker.run(lambda: None, here)
        release.set()
        await asyncio.gather(*jobs)
        assert await worker.run(lambda: 5, here) == 5
        worker.close()

    asyncio.run(scenario())


def test_requests_of_clients_that_have_gone_do_not_fill_the_queue():
    async def scenario():
        worker, done, release = Worker(most=2), [], threading.Event()
        clients = {"first": True, "second": True, "third": True, "newest": True}

        def job(name):
            async def gone():
                return not clients[name]

            work = partial(done.append, name) if name != "first" else lambda: release.wait(10)
            return asyncio.create_task(worker.run(work, gone))

        jobs = [job(name) for name in ("first", "second", "third")]
        await asyncio.sleep(0.01)
        clients["second"] = False
        jobs.append(job("newest"))
        await asyncio.sleep(0.01)
        release.set()
        results = await asyncio.gather(*jobs, return_exceptions=True)
        assert [type(result) for result in results[1:]] == [GoneError, type(None), type(None)]
        assert done == ["third", "newest"] and worker.waiting == {}
        worker.close()

    asyncio.run(scenario())


def test_closed_connections_do_not_fill_the_queue(serve, run, monkeypatch):
    release, grown = threading.Event(), sentences.grown
    held = "seq2seq.play.session.sentences.grown"
    monkeypatch.setattr(held, lambda *asked: release.wait(60) and grown(*asked))
    monkeypatch.setattr(server, "Worker", partial(Worker, most=2))
    client = serve(run)
    lines = [f"{name}: {value}" for name, value in client.headers.items()]
    head = ["POST /api/start HTTP/1.1", *lines, "Content-Length: 2", "", "{}"]

    def waiting() -> socket.socket:
        one = socket.create_connection(("127.0.0.1", client.port))
        one.sendall("\r\n".join(head).encode())
        return one

    with ThreadPoolExecutor(1) as pool:
        try:
            first = pool.submit(client.post, "grammar", {"seed": 1, "clauses": 1})
            time.sleep(0.5)  # it runs
            others = [waiting(), waiting()]
            time.sleep(0.5)
            with waiting() as refused:
                assert b" 503 " in refused.recv(100)
            for one in others:
                one.close()
            time.sleep(0.5)
            with waiting() as newest:
                newest.settimeout(0.5)
                with pytest.raises(TimeoutError):  # it waits, and is not refused
                    newest.recv(100)
                release.set()
                newest.settimeout(60)
                assert b" 200 " in newest.recv(100)
        finally:
            release.set()
        assert first.result().status == 200


def test_requests_are_limited_in_their_rate():
    now = [0.0]
    bucket = Bucket(rate=2.0, burst=3.0, clock=lambda: now[0])
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    now[0] = 0.5
    assert [bucket.take() for _ in range(2)] == [True, False]
    now[0] = 100.0
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


def test_a_flood_is_refused_and_the_page_recovers(serve, run, monkeypatch):
    now = [0.0]
    bucket = partial(Bucket, rate=2.0, burst=3.0, clock=lambda: now[0])
    monkeypatch.setattr("seq2seq.play.guard.Bucket", bucket)
    client = serve(run)

    def statuses(count: int) -> list[int]:
        return [client.post("grammar", {"seed": 1, "clauses": 1}).status for _ in range(count)]

    assert statuses(12) == [200] * 3 + [429] * 9
    now[0] = 1.0
    assert statuses(4) == [200] * 2 + [429] * 2


def test_an_error_of_the_program_is_one_sentence(client, monkeypatch, capfd):
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a\nb")

    monkeypatch.setattr("seq2seq.play.session.sentences.grown", broken)
    reply = client.post("grammar", {"seed": 1, "clauses": 1})
    assert reply.status == 500 and "ZeroDivisionError: a b" in reply.error
    err = capfd.readouterr().err
    assert (
        "error in grammar: ZeroDivisionError: a b" in err.replace("\n", " ")
        and "Traceback" not in err
    )


# --- the command ----------------------------------------------------------------------------------


def test_a_port_in_use_is_said_in_one_sentence():
    with server.bound(0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} cannot be used .*--port"):
            server.bound(port)
        assert taken.getsockname()[0] == "127.0.0.1"
        with server.bound(None) as free:
            assert free.getsockname()[1] != port


def test_the_command_needs_runs(command, tmp_path):
    command("play", "--no-browser").must_refuse("no runs of the demo in runs/demo", "seq2seq demo")
    command("play", tmp_path / "none", "--no-browser").must_refuse("there is no run folder")
    (tmp_path / "empty").mkdir()
    command("play", tmp_path / "empty").must_refuse("is not a run folder")
    assert "--host" not in command("play", "--help").out
    assert command("play", "--port", "0").status == 2


def test_the_extra_is_named_if_it_is_missing(command, monkeypatch):
    for name in list(sys.modules):
        if name.partition(".")[0] == "starlette" or name.startswith("seq2seq.play."):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "starlette", None)
    monkeypatch.delattr("seq2seq.play.server", raising=False)
    refused = command("play")
    refused.must_refuse("seq2seq play needs starlette", "pip install 'seq2seq-toolkit[play]'")


def test_the_runs_of_the_demo_are_taken_and_ctrl_c_ends(process, tmp_path):
    for number, name in enumerate(("transformer", "rnn")):
        run = make_controlled_run(tmp_path / "runs" / "demo" / name, name)
        info = {"format": 1, "status": "finished", "started": f"2026-01-0{number + 1}"}
        (run / "run.json").write_text(json.dumps(info))
    (tmp_path / "runs" / "demo" / "comparison").mkdir()
    program = process("play", "--no-browser", cwd=tmp_path)
    address = program.stdout.readline().strip()
    place, _, token = address.partition("/#token=")
    assert place.startswith("http://127.0.0.1:") and len(token) >= 32
    headers = {"content-type": "application/json", "x-seq2seq-token": token}
    server_of = http.client.HTTPConnection(place.removeprefix("http://"), timeout=60)
    with closing(server_of) as connection:
        connection.request("POST", "/api/start", "{}", headers)
        start = json.loads(connection.getresponse().read())
    assert [run["name"] for run in start["runs"]] == ["transformer", "rnn"]
    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=60)
    assert (program.returncode, out) == (130, "")
    assert "Traceback" not in err and "stop with Ctrl-C" in err
