"""Download files with a known SHA-256 into the cache, from the first URL that has them."""

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

SECONDS = 30  # timeout of a request
BYTES = 1 << 16  # read at a time
MAX_BYTES = 1 << 28  # maximum bytes of a response, compressed or not


class UnusableError(Exception):
    """A response cannot be used; the message is the reason."""


def fetch(urls: Sequence[str], path: Path, *, sha256: str, field: str) -> Path:
    """Download a text file of known content unless it exists already.

    Args:
        urls: URLs in the order in which they are tried: a text file, plain or gzip, or (if the
            URL ends in .jsonl) JSON lines with one line of text in a field.
        path: destination of the decompressed file.
        sha256: SHA-256 of the decompressed file.
        field: field that holds the text, for JSON lines.

    Returns:
        `path`.

    Raises:
        UserError: no URL has the file; the message gives the reason for each.
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
        if (actual := hashlib.sha256(content).hexdigest()) != sha256:
            reasons.append(f"{url}: unexpected content (SHA-256 {actual[:12]}, not {sha256[:12]})")
            continue
        with replacing(path) as file:
            file.write(content)
        console.print(f"fetched {path.name} from {url}", markup=False, highlight=False)
        return path
    raise UserError(f"{path.name} cannot be fetched: {'; '.join(reasons)}")


def download(url: str) -> bytes:
    """Return the body of the response to a URL.

    Raises:
        UnusableError: the request fails, or the response is incomplete or too large.
    """
    if urlsplit_scheme(url) not in ("http", "https"):
        raise UnusableError("only http and https are supported")
    try:
        with urlopen(url, timeout=SECONDS) as response, bar() as progress:
            size = response.headers.get("Content-Length")
            total = int(size) if size else None
            name = url.rsplit("/", 1)[-1]
            task = progress.add_task(f"fetching {name}", total=total, unit="B")
            content = bytearray()
            while block := response.read(BYTES):
                content += block
                progress.advance(task, len(block))
                if len(content) > MAX_BYTES:
                    raise UnusableError(f"the response has more than {MAX_BYTES:,} bytes")
    except HTTPError as error:
        error.close()  # the error is also the open response
        raise UnusableError(f"{error.code} {error.reason}") from error
    except URLError as error:
        raise UnusableError(str(error.reason)) from error
    except (OSError, HTTPException, ValueError) as error:
        raise UnusableError(str(error) or type(error).__name__) from error
    if total is not None and len(content) < total:
        raise UnusableError(f"the response ends after {len(content):,} of {total:,} bytes")
    return bytes(content)


def urlsplit_scheme(url: str) -> str:
    """Return the scheme of a URL; empty if the URL is malformed."""
    try:
        return urlsplit(url).scheme
    except ValueError:
        return ""


def unpacked(content: bytes, field: str | None) -> bytes:
    """Return the text in a response: decompress gzip, and join one field of JSON lines.

    Raises:
        UnusableError: the response is damaged or does not have the field.
    """
    if not content:
        raise UnusableError("the response is empty")
    if content.startswith(b"\x1f\x8b"):
        try:
            content = gzip.GzipFile(fileobj=io.BytesIO(content)).read(MAX_BYTES)
        except (EOFError, OSError, zlib.error) as error:
            raise UnusableError(f"the response is not a complete gzip file ({error})") from error
    if field is None:
        return content
    try:
        records = [json.loads(line) for line in content.split(b"\n") if line.strip()]
        return "".join(f"{record[field]}\n" for record in records).encode()
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnusableError(f"the response has no JSON lines with {field!r} ({error})") from error
