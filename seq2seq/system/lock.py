"""Lock of a run folder: only one process trains into it; a second one gets an error."""

import contextlib
import importlib
import json
import os
import socket
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Any

from seq2seq.errors import UserError
from seq2seq.system.console import console
from seq2seq.system.files import disk_full_message
from seq2seq.system.provenance import timestamp

LOCK = "train.lock"
BYTE = 1 << 30  # byte to lock on Windows: beyond the text, which stays readable


@contextlib.contextmanager
def exclusive_writer(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder, which is created if necessary.

    The operating system's lock on the file `train.lock` decides. The system releases it when the
    process ends in any way, so that a reused process ID is no problem. The content of the file is
    informative, and used for processes on other machines, whose locks may not be visible here.

    Raises:
        UserError: another process trains into the folder, or one on another machine did and cannot
            be checked.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, here = folder / LOCK, socket.gethostname()
    file, free = take(path)
    with file:
        owner = owner_of(file)
        if free and owner and owner["host"] == here:
            console.print(f"process {owner['pid']} died while it trained {folder}: continuing")
        elif owner or free is False:
            raise UserError(in_use_message(path, owner, certain=free is False))
        file.truncate(0)
        since = timestamp()
        with disk_full_message(path):
            file.write(json.dumps({"host": here, "pid": os.getpid(), "since": since}).encode())
        try:
            yield
        finally:
            file.truncate(0)  # through the open file, because the folder may have been moved
            with contextlib.suppress(PermissionError):  # Windows cannot delete an open file
                path.unlink(missing_ok=True)


def release(folder: Path) -> None:
    """Delete the lock file of this process, which is about to end without leaving its contexts."""
    with contextlib.suppress(OSError):
        (folder / LOCK).unlink(missing_ok=True)


def take(path: Path) -> tuple[FileIO, bool | None]:
    """Open and lock the lock file.

    Returns:
        The open file, and True if it is now locked, False if another process holds the lock, None
        if the file system does not support locks.
    """
    while True:
        file = path.open("a+b", buffering=0)
        free = lock(file)
        if not free:
            return file, free
        # The previous owner deletes the file when done: it may have done so after we opened it.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file, True
        file.close()


def lock(file: FileIO) -> bool | None:
    """Lock a file until it is closed.

    Returns:
        True if locked, False if another process holds the lock, None if locks are not supported.
    """
    with contextlib.suppress(ModuleNotFoundError):
        return lock_file(file, importlib.import_module("fcntl"))
    with contextlib.suppress(ModuleNotFoundError):  # Windows
        return lock_byte(file, importlib.import_module("msvcrt"))
    return None


def lock_file(file: FileIO, fcntl: Any) -> bool | None:
    """Implement `lock` on POSIX."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def lock_byte(file: FileIO, msvcrt: Any) -> bool | None:
    """Implement `lock` on Windows, where other processes cannot read locked bytes."""
    try:
        file.seek(BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    except PermissionError:
        return False
    except OSError:
        return None
    return True


def owner_of(file: FileIO) -> dict[str, Any] | None:
    """Read the owner from the lock file; None if it is empty or incomplete."""
    file.seek(0)
    try:
        owner = json.load(file)
        return owner if {"host", "pid", "since"} <= owner.keys() else None
    except (ValueError, AttributeError):
        return None


def in_use_message(path: Path, owner: dict[str, Any] | None, *, certain: bool) -> str:
    """The error message for a folder in use; `certain` is False if the owner may have died."""
    process = "another process"
    if owner:
        process = f"process {owner['pid']} on {owner['host']} since {owner['since']}"
    advice = "wait for it, stop it, or choose another name="
    if not certain:
        advice += f"; if it has died, delete {path}"
    return f"{path.parent} is being trained by {process}: {advice}"
