"""Whether a run that has begun may go on: what its configuration and corpus were, and are now."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq2seq.config import Config, locate
from seq2seq.corpora.splits import Splits
from seq2seq.errors import UserError
from seq2seq.runs.folder import read_config
from seq2seq.runs.untrusted import read_json
from seq2seq.runs.weights import read_tensors
from seq2seq.system.lock import LOCK
from seq2seq.text.characters import printable

# Keys that change nothing of what is learned, and why.
HARMLESS = {
    "name": "what the folder is called",
    "runs_dir": "where the folder lies",
    "fresh": "of the start alone",
    "resume": "of the start alone",
    "trainer.threads": "speed; the last bits of sums, as on another machine",
    "trainer.compile": "likewise",
    "train.log_every": "how often it tells",
    "train.save_every": "how often it saves",
    "train.max_skipped": "when to give up",
    "train.tensorboard": "a second log",
}
# Keys that say when to stop: no update made so far depends on them, but for the cosine.
ENDS = ("train.max_steps", "train.max_epochs", "train.max_minutes", "train.patience")
# Keys that what is saved was made by.
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
    "trainer.devices",
)
# What lies in a folder whose run was ended before it was laid out.
BEGINNINGS = {LOCK, "hyps", "tokenizer.model", "source.model", "target.model"}

Changes = dict[str, tuple[Any, Any]]


@dataclass(frozen=True)
class EarlierRun:
    """A run that has begun.

    changes: the keys with another value now that may matter, each with the old and the new one.
    """

    folder: Path
    info: Mapping[str, Any]
    changes: Changes

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do: it is finished, its model is whole, no end was moved."""
        if self.info.get("status") != "finished" or self.changes:
            return False
        try:
            read_tensors(self.folder / "model.safetensors")
        except UserError:
            return False
        return True


def find_earlier(folder: Path, config: Config) -> EarlierRun | None:
    """The run in a folder if this configuration may go on with it; None if there is none.

    Raises:
        UserError: it was begun with another configuration, or the folder holds something else.
    """
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if config.fresh or not names:
        return None
    if "config.yaml" not in names:
        if unknown := sorted(n for n in names - BEGINNINGS if not n.startswith(".")):
            raise UserError(
                f"{folder} holds {unknown[0]} and no run: choose another name=, or give "
                "fresh=true to move it aside"
            )
        return None
    changes = differences(written_out(read_config(folder)), written_out(dataclasses.asdict(config)))
    refuse(folder, changes, config)
    found = EarlierRun(folder, read_info(folder), changes)
    if not found.complete and "model.safetensors" in names and "state" not in names:
        raise UserError(
            f"{folder} has no saved state to go on from (an older version trained it): choose "
            "another name=, or give fresh=true to move it aside"
        )
    return found


def as_begun(folder: Path, config: Config) -> Config:
    """The configuration of a run that goes on: keys younger than the run keep their old meaning."""
    stored = read_config(folder)
    data = {**config.data}
    if "bleu_tokenizer" not in section(stored, "data"):
        data.pop("bleu_tokenizer", None)
    tokenizer = config.tokenizer
    if "target_normalization" not in section(stored, "tokenizer"):
        tokenizer = dataclasses.replace(tokenizer, target_normalization=None)
    return dataclasses.replace(config, data=data, tokenizer=tokenizer)


def read_info(folder: Path) -> dict[str, Any]:
    """What run.json says; nothing where it is damaged, for training writes it anew."""
    try:
        return read_json(folder / "run.json")
    except (OSError, UserError):
        return {}


def section(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A part of a stored mapping; empty where it is missing or something else."""
    part = values.get(key)
    return part if isinstance(part, dict) else {}


def written_out(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration with the names that null stands for in its `data`."""
    data = section(config, "data")
    try:
        corpus = locate("data", data.get("name"))
    except UserError:
        return config
    return config | {"data": corpus.written_out(data)} if issubclass(corpus, Splits) else config


def differences(stored: Any, given: Any) -> Changes:
    """The keys of a stored configuration whose values are others now, but for harmless ones."""
    then, now = dict(flat(stored)), dict(flat(given))
    keys = [key for key in then if key not in HARMLESS and then[key] != now.get(key)]
    return {key: (then[key], now.get(key)) for key in keys}


def flat(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and their values."""
    for key, value in tree.items() if isinstance(tree, dict) else ():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def refuse(folder: Path, changes: Changes, config: Config) -> None:
    """Say what is another value now and may not be."""
    other = "choose another name=, or begin again with fresh=true (the old run is moved aside)"
    if fixed := {key: changes[key] for key in changes if key in FIXED}:
        raise UserError(
            f"{folder} was begun with {describe_changes(fixed)}, which cannot change: {other}"
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
    """Changed keys with both values."""
    return ", ".join(
        f"{key}={format_value(then)} (now {format_value(now)})"
        for key, (then, now) in changes.items()
    )


def format_value(value: Any) -> str:
    """A value as the command line writes it, on one line; the beginning of a long one."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    text = printable(" ".join(text.split()))
    return text if len(text) <= 300 else f"{text[:300]}..."


def refuse_other_text(earlier: EarlierRun, data: Mapping[str, Any], config: Config) -> None:
    """Refuse to go on with other text than the run was begun with, unless forced.

    Args:
        earlier: the run.
        data: what run.json would say of the corpus now.
        config: the configuration now.
    """
    for split in ("train", "validation"):
        then = section(section(earlier.info, "data"), split).get("sha256")
        now = data[split]["sha256"]
        if isinstance(then, str) and then != now and config.resume != "force":
            raise UserError(
                f"the {split} text is not the one that {earlier.folder} was begun with "
                f"(SHA-256 {then[:12]}, now {now[:12]}): restore it, choose another name=, begin "
                "again with fresh=true, or go on all the same with resume=force"
            )


def refuse_started_run(folder: Path) -> None:
    """Refuse to lay out a run where another process did so since `earlier` looked."""
    if (folder / "config.yaml").exists():
        raise UserError(
            f"another process has begun {folder} meanwhile: the same command goes on with it"
        )
