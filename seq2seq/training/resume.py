"""Check that an existing run can be resumed with the current configuration and corpus."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq2seq.errors import UserError
from seq2seq.runs.folder import ADOPTED, read_config
from seq2seq.runs.nested import flatten, section
from seq2seq.runs.untrusted import read_json
from seq2seq.runs.weights import read_tensors
from seq2seq.settings.config import Config
from seq2seq.system.lock import LOCK
from seq2seq.text.characters import printable
from seq2seq.training.former_defaults import FORMER, with_former_defaults, written_out

# Keys that do not influence the trained weights, with the reason.
HARMLESS = {
    "name": "the name of the folder",
    "runs_dir": "the location of the folder",
    "fresh": "only read at the start",
    "resume": "only read at the start",
    "model.cross_attention_cache": "memory and speed of decoding; rounding errors",
    "trainer.devices": "the number of processes, which `EarlierRun.processes` compares",
    "trainer.threads": "speed; rounding errors of sums, as on another machine",
    "trainer.compile": "speed; rounding errors of sums, as on another machine",
    "trainer.cuda_graphs": "speed; other random numbers of dropout, as on another machine",
    "train.log_every": "frequency of log lines",
    "train.keep_every": "additional checkpoints",
    "train.save_every": "frequency of saves",
    "train.max_skipped": "when to abort",
    "train.tensorboard": "an additional log",
}
# Keys for the end of training: earlier updates do not depend on them, except with the cosine.
ENDS = ("train.max_steps", "train.max_epochs", "train.max_minutes", "train.patience")
# Keys that the saved state depends on.
FIXED = (
    "seed",
    "data.source",
    "data.target",
    "tokenizer.kind",
    "tokenizer.vocab_size",
    "tokenizer.shared",
    "tokenizer.character_coverage",
    "tokenizer.normalization",
    "tokenizer.target_normalization",
    "train.optimizer",
)
# Files in the folder of a run that was stopped before its config.yaml was written.
INCOMPLETE = {LOCK, "hyps", "tokenizer.model", "source.model", "target.model"}

Changes = dict[str, tuple[Any, Any]]


@dataclass(frozen=True)
class EarlierRun:
    """An existing run that can be resumed.

    Attributes:
        folder: the run folder.
        info: the content of run.json.
        changes: the changed configuration keys that are not harmless, each with (old, new) value.
        processes: number of processes before and now.
        batches: number of batches per update, over all processes, before and now.
    """

    folder: Path
    info: Mapping[str, Any]
    changes: Changes
    processes: tuple[int, int] = (1, 1)
    batches: tuple[int, int] = (1, 1)

    @property
    def complete(self) -> bool:
        """Whether the run is finished, its model intact and its configuration unchanged."""
        if self.info.get("status") != "finished" or self.changes:
            return False
        try:
            read_tensors(self.folder / "model.safetensors")
        except UserError:
            return False
        return True

    def other_processes(self) -> str | None:
        """A sentence on another number of processes than before; None if it is the same."""
        (then, now), (before, after) = self.processes, self.batches
        if then == now:
            return None
        says = f"{now} process{'es' * (now > 1)} instead of {then}: "
        if before == after:
            return says + f"each update still has the same {before} batches, but other random masks"
        return says + (
            f"each update now has {after} batch{'es' * (after > 1)} instead of {before}, so that "
            "the order of the batches and the weights will differ from those of an uninterrupted "
            "training"
        )


def find_earlier(folder: Path, config: Config, processes: int | None = None) -> EarlierRun | None:
    """Find the run in a folder that this configuration resumes; None for a new run.

    Args:
        folder: the run folder.
        config: the configuration.
        processes: number of processes on all machines; `trainer.devices` if None.

    Raises:
        UserError: the run was started with another configuration, or the folder contains other
            files.
    """
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if config.fresh or not names:
        return None
    if "config.yaml" not in names:
        if unknown := sorted(n for n in names - INCOMPLETE if not n.startswith(".")):
            raise UserError(
                f"{folder} is not a run folder (it contains {unknown[0]}): choose another name=, "
                "or set fresh=true to move it aside"
            )
        return None
    stored, info = read_config(folder), read_info(folder)
    config = with_former_defaults(stored, config)
    if ADOPTED in info:
        raise UserError(
            f"{folder} has a model of another program (seq2seq adopt), which cannot be trained "
            "further: choose another name=, or set fresh=true to move it aside"
        )
    changes = differences(written_out(stored), written_out(dataclasses.asdict(config)))
    now = config.trainer.devices if processes is None else processes
    then = info.get("devices", section(stored, "trainer").get("devices"))
    if not isinstance(then, int) or then < 1:
        then = now
    accumulate = changes.get("train.accumulate", (config.train.accumulate,) * 2)
    batches = then * accumulate[0], now * accumulate[1]
    if batches[0] == batches[1]:
        changes.pop("train.accumulate", None)  # an update consists of the same batches as before
    refuse(folder, changes, config)
    earlier = EarlierRun(folder, info, changes, (then, now), batches)
    if not earlier.complete and "model.safetensors" in names and "state" not in names:
        raise UserError(
            f"{folder} has no saved state to resume from (an older version trained it): choose "
            "another name=, or set fresh=true to move it aside"
        )
    return earlier


def describe_former(given: Config, resumed: Config) -> str | None:
    """A sentence on the FORMER defaults that a resumed run keeps; None if there are none."""
    now, then = (flatten(dataclasses.asdict(one)) for one in (given, resumed))
    kept = [f"{key}={format_value(then[key])}" for key in FORMER if now.get(key) != then.get(key)]
    if not kept:
        return None
    return (
        f"resuming with the defaults of the version that started this run: {', '.join(kept)} "
        "(resume=force changes them)"
    )


def read_info(folder: Path) -> dict[str, Any]:
    """Read run.json; empty if it is damaged, because training rewrites it."""
    try:
        return read_json(folder / "run.json")
    except (OSError, UserError):
        return {}


def differences(stored: Mapping[str, Any], given: Mapping[str, Any]) -> Changes:
    """The keys of a stored configuration whose values have changed, without the harmless ones."""
    then, now = flatten(stored), flatten(given)
    keys = [key for key in then if key not in HARMLESS and then[key] != now.get(key)]
    return {key: (then[key], now.get(key)) for key in keys}


def refuse(folder: Path, changes: Changes, config: Config) -> None:
    """Raise an error for changed keys that would alter a resumed run.

    Raises:
        UserError: a FIXED key has changed, or another key without resume=force.
    """
    other = "choose another name=, or start over with fresh=true (moves the existing run aside)"
    if fixed := {key: changes[key] for key in changes if key in FIXED}:
        raise UserError(
            f"{folder} was started with {describe_changes(fixed)}, which cannot change: {other}"
        )
    free = {*ENDS} if config.train.schedule != "cosine" else {"train.patience"}
    refused = {key: changes[key] for key in changes if key not in free}
    if not refused or config.resume == "force":
        return
    why = (
        " (the cosine falls to zero at the end of the budget)" if refused.keys() <= {*ENDS} else ""
    )
    raise UserError(
        f"{folder} was started with {describe_changes(refused)}{why}: {other}, or resume anyway "
        "with resume=force"
    )


def describe_changes(changes: Changes) -> str:
    """Format changed keys with their old and new values."""
    return ", ".join(
        f"{key}={format_value(then)} (now {format_value(now)})"
        for key, (then, now) in changes.items()
    )


def format_value(value: Any) -> str:
    """Format a value as on the command line, on one line; a long one is truncated."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    text = printable(" ".join(text.split()))
    return text if len(text) <= 300 else f"{text[:300]}..."


def refuse_other_text(earlier: EarlierRun, data: Mapping[str, Any], config: Config) -> None:
    """Check that the training and validation text have not changed since the run was started.

    Args:
        earlier: the run to resume.
        data: the `data` field of run.json for the current corpus.
        config: the current configuration.

    Raises:
        UserError: the text has changed, without resume=force.
    """
    links = [
        section(facts.get("train", {}), "links").get("sha256")
        for facts in (section(earlier.info, "data"), data)
    ]
    if None not in links and links[0] != links[1] and config.resume != "force":
        raise UserError(
            f"the word links of guided attention have changed since {earlier.folder} was started: "
            "restore them, choose another name=, start over with fresh=true, or resume anyway with "
            "resume=force"
        )
    for split in ("train", "validation"):
        then = section(section(earlier.info, "data"), split).get("sha256")
        now = data[split]["sha256"]
        if isinstance(then, str) and then != now and config.resume != "force":
            raise UserError(
                f"the {split} text has changed since {earlier.folder} was started "
                f"(SHA-256 {then[:12]}, now {now[:12]}): restore it, choose another name=, start "
                "over with fresh=true, or resume anyway with resume=force"
            )


def refuse_started_run(folder: Path) -> None:
    """Check that no other process has created the run since `find_earlier` was called.

    Raises:
        UserError: the folder now contains a run.
    """
    if (folder / "config.yaml").exists():
        raise UserError(
            f"another process has just started {folder}: run the same command again to resume it"
        )
