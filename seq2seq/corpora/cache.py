"""The cache of what is slow to make: files named by content, whole or not there at all."""

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
    """The folder that SEQ2SEQ_CACHE names, else ~/.cache/seq2seq."""
    return Path(os.environ.get("SEQ2SEQ_CACHE") or "~/.cache/seq2seq").expanduser()


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file of the cache that takes its place only once it is whole and on disk.

    Raises:
        UserError: the folder cannot be written to, or the disk is full.
    """
    try:
        with files.replacing(path, "wb") as file:
            yield file
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> UserError:
    """What to raise where the cache cannot be written."""
    return UserError(
        f"{path} cannot be written: {error.strerror or error} "
        "(the environment variable SEQ2SEQ_CACHE moves the cache)"
    )


def chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    """The items in lists of BATCH, the last one shorter."""
    chunk: list[Item] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == BATCH:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def counted(groups: Iterable[Group], what: str, *, total: int | None) -> Iterator[Group]:
    """The groups under a progress bar that counts the pairs in them."""
    with bar() as progress:
        task = progress.add_task(what, total=total, unit="pairs")
        for group in groups:
            yield group
            progress.advance(task, len(group))
