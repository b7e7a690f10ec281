"""What the tables of an experiment read from its runs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from seq2seq.errors import UserError
from seq2seq.runs.untrusted import read_json, read_json_lines


class ScoredRun(NamedTuple):
    """A finished run that has been evaluated.

    Attributes:
        name: of its folder.
        path: the folder.
        info: the content of run.json.
        scores: the content of scores.json.
    """

    name: str
    path: Path
    info: dict[str, Any]
    scores: dict[str, Any]


def scored_runs(folder: Path, pattern: str = "*") -> Iterator[ScoredRun]:
    """Yield the evaluated runs of a folder, by name; their weights need not be there.

    Args:
        folder: a folder of run folders.
        pattern: which names, as in a shell.

    Raises:
        UserError: a run is not finished, so that its scores are those of another checkpoint than
            the one that it will end with; a file is invalid.
    """
    for file in sorted(folder.glob(f"{pattern}/scores.json")):
        path = file.parent
        yield ScoredRun(path.name, path, finished_info(path), read_json(file))


def finished_info(path: Path) -> dict[str, Any]:
    """Return the content of run.json of a run.

    Raises:
        UserError: the run is not finished, or the file is invalid.
    """
    info = read_json(path / "run.json")
    if (status := info.get("status", "unfinished")) != "finished":
        raise UserError(f"{path} is {status}: train it to the end, and evaluate it again")
    return info


def validations(path: Path) -> list[dict[str, Any]]:
    """Return the lines of log.jsonl of a run that have a validation."""
    return [entry for entry in read_json_lines(path / "log.jsonl") if "validation_bleu" in entry]
