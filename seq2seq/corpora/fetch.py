"""Known files from the web into the cache, from the first address that has them unchanged."""

import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from seq2seq.corpora.cache import replacing
from seq2seq.errors import UserError
from seq2seq.system.console import bar, console

SECONDS = 30  # without an answer before giving up
BYTES = 1 << 16  # read at a time
MOST = 1 << 28  # bytes of an answer, packed or not


class UnusableError(Exception):
    """What an address answered cannot be used; the message is the reason."""


def fetch(urls: Sequence[str], path: Path, *, sha256: str, field: str) -> Path:
    """Fetch a text file of known content unless it is there already.

    Args:
        urls: where it may be, in the order in which they are tried: lines of text, plain or gzip,
            or (where the name ends in .jsonl) objects of which one field is a line.
        path: where it goes, unpacked.
        sha256: of its content, unpacked.
        field: of an object in JSON lines.

    Raises:
        UserError: no address has it; the sentence names each with the reason.
    """
    if path.exists():
        return path
    reasons = []
    for url in urls:
        try:
            content = unpacked(download(url), field if url.endswith(".jsonl") else None)
        except UnusableError as error:
            reasons.append(f"{url}: {error}")
            continue
        if (found := hashlib.sha256(content).hexdigest()) != sha256:
            reasons.append(
                f"{url}: other content than expected (SHA-256 {found[:12]}, not {sha256[:12]})"
            )
            continue
        with replacing(path) as file:
            file.write(content)
        console.print(f"fetched {path.name} from {url}", markup=False, highlight=False)
        return path
    raise UserError(f"{path.name} cannot be fetched: {'; '.join(reasons)}")


def download(url: str) -> bytes:
    """What an address answers.

    Raises:
        UnusableError: nothing, an error, or only a part.
    """
    if urlsplit_scheme(url) not in ("http", "https"):
        raise UnusableError("only http and https are fetched")
    try:
        with urlopen(url, timeout=SECONDS) as answer, bar() as progress:
            size = answer.headers.get("Content-Length")
            total = int(size) if size else None
            name = url.rsplit("/", 1)[-1]
            task = progress.add_task(f"fetching {name}", total=total, unit="B")
            content = bytearray()
            while block := answer.read(BYTES):
                content += block
                progress.advance(task, len(block))
                if len(content) > MOST:
                    raise UnusableError(f"the answer has more than {MOST:,} bytes")
    except HTTPError as error:
        error.close()  # it is the open answer as well
        raise UnusableError(f"{error.code} {error.reason}") from error
    except URLError as error:
        raise UnusableError(str(error.reason)) from error
    except (OSError, HTTPException, ValueError) as error:
        raise UnusableError(str(error) or type(error).__name__) from error
    if total is not None and len(content) < total:
        raise UnusableError(f"the answer ends after {len(content):,} of {total:,} bytes")
    return bytes(content)


def urlsplit_scheme(url: str) -> str:
    """The scheme of an address; nothing where it is malformed."""
    try:
        return urlsplit(url).scheme
    except ValueError:
        return ""


def unpacked(content: bytes, field: str | None) -> bytes:
    """The text in an answer: unpacked from gzip, and the lines of one field from JSON lines.

    Raises:
        UnusableError: it is damaged, or has no such field.
    """
    if not content:
        raise UnusableError("the answer is empty")
    if content.startswith(b"\x1f\x8b"):
        try:
            content = gzip.GzipFile(fileobj=io.BytesIO(content)).read(MOST)
        except (EOFError, OSError, zlib.error) as error:
            raise UnusableError(f"the answer is not a whole gzip file ({error})") from error
    if field is None:
        return content
    try:
        records = [json.loads(line) for line in content.split(b"\n") if line.strip()]
        return "".join(f"{record[field]}\n" for record in records).encode()
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnusableError(f"the answer has no JSON lines with {field!r} ({error})") from error
