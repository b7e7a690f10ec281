"""What is compared: evaluated run folders, alone or in a sweep's folder, and outside systems."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq2seq.errors import UserError
from seq2seq.runs.folder import RunFolder
from seq2seq.runs.untrusted import read_json
from seq2seq.scoring import breakdown
from seq2seq.scoring.metrics import score
from seq2seq.text.agreement import read_agreements
from seq2seq.text.characters import printable
from seq2seq.text.languages import Target

MOVED_ASIDE = re.compile(r".+\.\d{8}-\d{6}(-\d+)?")  # as `run.set_aside` names an older run


@dataclass(frozen=True)
class Run:
    """One output: what the report calls it, and where it comes from.

    Attributes:
        name: unique among those compared, and printable.
        path: the run folder, or the file of an outside system's translations.
        config: the run's configuration; empty for an outside system.
        info: its run.json, likewise.
        scores: its scores.json, or what was scored here for an outside system.
        folder: None for an outside system.
    """

    name: str
    path: Path
    config: dict[str, Any]
    info: dict[str, Any]
    scores: dict[str, Any]
    folder: RunFolder | None

    @property
    def seed(self) -> int | None:
        """The seed it was trained with, where that is known."""
        seed = self.info.get("seed")
        return seed if isinstance(seed, int) else None

    @property
    def unfinished(self) -> bool:
        """Whether its training is not known to have ended by itself."""
        return self.folder is not None and self.info.get("status") != "finished"

    @property
    def again(self) -> str:
        """The end of a sentence about scores that are missing or stale."""
        return f"`seq2seq evaluate {self.path}` writes them anew"

    def output(self, test: str) -> Path:
        """The file of its translations of a test set."""
        return self.path if self.folder is None else self.folder.test(test) / "hypothesis.txt"

    def stored(self, test: str, *keys: str) -> Any:
        """A value of scores.json that must be there."""
        value = self.scores[test]
        for key in keys:
            if not isinstance(value, dict) or key not in value:
                raise UserError(
                    f"the scores of {str(self.path)!r} on {test!r} have no "
                    f"{'.'.join(keys)}: {self.again}"
                )
            value = value[key]
        return value


def find(paths: Sequence[str | Path]) -> tuple[list[Run], list[str]]:
    """The runs that are asked for, and what must be told of those that are left out.

    Args:
        paths: run folders, and folders of run folders, such as that of a sweep. What is asked for
            by name must be evaluated; what only lies in a folder may be left out, and is told of.

    Raises:
        UserError: there is nothing, a run is given twice, or one is none, unfinished, not
            evaluated or of a newer version.
    """
    if not paths:
        raise UserError("there is nothing to compare: name one or more run folders")
    folders: dict[Path, RunFolder] = {}
    notes = []
    for path in map(Path, paths):
        inside = runs_inside(path)
        for one in inside or [path]:
            if one.resolve() in folders:
                if inside:
                    continue
                raise UserError(f"the run {str(path)!r} is given twice")
            try:
                folders[one.resolve()] = evaluated(one)
            except UserError as error:
                if not inside:
                    raise
                notes.append(f"Left out is {printable(one.name)}: {printable(str(error))}.")
        if inside and not any(one.resolve() in folders for one in inside):
            raise UserError(
                f"no run in {str(path)!r} can be compared; the first of {len(inside)}: "
                f"{notes[-len(inside)].partition(': ')[2].rstrip('.')}"
            )
        if inside:
            notes += missing_of_sweep(path, {one.name for one in inside})
    tails = tails_of(folders)
    return [
        Run(printable(tails[key]), one.path, one.config, one.info, one.scores, one)
        for key, one in folders.items()
    ], notes


def missing_of_sweep(path: Path, names: set[str]) -> list[str]:
    """What must be told of runs that a sweep left no folder for, by its sweep.json.

    Args:
        path: the folder of the sweep.
        names: of the run folders in it.
    """
    if not (path / "sweep.json").is_file():
        return []
    notes = []
    for name, entry in section(read_json(path / "sweep.json"), "runs").items():
        if name not in names and isinstance(entry, dict):
            reason, status = entry.get("reason"), entry.get("status")
            failed = f"its training failed: {reason}" if reason else f"it is {status}"
            notes.append(f"Missing of the sweep is {printable(name)}: {printable(failed)[:500]}.")
    return notes


def runs_inside(path: Path) -> list[Path]:
    """The run folders in a folder that is none itself, or in its folders; older ones set aside."""
    if not path.is_dir() or (path / "config.yaml").exists():
        return []
    for pattern in ("*/config.yaml", "*/*/config.yaml"):
        found = sorted(file.parent for file in path.glob(pattern))
        if runs := [one for one in found if not MOVED_ASIDE.fullmatch(one.name)]:
            return runs
    if (path / "run.json").exists():
        return []
    raise UserError(
        f"there is no run in {str(path)!r}: give run folders (runs/NAME), or a folder that "
        "holds some"
    )


def evaluated(path: Path) -> RunFolder:
    """A run that has scores.

    Raises:
        UserError: it has none, or is no run.
    """
    folder = RunFolder.open(path)
    if not folder.scores:
        raise UserError(
            f"the run {str(folder.path)!r} is not evaluated yet: "
            f"`seq2seq evaluate {folder.path}` does it"
        )
    return folder


def tails_of(paths: Iterable[Path]) -> dict[Path, str]:
    """Each folder's name, or as much of its path as tells it from the others."""
    paths = list(paths)

    def tail(path: Path, depth: int) -> str:
        return "/".join(path.parts[-depth:])

    found = {}
    for path in paths:
        depth = 1
        while sum(tail(other, depth) == tail(path, depth) for other in paths) > 1:
            depth += 1
        found[path] = tail(path, depth)
    return found


def outside(
    name: str, file: Path, test: str, references: list[str], lines: list[str], like: Run
) -> Run:
    """An outside system, scored as the run that it is compared with.

    Args:
        name: what it is called.
        file: its translations.
        test: of which test set.
        references: of that test set.
        lines: of the file.
        like: a run that was scored on it.
    """
    data = section(like.config, "data")
    found = score(
        lines,
        references,
        tokenized=data.get("tokenized") or False,
        **Target.of(data)._asdict(),
    )
    agreements = read_agreements(like.output(test).parent)
    agreeing = breakdown.agreement(lines, agreements) if agreements else None
    scores = {
        **found,
        "exact_match": breakdown.exact_match(lines, references),
        **({"agreement": agreeing} if agreeing else {}),
        "test": like.stored(test, "test"),
    }
    return Run(printable(name), file, {}, {}, {test: scores}, None)


def named_files(hyps: Sequence[str], taken: Iterable[str]) -> dict[str, Path]:
    """The files of outside systems, by name.

    Args:
        hyps: `NAME=FILE` each.
        taken: names that are in use.

    Raises:
        UserError: one is not of this form, its name is taken, or there is no such file.
    """
    files: dict[str, Path] = {}
    for one in hyps:
        name, equals, file = one.partition("=")
        if not (name and equals and file):
            raise UserError(f"--hyps {one}: give NAME=FILE, such as --hyps marian=marian.txt")
        if name in files or printable(name) in taken:
            raise UserError(f"--hyps {one}: the name {name!r} is taken, choose another")
        if not Path(file).is_file():
            raise UserError(f"--hyps {one}: there is no file {file!r}")
        files[name] = Path(file)
    return files


def section(mapping: dict[str, Any], key: str) -> dict[str, Any]:
    """A mapping inside a mapping; empty where it is missing or something else."""
    section = mapping.get(key)
    return section if isinstance(section, dict) else {}
