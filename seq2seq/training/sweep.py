"""`seq2seq train`: one run, or those of a sweep one after the other.

What can be known without reading the corpus is checked for all runs before the first one trains.
A run that fails later is reported, and the others go on. RUNS_DIR/sweep.json records what became
of each run, for a run that failed early leaves no folder:

    {"format": 1, "runs": {NAME: {"status": STATUS, "reason": SENTENCE or null}, ...}}

STATUS is waiting, finished, interrupted or failed.
"""

import contextlib
import os
import sys
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, cast

import torch
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from seq2seq.compose import Member
from seq2seq.config import Config, build
from seq2seq.errors import UserError
from seq2seq.runs.size_check import UninitializedTensors
from seq2seq.runs.untrusted import read_json
from seq2seq.system.console import Stderr, console, print_if_read
from seq2seq.system.devices import first_process
from seq2seq.system.files import write_json
from seq2seq.training import resume
from seq2seq.training.train import train

RECORD = "sweep.json"


@dataclass
class Entry:
    """One run of a sweep and what became of it.

    Attributes:
        member: the run.
        status: waiting, finished, interrupted or failed.
        reason: why it failed, as one sentence.
        before: it was finished before this command began.
    """

    member: Member
    status: str = "waiting"
    reason: str | None = None
    before: bool = False

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.member.config.name

    @property
    def folder(self) -> Path:
        """Its run folder."""
        return folder_of(self.member.config)


def train_one(member: Member) -> None:
    """Train a single run and print its folder.

    Raises:
        UserError: as `train` says it, or no model of these sizes can be built.
    """
    dry_run(member.config)
    start(member)


def start(member: Member) -> None:
    """Train a run and print its folder."""
    # Further processes of a run are started by Lightning with the words of this one.
    sys.argv = [sys.argv[0], "train", *member.words]
    folder = train(member.config)
    if first_process():
        print_if_read(str(folder))


def train_all(members: Sequence[Member]) -> None:
    """Train all runs of a sweep and print a table of them.

    Raises:
        UserError: a run can never be trained, or two would have the same folder; none is trained.
        KeyboardInterrupt: Ctrl-C ended the sweep.
        SystemExit: SIGTERM ended it, or a run failed (1).
    """
    refuse_shared_folders(members)
    entries = [plan(member) for member in members]
    write_records(entries)
    try:
        for number, entry in enumerate(entries, 1):
            console.print(f"run {number} of {len(entries)}: {entry.name}")
            attempt(entry)
            write_records(entries)
    except (KeyboardInterrupt, SystemExit):
        current = next(entry for entry in entries if entry.status == "waiting")
        current.status = "interrupted"
        write_records(entries)
        raise
    finally:
        show(entries)
    if any(entry.status == "failed" for entry in entries):
        sys.exit(1)


def attempt(entry: Entry) -> None:
    """Train one run of a sweep; a failure is reported and recorded, and does not end the sweep."""
    try:
        start(entry.member)
        entry.status = "finished"
    except Exception as error:
        if not isinstance(error, UserError | OSError):
            traceback.print_exc()  # a defect of this package, or of the machine
        said = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        entry.status, entry.reason = "failed", " ".join(said.split())[:1000]
        console.print(f"seq2seq: {entry.name} failed: {entry.reason}")


def folder_of(config: Config) -> Path:
    """The run folder of a configuration."""
    return Path(config.runs_dir) / config.name


def refuse_shared_folders(members: Sequence[Member]) -> None:
    """Refuse a sweep in which two runs would have the same folder.

    Raises:
        UserError: there are two; the message names the folder and their words.
    """
    first: dict[str, Member] = {}
    for member in members:
        # A file system may take Runs and runs, or two forms of one accented letter, for the same.
        place = os.path.normcase(folder_of(member.config).absolute())
        if (other := first.setdefault(place, member)) is not member:
            differing = [w for w in member.words if w not in other.words] or ["the same words"]
            raise UserError(
                f"{folder_of(member.config)} would be the folder of two runs of this sweep, the "
                f"second with {' '.join(differing)}: leave name= out, or sweep it as well "
                "(name=a,b)"
            )


def plan(member: Member) -> Entry:
    """Check what can be known of a run before training.

    Raises:
        UserError: it can never be trained, or its folder holds something else.
    """
    try:
        dry_run(member.config)
        earlier = resume.find_earlier(folder_of(member.config), member.config)
    except UserError as error:
        raise UserError(f"{member.config.name} cannot be trained: {error}") from error
    return Entry(member, before=bool(earlier and earlier.complete))


def dry_run(config: Config) -> None:
    """Build the corpus, the search and the model of a run, without reading text or taking memory.

    The model has the configured size of the vocabulary, which the corpus may yet refuse.

    Raises:
        UserError: a setting is refused, or the model does not fit into the machine's memory.
    """
    build("data", config.data)
    build("search", config.search)
    size = config.tokenizer.vocab_size
    try:
        with torch.device("meta"), UninitializedTensors():
            model = build(
                "model",
                config.model,
                source_vocab=size,
                target_vocab=size,
                shared_vocab=config.tokenizer.shared,
            )
    except (RuntimeError, TypeError, MemoryError) as error:  # as torch says it of large sizes
        reason = str(error).split("\n")[0]
        raise UserError(f"a model of these sizes cannot be built: {reason}") from error
    parameters = sum(parameter.numel() for parameter in model.parameters())
    needed, there = 4 * parameters, memory()
    if there and needed > there:
        raise UserError(
            f"a model of these sizes cannot be built: its {parameters:,} parameters take "
            f"{needed / 1e9:,.0f} GB, and this machine has {there / 1e9:,.0f} GB of memory"
        )


def memory() -> int | None:
    """The bytes of memory of this machine; None if the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def write_records(entries: Iterable[Entry]) -> None:
    """Write what became of the runs into sweep.json of their folders' folder."""
    if not first_process():
        return
    records: dict[Path, dict[str, Any]] = {}
    for entry in entries:
        path = entry.folder.parent / RECORD
        if path not in records:
            records[path] = read_record(path)
        records[path][entry.name] = {"status": entry.status, "reason": entry.reason}
    for path, runs in records.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"format": 1, "runs": runs})


def read_record(path: Path) -> dict[str, Any]:
    """The runs of a sweep.json; none where there is no such file, or it is damaged."""
    with contextlib.suppress(OSError, UserError):
        runs = read_json(path).get("runs")
        return runs if isinstance(runs, dict) else {}
    return {}


def show(entries: Sequence[Entry]) -> None:
    """Print the runs of a sweep, at most 80 columns wide, on standard error."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    table.add_column("run folder", overflow="fold")
    table.add_column("status", no_wrap=True)
    table.add_column("best BLEU", justify="right", no_wrap=True)
    table.add_column("minutes", justify="right", no_wrap=True)
    for entry in entries:
        info = {}
        with contextlib.suppress(OSError, UserError):
            info = read_json(entry.folder / "run.json")
        best = info.get("best")
        bleu = best.get("bleu") if isinstance(best, dict) else None
        status = "not trained" if entry.status == "waiting" else entry.status
        status = "finished before" if entry.before and status == "finished" else status
        cells = (
            str(entry.folder),
            status,
            f"{bleu:.2f}" if isinstance(bleu, int | float) else "-",
            f"{minutes:.1f}" if isinstance(minutes := info.get("minutes"), int | float) else "-",
        )
        table.add_row(*map(Text, cells))
    Console(file=cast(TextIO, Stderr()), width=80).print(table)
