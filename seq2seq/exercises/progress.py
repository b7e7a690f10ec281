"""What was done with the exercises in a folder: hints that were read, files that were judged right.

It is in a small JSON file next to the copies; deleting it loses nothing else.
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from seq2seq.errors import UserError
from seq2seq.exercises.catalog import Exercise
from seq2seq.system.files import folder_lock, sha256, write_json

FILE = ".seq2seq-exercises.json"


def recorded(folder: Path) -> dict[str, Any]:
    """Read the file of a folder; empty if there is none.

    Raises:
        UserError: it is damaged.
    """
    path = folder / FILE
    try:
        content = json.loads(path.read_text("utf-8"))
        good = isinstance(content, dict) and all(isinstance(v, dict) for v in content.values())
    except FileNotFoundError:
        return {}
    except (ValueError, OSError):
        good = False
    if not good:
        raise UserError(f"{path} is damaged: delete it (it only says which hints were read)")
    return content


def record(folder: Path, exercise: Exercise, **values: Any) -> None:
    """Add values to the entry of an exercise; do nothing where the folder cannot be written to.

    Raises:
        UserError: the file is damaged.
    """
    with folder_lock(folder):
        content = recorded(folder)
        key = str(exercise.number)
        content[key] = content.get(key, {}) | values
        with suppress(OSError):
            write_json(folder / FILE, content)


def hints_read(folder: Path, exercise: Exercise) -> int:
    """Return how many hints of an exercise were read in a folder."""
    read = recorded(folder).get(str(exercise.number), {}).get("hints", 0)
    return read if isinstance(read, int) else 0


def record_solved(path: Path, exercise: Exercise) -> None:
    """Record that a file is right."""
    record(path.absolute().parent, exercise, file=path.name, solved=sha256(path))


def state(folder: Path, exercise: Exercise) -> str:
    """Say what became of an exercise: "", copied, solved, or changed (since it was solved)."""
    entry = recorded(folder).get(str(exercise.number), {})
    path = folder / str(entry.get("file", exercise.file_name))
    if not path.is_file():
        return ""
    if "solved" not in entry:
        return "copied"
    return "solved" if entry["solved"] == sha256(path) else "changed"
