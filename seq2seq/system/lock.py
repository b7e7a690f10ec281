"""One writer a run folder: a second process is told who the first one is."""

import contextlib
import importlib
import json
import os
import socket
import time
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Any

from seq2seq.errors import UserError
from seq2seq.system.console import console
from seq2seq.system.files import disk_full_message

LOCK = "train.lock"
BYTE = 1 << 30  # where only bytes can be locked: one beyond the text, which stays readable


@contextlib.contextmanager
def exclusive_writer(folder: Path) -> Iterator[None]:
    """Inside, no other process trains into the folder, which is made if need be.

    It is the system's lock on a file that counts. The system frees it when the process ends,
    however it ends, so that nobody else with the same number is taken for a process that died.
    What the file says is for people, and for machines whose locks cannot be seen from here.

    Raises:
        UserError: another process is at it, or was on another machine, where nobody can ask.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, here = folder / LOCK, socket.gethostname()
    file, free = take(path)
    with file:
        owner = owner_of(file)
        if free and owner and owner["host"] == here:
            console.print(f"process {owner['pid']} died while it trained {folder}: taking over")
        elif owner or free is False:
            raise UserError(refusal(path, owner, certain=free is False))
        file.truncate(0)
        me = {"host": here, "pid": os.getpid(), "since": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
        with disk_full_message(path):
            file.write(json.dumps(me).encode())
        try:
            yield
        finally:
            file.truncate(0)  # by its handle, for the folder may have been moved
            with contextlib.suppress(PermissionError):  # Windows removes no open file; it is empty
                path.unlink(missing_ok=True)


def take(path: Path) -> tuple[FileIO, bool | None]:
    """The lock file, and whether nobody had it; None where the file system has no locks."""
    while True:
        file = path.open("a+b", buffering=0)
        free = lock(file)
        if not free:
            return file, free
        # Its owner removes it on leaving: what was opened just before is no longer the lock.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file, True
        file.close()


def lock(file: FileIO) -> bool | None:
    """Lock a file until it is closed; False if another process has it, None if nothing can lock."""
    with contextlib.suppress(ModuleNotFoundError):
        return lock_file(file, importlib.import_module("fcntl"))
    with contextlib.suppress(ModuleNotFoundError):  # Windows
        return lock_byte(file, importlib.import_module("msvcrt"))
    return None


def lock_file(file: FileIO, fcntl: Any) -> bool | None:
    """As `lock`, on POSIX."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def lock_byte(file: FileIO, msvcrt: Any) -> bool | None:
    """As `lock`, on Windows, where a lock is on bytes, which others then cannot read."""
    try:
        file.seek(BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    except PermissionError:
        return False
    except OSError:
        return None
    return True


def owner_of(file: FileIO) -> dict[str, Any] | None:
    """Who wrote the lock file; None where nobody has, or not to the end."""
    file.seek(0)
    try:
        owner = json.load(file)
        return owner if {"host", "pid", "since"} <= owner.keys() else None
    except (ValueError, AttributeError):
        return None


def refusal(path: Path, owner: dict[str, Any] | None, *, certain: bool) -> str:
    """Why a folder cannot be trained into, and what to do."""
    who = "another process"
    if owner:
        who = f"process {owner['pid']} on {owner['host']} since {owner['since']}"
    advice = "wait for it, stop it, or choose another name="
    if not certain:
        advice += f"; if it is dead, delete {path}"
    return f"{path.parent} is being trained by {who}: {advice}"
