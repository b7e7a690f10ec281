"""`seq2seq train`: train one run, or the runs of a sweep one after the other.

Everything that does not need the corpus is checked for all runs before the first one trains. If a
run fails later, the failure is reported and the sweep continues. RUNS_DIR/sweep.json records the
status of each run, because a run that failed early has no folder:

    {"format": 1, "runs": {NAME: {"status": STATUS, "reason": MESSAGE or null}, ...}}

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

from seq2seq.errors import UserError
from seq2seq.runs.nested import section
from seq2seq.runs.size_check import UninitializedTensors
from seq2seq.runs.untrusted import read_json
from seq2seq.settings.config import Config
from seq2seq.settings.plugins import build
from seq2seq.settings.train_arguments import Member
from seq2seq.system import launcher
from seq2seq.system.console import Stderr, console, print_if_read
from seq2seq.system.devices import first_process
from seq2seq.system.files import write_json
from seq2seq.training import resume
from seq2seq.training.fitting import settings_in_effect
from seq2seq.training.guidance import check_guidance
from seq2seq.training.model_checks import check_model
from seq2seq.training.train import train

RECORD = "sweep.json"


@dataclass
class Entry:
    """One run of a sweep and its status.

    Attributes:
        member: the run.
        status: waiting, finished, interrupted or failed.
        reason: the error message of a failed run, on one line.
        before: whether the run was finished before this command started.
    """

    member: Member
    status: str = "waiting"
    reason: str | None = None
    before: bool = False

    @property
    def name(self) -> str:
        """The name of the run."""
        return self.member.config.name

    @property
    def folder(self) -> Path:
        """The run folder."""
        return folder_of(self.member.config)


def train_one(member: Member) -> None:
    """Train a single run and print its folder.

    Raises:
        UserError: as for `train`, or a model of these sizes cannot be built.
    """
    dry_run(member.config)
    start(member)


def start(member: Member) -> None:
    """Train a run and print its folder."""
    # Lightning starts the other processes of a run with the command-line arguments of this one.
    sys.argv = [sys.argv[0], "train", *member.words]
    folder = train(member.config)
    if first_process():
        print_if_read(str(folder))


def train_all(members: Sequence[Member]) -> None:
    """Train all runs of a sweep and print a table of them.

    Raises:
        UserError: a run cannot be trained, or two runs have the same folder; raised before any
            training.
        KeyboardInterrupt: Ctrl-C stopped the sweep.
        SystemExit: SIGTERM stopped the sweep, or a run failed (status 1).
    """
    launcher.refuse_launcher("the runs of a sweep (-m): use trainer.devices, or a command for each")
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
    """Train one run of a sweep; report and record a failure without ending the sweep."""
    try:
        start(entry.member)
        entry.status = "finished"
    except Exception as error:
        if not isinstance(error, UserError | OSError):
            traceback.print_exc()  # a bug in this package, or a fault of the machine
        message = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        entry.status, entry.reason = "failed", " ".join(message.split())[:1000]
        console.print(f"seq2seq: {entry.name} failed: {entry.reason}")


def folder_of(config: Config) -> Path:
    """The run folder of a configuration."""
    return Path(config.runs_dir) / config.name


def refuse_shared_folders(members: Sequence[Member]) -> None:
    """Check that no two runs of a sweep have the same folder.

    Raises:
        UserError: two runs do; the message names the folder and the arguments that differ.
    """
    first: dict[str, Member] = {}
    for member in members:
        # Compare case-insensitively where the file system does.
        path = os.path.normcase(folder_of(member.config).absolute())
        if (other := first.setdefault(path, member)) is not member:
            differing = [word for word in member.words if word not in other.words]
            if not differing:
                raise UserError(
                    f"the sweep has two runs with {' '.join(member.words)}: remove one of the "
                    "equal values"
                )
            raise UserError(
                f"{folder_of(member.config)} would be the folder of two runs of this sweep, the "
                f"second with {' '.join(differing)}: omit name=, or sweep it as well (name=a,b)"
            )


def plan(member: Member) -> Entry:
    """Check a run before training.

    Raises:
        UserError: the run cannot be trained, or its folder contains other files.
    """
    try:
        dry_run(member.config)
        config = settings_in_effect(member.config)
        earlier = resume.find_earlier(folder_of(config), config)
    except UserError as error:
        raise UserError(f"{member.config.name} cannot be trained: {error}") from error
    return Entry(member, before=bool(earlier and earlier.complete))


def dry_run(config: Config) -> None:
    """Build the corpus, the search and the model of a run, without reading text or using memory.

    The model has the configured vocabulary size; whether the corpus has enough text for it is not
    checked.

    Raises:
        UserError: a setting is invalid or has no effect on the model, or the model does not fit
            into the machine's memory.
    """
    corpus = build("data", config.data)
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
    except (RuntimeError, TypeError, MemoryError) as error:  # raised by torch for large sizes
        reason = str(error).split("\n")[0]
        raise UserError(f"a model of these sizes cannot be built: {reason}") from error
    check_model(model, config)
    check_guidance(model, corpus, config.train)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    needed, available = 4 * parameters, memory()
    if available and needed > available:
        raise UserError(
            f"a model of these sizes cannot be built: its {parameters:,} parameters take "
            f"{needed / 1e9:,.0f} GB, and this machine has {available / 1e9:,.0f} GB of memory"
        )


def memory() -> int | None:
    """The memory of this machine in bytes; None if unknown."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def write_records(entries: Iterable[Entry]) -> None:
    """Write the status of the runs to sweep.json in the parent of their folders."""
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
    """Read the runs of a sweep.json; empty if the file does not exist or is damaged."""
    with contextlib.suppress(OSError, UserError):
        return section(read_json(path), "runs")
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
