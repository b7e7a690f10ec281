"""Runs to compare: evaluated run folders, folders of runs such as sweeps, outside systems."""

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq2seq.errors import UserError
from seq2seq.runs.folder import RunFolder
from seq2seq.runs.nested import section
from seq2seq.runs.short_names import short_names
from seq2seq.runs.untrusted import read_json
from seq2seq.scoring import breakdown
from seq2seq.scoring.metrics import score
from seq2seq.text.agreement import read_agreements
from seq2seq.text.characters import printable
from seq2seq.text.languages import Target, is_tokenized
from seq2seq.text.pronoun import read_pronouns

MOVED_ASIDE = re.compile(r".+\.\d{8}-\d{6}(-\d+)?")  # older runs, as renamed by `run.set_aside`


@dataclass(frozen=True)
class Run:
    """One run or outside system.

    Attributes:
        name: printable name, unique in the comparison.
        path: the run folder, or the file of translations of an outside system.
        config: contents of config.yaml; empty for an outside system.
        info: contents of run.json; empty for an outside system.
        scores: contents of scores.json; computed here for an outside system.
        folder: the run folder; None for an outside system.
    """

    name: str
    path: Path
    config: dict[str, Any]
    info: dict[str, Any]
    scores: dict[str, Any]
    folder: RunFolder | None

    @classmethod
    def of(cls, folder: RunFolder, name: str) -> "Run":
        """Return the run of a folder under a name."""
        return cls(printable(name), folder.path, folder.config, folder.info, folder.scores, folder)

    @property
    def seed(self) -> int | None:
        """The training seed; None if unknown."""
        seed = self.info.get("seed")
        return seed if isinstance(seed, int) else None

    @property
    def unfinished(self) -> bool:
        """Whether the status in run.json is other than "finished"."""
        return self.folder is not None and self.info.get("status") != "finished"

    @property
    def again(self) -> str:
        """How to score the run again; ends messages about missing or outdated scores."""
        return f"run `seq2seq evaluate {shlex.quote(str(self.path))}` again"

    def output(self, test: str) -> Path:
        """Return the file of translations of a test set."""
        return self.path if self.folder is None else self.folder.test(test) / "hypothesis.txt"

    def stored(self, test: str, *keys: str) -> Any:
        """Return a value of scores.json; raise `UserError` if it is missing."""
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
    """Open the runs at `paths`; return them and notes on the runs that are skipped.

    Args:
        paths: run folders, and folders that contain run folders, such as a sweep. A run that is
            given by its own path must be evaluated; one found inside a folder is skipped with a
            note if it is not.

    Raises:
        UserError: `paths` is empty, a run is given twice, or a path is not a run folder or holds
            a run that has no saved weights, is not evaluated or was written by a newer version.
    """
    if not paths:
        raise UserError("nothing to compare: give one or more run folders")
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
                notes.append(f"Skipped {printable(one.name)}: {printable(str(error))}.")
        if inside and not any(one.resolve() in folders for one in inside):
            raise UserError(
                f"none of the {len(inside)} runs in {str(path)!r} can be compared; the first: "
                f"{notes[-len(inside)].partition(': ')[2].rstrip('.')}"
            )
        if inside:
            notes += missing_of_sweep(path, {one.name for one in inside})
    return [
        Run.of(one, name) for name, one in zip(short_names(folders), folders.values(), strict=True)
    ], notes


def missing_of_sweep(path: Path, names: set[str]) -> list[str]:
    """Return a note on each run listed in sweep.json that has no run folder.

    Args:
        path: the folder of the sweep.
        names: names of the run folders in it.
    """
    if not (path / "sweep.json").is_file():
        return []
    notes = []
    for name, entry in section(read_json(path / "sweep.json"), "runs").items():
        if name not in names and isinstance(entry, dict):
            reason, status = entry.get("reason"), entry.get("status")
            failed = f"training failed: {reason}" if reason else f"its status is {status}"
            notes.append(
                f"The sweep has no run folder for {printable(name)}: {printable(failed)[:500]}."
            )
    return notes


def runs_inside(path: Path) -> list[Path]:
    """List the run folders one or two levels below `path`, except those renamed as older runs.

    The list is empty if `path` is a run folder itself or not a folder.
    """
    if not path.is_dir() or (path / "config.yaml").exists():
        return []
    for pattern in ("*/config.yaml", "*/*/config.yaml"):
        found = sorted(file.parent for file in path.glob(pattern))
        if runs := [one for one in found if not MOVED_ASIDE.fullmatch(one.name)]:
            return runs
    if (path / "run.json").exists():
        return []
    raise UserError(
        f"there is no run folder in {str(path)!r}: give run folders (runs/NAME) or a folder that "
        "contains some"
    )


def evaluated(path: Path) -> RunFolder:
    """Open a run folder that has scores.

    Raises:
        UserError: it is not a run folder, or has no scores.
    """
    folder = RunFolder.open(path)
    if not folder.scores:
        raise UserError(
            f"{str(folder.path)!r} is not evaluated yet: run "
            f"`seq2seq evaluate {shlex.quote(str(folder.path))}`"
        )
    return folder


def outside(
    name: str, file: Path, test: str, references: list[list[str]], lines: list[str], like: Run
) -> Run:
    """Score an outside system with the settings of the run that it is compared with.

    Args:
        name: name of the system.
        file: the file of translations.
        test: name of the test set.
        references: the lines of each reference of the test set.
        lines: the lines of `file`.
        like: a run that was scored on the test set.
    """
    data = section(like.config, "data")
    metrics = score(
        lines,
        references[0],
        more=references[1:],
        tokenized=is_tokenized(data),
        **Target.of(data)._asdict(),
    )
    folder = like.output(test).parent
    agreements, pronouns = read_agreements(folder), read_pronouns(folder)
    agreeing = breakdown.agreement(lines, agreements) if agreements else None
    referring = breakdown.pronoun(lines, pronouns) if pronouns else None
    scores = {
        **metrics,
        "exact_match": breakdown.exact_match(lines, references[0], more=references[1:]),
        **({"agreement": agreeing} if agreeing else {}),
        **({"pronoun": referring} if referring else {}),
        "test": like.stored(test, "test"),
    }
    return Run(printable(name), file, {}, {}, {test: scores}, None)


def named_files(hyps: Sequence[str], taken: Iterable[str]) -> dict[str, Path]:
    """Parse `--hyps` into a mapping from system name to file.

    Args:
        hyps: `NAME=FILE` each.
        taken: names in use.

    Raises:
        UserError: a value is not `NAME=FILE`, the name is taken, or the file does not exist.
    """
    files: dict[str, Path] = {}
    for one in hyps:
        name, equals, file = one.partition("=")
        if not (name and equals and file):
            raise UserError(f"--hyps {one}: give NAME=FILE, such as --hyps marian=marian.txt")
        if name in files or printable(name) in taken:
            raise UserError(f"--hyps {one}: the name {name!r} is taken: choose another")
        if not Path(file).is_file():
            raise UserError(f"--hyps {one}: there is no file {file!r}")
        files[name] = Path(file)
    return files
