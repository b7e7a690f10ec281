"""The cache of preprocessed data: files named by a content hash and written atomically."""

import contextlib
import os
from collections.abc import Iterable, Iterator, Sized
from pathlib import Path
from typing import IO, TypeVar

from seq2seq.errors import UserError
from seq2seq.system import files
from seq2seq.system.console import bar

Item = TypeVar("Item")
Group = TypeVar("Group", bound=Sized)

BATCH = 10_000  # pairs held in memory at a time


def cache_folder() -> Path:
    """Return the folder in the environment variable SEQ2SEQ_CACHE, or ~/.cache/seq2seq."""
    return Path(os.environ.get("SEQ2SEQ_CACHE") or "~/.cache/seq2seq").expanduser()


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a cache file for writing; it appears at `path` only once it is complete and on disk.

    Raises:
        UserError: the folder cannot be written to or the disk is full.
    """
    try:
        with files.replacing(path, "wb") as file:
            yield file
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> UserError:
    """Return the error for a cache file that cannot be written."""
    return UserError(
        f"{path} cannot be written: {error.strerror or error} "
        "(set the environment variable SEQ2SEQ_CACHE to use another cache folder)"
    )


def chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Group items into lists of BATCH; the last list may be shorter."""
    chunk: list[Item] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == BATCH:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def counted(groups: Iterable[Group], what: str, *, total: int | None) -> Iterator[Group]:
    """Yield the groups while a progress bar counts the pairs in them."""
    with bar() as progress:
        task = progress.add_task(what, total=total, unit="pairs")
        for group in groups:
            yield group
            progress.advance(task, len(group))
