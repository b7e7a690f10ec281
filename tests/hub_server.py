"""A local server that answers the client of the Hugging Face hub: models, commits, large files."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

from local_server import JsonHandler, oid, serving

TOKEN = "hf_correct"
Files = dict[str, bytes]


class Hub:
    """Models in memory, each a list of commits.

    Attributes:
        commits: model -> (commit, files), oldest first.
        private: the models that need the token.
        asked: the requests, as METHOD PATH.
        damage: replaces the content of these files when they are downloaded.
        down: answer every request with this status.
    """

    def __init__(self) -> None:
        self.commits: dict[str, list[tuple[str, Files]]] = {}
        self.private: set[str] = set()
        self.asked: list[str] = []
        self.damage: Files = {}
        self.down = 0
        self.stored: Files = {}
        self.url = ""

    def add(self, name: str, files: Files) -> str:
        """Add a commit with these files to those of the last one, and return its name."""
        before = self.commits.setdefault(name, [("", {})])[-1][1]
        commit = hashlib.sha1(f"{name}{len(self.commits[name])}".encode()).hexdigest()
        self.commits[name].append((commit, {**before, **files}))
        return commit

    def at(self, name: str, revision: str) -> tuple[str, Files] | None:
        """Return a commit of a model by its name, or the newest one."""
        known = self.commits.get(name, [])[1:]
        if revision == "main":
            return known[-1] if known else ("0" * 40, {})
        return next((one for one in known if one[0] == revision), None)


def large(path: str) -> bool:
    return path.endswith((".safetensors", ".png"))


@contextmanager
def serving_hub(hub: Hub) -> Iterator[Hub]:
    class Handler(JsonHandler):
        def refuse(self, status: int, code: str) -> None:
            self.answer(status, {"error": code}, X_Error_Code=code, X_Error_Message=code)

        def known(self, name: str, revision: str) -> tuple[str, Files] | None:
            """Return a commit, or answer why there is none."""
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            if name not in hub.commits or (name in hub.private and token != TOKEN):
                self.refuse(401 if not token else 404, "RepoNotFound")
                return None
            found = hub.at(name, revision)
            if found is None:
                self.refuse(404, "RevisionNotFound")
            return found

        def handle_request(self) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.asked.append(f"{self.command} {path}")
            body = self.body()
            if hub.down:
                self.answer(hub.down, {"error": "down"})
            elif self.command in ("GET", "HEAD"):
                self.read(path)
            elif self.headers.get("Authorization") != f"Bearer {TOKEN}" and "/lfs/" not in path:
                self.answer(401, {"error": "Invalid username or password."})
            else:
                self.write(path, body)

        do_GET = do_HEAD = do_POST = do_PUT = handle_request  # noqa: N815

        def read(self, path: str) -> None:
            if match := re.fullmatch(r"/api/models/([^/]+/[^/]+?)(?:/revision/(.+))?", path):
                if found := self.known(match[1], match[2] or "main"):
                    names = [{"rfilename": name} for name in found[1]]
                    self.answer(200, {"id": match[1], "sha": found[0], "siblings": names})
            elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)", path):
                if found := self.known(match[1], match[2]):
                    entries = []
                    for name, content in found[1].items():
                        entry = {
                            "type": "file",
                            "path": name,
                            "size": len(content),
                            "oid": oid(content),
                        }
                        if large(name):
                            sha = hashlib.sha256(content).hexdigest()
                            entry["lfs"] = {"oid": sha, "size": len(content), "pointerSize": 100}
                        entries.append(entry)
                    self.answer(200, entries)
            elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
                if found := self.known(match[1], match[2]):
                    content = found[1].get(match[3])
                    if content is None:
                        self.refuse(404, "EntryNotFound")
                        return
                    tag = hashlib.sha256(content).hexdigest() if large(match[3]) else oid(content)
                    sent = hub.damage.get(match[3], content)
                    self.answer(200, sent, ETag=f'"{tag}"', X_Repo_Commit=found[0])
            else:
                self.refuse(404, "RepoNotFound")

        def write(self, path: str, body: bytes) -> None:
            if path == "/api/repos/create":
                asked = json.loads(body)
                if asked["organization"] == "others":
                    self.answer(403, {"error": "You don't have the rights"})
                    return
                name = f"{asked['organization']}/{asked['name']}"
                status = 409 if name in hub.commits else 200
                hub.commits.setdefault(name, [("", {})])
                if asked.get("visibility") == "private":
                    hub.private.add(name)
                self.answer(status, {"url": f"{hub.url}/{name}", "name": name, "id": name})
            elif path == "/api/validate-yaml":
                if "license: unheard-of" in json.loads(body)["content"]:
                    wrong = [{"message": '"license" must be one of [apache-2.0, mit, ...]'}]
                    self.answer(400, {"errors": wrong, "warnings": []}, X_Error_Code="BadRequest")
                else:
                    self.answer(200, {"errors": [], "warnings": []})
            elif re.search(r"/preupload/", path):
                modes = [
                    {
                        "path": file["path"],
                        "uploadMode": "lfs" if large(file["path"]) else "regular",
                        "shouldIgnore": False,
                    }
                    for file in json.loads(body)["files"]
                ]
                self.answer(200, {"files": modes})
            elif path.endswith("/info/lfs/objects/batch"):
                objects = [
                    {**one, "actions": {"upload": {"href": f"{hub.url}/lfs/{one['oid']}"}}}
                    for one in json.loads(body)["objects"]
                ]
                self.answer(
                    200,
                    {"transfer": "basic", "objects": objects},
                    Content_Type="application/vnd.git-lfs+json",
                )
            elif path.startswith("/lfs/"):
                hub.stored[path.removeprefix("/lfs/")] = body
                self.answer(200)
            elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/main", path):
                files: Files = {}
                for line in map(json.loads, body.splitlines()):
                    value = line["value"]
                    if line["key"] == "file":
                        files[value["path"]] = base64.b64decode(value["content"])
                    elif line["key"] == "lfsFile":
                        files[value["path"]] = hub.stored[value["oid"]]
                commit = hub.add(match[1], files)
                url = f"{hub.url}/{match[1]}/commit/{commit}"
                self.answer(200, {"success": True, "commitOid": commit, "commitUrl": url})
            else:
                self.answer(404, {"error": path})

    with serving(Handler) as hub.url:
        yield hub
