"""The cache of what is slow to make: Arrow files, named by content, whole or not there at all."""

import contextlib
import os
from collections.abc import Iterable, Iterator, Sized
from pathlib import Path
from typing import IO, TypeVar

import pyarrow as pa

from seq2seq import disk
from seq2seq.errors import UserError
from seq2seq.progress import bar

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
        with disk.replacing(path, "wb") as file:
            yield file
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> UserError:
    """What to raise where the cache cannot be written."""
    return UserError(
        f"{path} cannot be written: {error.strerror or error} "
        "(the environment variable SEQ2SEQ_CACHE moves the cache)"
    )


def stored(
    path: Path,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    *,
    what: str,
    total: int | None,
) -> list[pa.RecordBatch]:
    """The record batches of a cached file, memory-mapped; written first where it is missing.

    Args:
        path: the file, named by everything that its content depends on.
        schema: the columns.
        batches: what to write, consumed only if there is nothing to read.
        what: the name of the progress bar.
        total: how many rows there will be, where that is known.
    """
    try:
        return _mapped(path)
    except (OSError, pa.ArrowInvalid):  # missing, or damaged by what we cannot guard against
        pass
    with replacing(path) as file, pa.ipc.new_file(file, schema) as writer:
        for batch in counted(batches, what, total=total):
            writer.write_batch(batch)
    return _mapped(path)


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


def _mapped(path: Path) -> list[pa.RecordBatch]:
    reader = pa.ipc.open_file(pa.memory_map(str(path)))
    return [reader.get_batch(number) for number in range(reader.num_record_batches)]
