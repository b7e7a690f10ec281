"""Atomic file writes, folder locks and checksums."""

import contextlib
import errno
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from seq2seq.errors import UserError

FULL = {errno.ENOSPC, errno.EDQUOT}  # error numbers of a full disk


@contextlib.contextmanager
def replacing(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a new file that atomically replaces `path` once it is complete and synced to disk.

    Until then it has a unique name, so that two processes never write to the same file.

    Raises:
        UserError: the disk is full, and an existing file at `path` is unchanged; or `path` is a
            folder.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder, so no file can be written there")
    partial = path.with_name(f".{path.name}.{uuid4().hex}.partial")
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
    try:
        with disk_full_message(path, partial):
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open(mode, **text) as file:  # type: ignore[call-overload]
                yield file
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
            sync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


@contextlib.contextmanager
def disk_full_message(path: Path, partial: Path | None = None) -> Iterator[None]:
    """Convert the error of a full disk while writing `path` to a UserError.

    Other OSErrors without a file name, or with that of the partial file, get the name of this file.

    Raises:
        UserError: the disk is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            if error.filename in (None, str(partial)):  # None: e.g. "File too large" from write()
                raise OSError(error.errno, error.strerror, str(path)) from error
            raise
        raise UserError(
            f"no space is left on the disk for {path}: free some space and run the same command "
            "again (files written earlier are intact)"
        ) from error


def refuse_output(path: Path, option: str, *, folder: bool = False) -> None:
    """Check early that a file or folder can be written, before the work whose result it holds.

    Args:
        path: the output path.
        option: the command-line option of the path, for the message.
        folder: whether the output is a folder.

    Raises:
        UserError: the path, or a folder that it is in, is of the other kind.
    """
    if not folder and path.is_dir():
        raise UserError(f"{option} {path} is a folder: give the name of a file in it")
    for place in (path, *path.parents) if folder else path.parents:
        if place.exists() and not place.is_dir():
            raise UserError(f"{option} {path}: {place} is a file, not a folder")


def sync_folder(path: Path) -> None:
    """Sync the entries of a folder to disk, so that a power failure does not undo a rename."""
    with contextlib.suppress(OSError):  # some systems cannot open or sync a folder
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def drop_partial(folder: Path) -> None:
    """Delete the incomplete files that a killed process has left in a folder, recursively."""
    for partial in folder.rglob(".*.partial"):
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def folder_lock(folder: Path, waiting: str = "") -> Iterator[None]:
    """Hold an exclusive lock on a folder, for a read-modify-write of its files.

    Waits while another process holds the lock. It is an flock on the folder itself, which is
    released when the process ends and creates no file. If the file system or the operating system
    does not support such locks, there is no locking.

    Args:
        folder: the folder to lock.
        waiting: message to print on standard error before waiting; empty prints none.
    """
    handle = None
    with contextlib.suppress(OSError, ModuleNotFoundError):
        import fcntl  # Windows has none

        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting:
                print(waiting, file=sys.stderr)
            fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file atomically."""
    with replacing(path) as file:
        json.dump(content, file, indent=2, ensure_ascii=False)
        file.write("\n")


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a text file atomically, one item per line."""
    with replacing(path) as file:
        file.writelines(line + "\n" for line in lines)


def append_line(path: Path, line: str) -> None:
    """Append a line to a text file.

    Raises:
        UserError: the disk is full; no part of the line has been written.
    """
    content = f"{line}\n".encode()
    with disk_full_message(path), path.open("ab", buffering=0) as file:
        before = file.tell()
        if file.write(content) < len(content):
            file.truncate(before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def truncate(path: Path, length: int) -> None:
    """Truncate a file to `length` bytes; create it if it does not exist."""
    path.touch()
    os.truncate(path, min(length, path.stat().st_size))


def synced_length(path: Path) -> int:
    """Sync a file to disk and return its size in bytes."""
    with disk_full_message(path), path.open("rb+") as file:
        os.fsync(file.fileno())
        return path.stat().st_size


def read_lines_checked(path: Path) -> list[str]:
    r"""Read the lines of a file that `write_lines` wrote, unchanged; only \n ends a line.

    User-supplied text is read by `seq2seq.system.text_lines.read_lines`, which drops byte-order
    marks and carriage returns.

    Raises:
        UserError: the file is not UTF-8; the message names the line.
    """
    content = path.read_bytes()
    try:
        lines = content.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path} is not UTF-8 at line {line}: {error.reason}") from error
    return lines if lines[-1] else lines[:-1]  # an editor may have removed the last newline


def sha256(path: Path) -> str:
    """The hexadecimal SHA-256 hash of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
