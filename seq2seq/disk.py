"""Files that are whole or not there at all."""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from seq2seq.errors import UserError


@contextlib.contextmanager
def replacing(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a new file that takes the place of `path` only once it is whole and on disk.

    Its name is its own until then, so that two processes never write into each other's file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid4().hex}.partial")
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
    try:
        with partial.open(mode, **text) as file:  # type: ignore[call-overload]
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file whole or not at all."""
    with replacing(path) as file:
        json.dump(content, file, indent=2, ensure_ascii=False)
        file.write("\n")


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a text file of one item a line, whole or not at all."""
    with replacing(path) as file:
        file.writelines(line + "\n" for line in lines)


def read_lines(path: Path) -> list[str]:
    r"""The lines of a UTF-8 text file; a line ends at \n and nowhere else.

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
