"""Files that are whole or not there at all."""

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

FULL = {errno.ENOSPC, errno.EDQUOT}  # no space is left


@contextlib.contextmanager
def replacing(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a new file that takes the place of `path` only once it is whole and on disk.

    Its name is its own until then, so that two processes never write into each other's file.

    Raises:
        UserError: the disk is full; what was at `path` before is still there.
    """
    partial = path.with_name(f".{path.name}.{uuid4().hex}.partial")
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
    try:
        with disk_full_message(path):
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
def disk_full_message(path: Path) -> Iterator[None]:
    """Say in one sentence that the disk is full while `path` is written inside.

    Any other error of the system names the file too.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            if error.filename is None:  # as where writing fails: "File too large" says not of what
                raise OSError(error.errno, error.strerror, str(path)) from error
            raise
        raise UserError(
            f"no space is left on the disk for {path}: make room and give the same command again "
            "(what was written before is whole)"
        ) from error


def sync_folder(path: Path) -> None:
    """Have a folder's names on disk too, so that a power cut does not undo a renaming."""
    with contextlib.suppress(OSError):  # some systems cannot open or sync a folder
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def drop_partial(folder: Path) -> None:
    """Remove the unfinished files that a killed process left behind anywhere in a folder."""
    for partial in folder.rglob(".*.partial"):
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def alone_in(folder: Path, waiting: str = "") -> Iterator[None]:
    """Inside, no other process is inside with this folder; the next one waits.

    The system's lock on the folder itself, which is gone with its process and leaves no file.
    Where the file system or the system has no such locks, nobody waits.

    Args:
        folder: of something that is read, changed and written.
        waiting: what to say on standard error where another process is inside.
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
    """Write a JSON file whole or not at all."""
    with replacing(path) as file:
        json.dump(content, file, indent=2, ensure_ascii=False)
        file.write("\n")


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a text file of one item a line, whole or not at all."""
    with replacing(path) as file:
        file.writelines(line + "\n" for line in lines)


def append_line(path: Path, line: str) -> None:
    """Add a line to a text file, whole or not at all.

    Raises:
        UserError: the disk is full.
    """
    content = f"{line}\n".encode()
    with disk_full_message(path), path.open("ab", buffering=0) as file:
        before = file.tell()
        if file.write(content) < len(content):
            file.truncate(before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def truncate(path: Path, length: int) -> None:
    """Keep the first bytes of a file, which is made if it is not there."""
    path.touch()
    os.truncate(path, min(length, path.stat().st_size))


def synced_length(path: Path) -> int:
    """The bytes of a file, none of which a power cut can take any more."""
    with disk_full_message(path), path.open("rb+") as file:
        os.fsync(file.fileno())
        return path.stat().st_size


def read_back(path: Path) -> list[str]:
    r"""The lines that `write_lines` wrote, character by character; a line ends at \n alone.

    Text from outside is read by `seq2seq.system.text_lines.read_lines`, which drops byte-order
    marks and carriage returns.

    Raises:
        UserError: it is not UTF-8; the sentence names the line.
    """
    content = path.read_bytes()
    try:
        lines = content.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path} is not UTF-8 at line {line}: {error.reason}") from error
    return lines if lines[-1] else lines[:-1]  # an editor may have left out the last newline


def sha256(path: Path) -> str:
    """The hash of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
