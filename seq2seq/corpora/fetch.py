"""Files from the web into the cache, whole and checked."""

import gzip
import zlib
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from seq2seq.corpora.cache import replacing
from seq2seq.errors import UserError
from seq2seq.system.console import bar

SECONDS = 30  # without an answer before giving up
BYTES = 1 << 16  # read at a time


def fetch_gzip(url: str, path: Path) -> Path:
    """Fetch a gzip file unless it is there already.

    Raises:
        UserError: it cannot be fetched, or what came is not a whole gzip file.
    """
    if path.exists():
        return path
    with replacing(path) as file:
        try:
            _copy(url, file)
            _unpack(Path(file.name))
        except HTTPError as error:
            error.close()  # it is the open answer as well
            raise _unreachable(url, f"{error.code} {error.reason}") from error
        except URLError as error:
            raise _unreachable(url, str(error.reason)) from error
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise _unreachable(url, f"the answer is not a whole gzip file ({error})") from error
        except (OSError, HTTPException, ValueError) as error:
            raise _unreachable(url, str(error) or type(error).__name__) from error
    return path


def _copy(url: str, file: IO[bytes]) -> None:
    with urlopen(url, timeout=SECONDS) as answer, bar() as progress:
        size = answer.headers.get("Content-Length")
        task = progress.add_task(
            f"fetching {url.rsplit('/', 1)[-1]}", total=int(size) if size else None, unit="B"
        )
        while block := answer.read(BYTES):
            file.write(block)
            progress.advance(task, len(block))
    file.flush()


def _unpack(path: Path) -> None:
    """Read to the end, where gzip keeps its checksum."""
    if not path.stat().st_size:  # which the library takes for a gzip file of nothing
        raise EOFError("it is empty")
    with gzip.open(path) as file:
        while file.read(BYTES):
            pass


def _unreachable(url: str, reason: str) -> UserError:
    return UserError(f"{url} cannot be fetched: {reason}; data.root=FOLDER takes a local copy")
