"""A local server that answers the client of the Hugging Face hub about datasets, with ranges."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

from local_server import JsonHandler, oid, serving

COMMIT = "1" * 40


class Datasets:
    """Datasets in memory.

    Attributes:
        files: dataset -> path -> content.
        sent: the number of bytes of each file that have been sent.
        failures: how many of the next requests for a part of a file are refused.
        url: the address of the server.
    """

    def __init__(self, files: dict[str, dict[str, bytes]]) -> None:
        self.files = files
        self.sent: dict[str, int] = {}
        self.failures = 0
        self.url = ""

    def entries(self, name: str) -> list[dict[str, object]]:
        """Return the list of files, as the hub describes them."""
        return [
            {"type": "file", "path": path, "size": len(content), "oid": oid(content)}
            for path, content in self.files[name].items()
        ]


@contextmanager
def serving_datasets(datasets: Datasets) -> Iterator[Datasets]:
    class Handler(JsonHandler):
        def do_request(self) -> None:
            body = self.body()
            path = unquote(urlsplit(self.path).path)
            api = re.fullmatch(r"/api/datasets/([^/]+/[^/]+)(?:/([\w-]+)/([^/]+)(?:/(.*))?)?", path)
            file = re.fullmatch(r"/datasets/([^/]+/[^/]+)/resolve/[^/]+/(.+)", path)
            if api and api[1] in datasets.files:
                entries = datasets.entries(api[1])
                if api[2] == "tree":
                    folder = f"{api[4]}/" if api[4] else ""
                    self.answer(200, [e for e in entries if str(e["path"]).startswith(folder)])
                elif api[2] == "paths-info":
                    asked = (
                        json.loads(body)["paths"]
                        if body.startswith(b"{")
                        else [
                            unquote(part.partition("=")[2])
                            for part in body.decode().split("&")
                            if part.startswith("paths=")
                        ]
                    )
                    self.answer(200, [e for e in entries if e["path"] in asked])
                else:
                    names = [{"rfilename": e["path"]} for e in entries]
                    self.answer(200, {"id": api[1], "sha": COMMIT, "siblings": names})
            elif file and file[2] in datasets.files.get(file[1], {}):
                self.send_file(file[2], datasets.files[file[1]][file[2]])
            else:
                code = "EntryNotFound" if file else "RepoNotFound"
                self.answer(404, {"error": code}, X_Error_Code=code)

        do_GET = do_HEAD = do_POST = do_request  # noqa: N815

        def send_file(self, path: str, content: bytes) -> None:
            facts = {"ETag": f'"{oid(content)}"', "X_Repo_Commit": COMMIT, "Accept_Ranges": "bytes"}
            asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            if not asked:
                if self.command != "HEAD":
                    datasets.sent[path] = datasets.sent.get(path, 0) + len(content)
                self.answer(200, content, **facts)
                return
            if datasets.failures:
                datasets.failures -= 1
                self.answer(503, {"error": "busy"})
                return
            first, last = int(asked[1]), int(asked[2] or len(content) - 1)
            part = content[first : last + 1]
            datasets.sent[path] = datasets.sent.get(path, 0) + len(part)
            span = f"bytes {first}-{first + len(part) - 1}/{len(content)}"
            self.answer(206, part, Content_Range=span, **facts)

    with serving(Handler) as datasets.url:
        yield datasets
