"""What a training tells: logs for machines, run.json for later verbs, lines for people.

log.jsonl has what the same command gives again, byte for byte, where train.max_minutes is null;
what is measured by a clock is in clock.jsonl, at the same steps.
"""

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from rich import box
from rich.table import Table

from seq2seq.config import Config
from seq2seq.errors import UserError
from seq2seq.runs.folder import FORMAT
from seq2seq.scoring.perplexity import perplexity
from seq2seq.system.console import console
from seq2seq.system.files import append_line, synced_length, truncate, write_json
from seq2seq.system.provenance import commit, machine, versions
from seq2seq.training.resume import EarlierRun, describe_changes
from seq2seq.training.validation import Validation

LOGS = ("log.jsonl", "clock.jsonl")
STAMP = "%Y-%m-%dT%H:%M:%S%z"


class TrainingLog:
    """The records of one run; silent in every process but the first.

    Args:
        fabric: the process, and TensorBoard where it is asked for.
        folder: the run folder.
        config: the run's configuration.
        facts: what is known before training: counts, hashes, sizes.
    """

    def __init__(self, fabric: Fabric, folder: Path, config: Config, facts: dict[str, Any]) -> None:
        self.fabric, self.folder, self.is_main = fabric, folder, fabric.is_global_zero
        self.clocked = config.train.schedule if config.train.max_minutes is not None else None
        self.info = {
            "format": FORMAT,
            "name": config.name,
            "status": "running",
            "seed": config.seed,
            "started": time.strftime(STAMP),
            **facts,
            "versions": versions(),
            "commit": commit(),
            "machine": machine(),
            "devices": fabric.world_size,
        }

    def update(self, **facts: Any) -> None:
        """Bring run.json up to date."""
        self.info.update(facts)
        if self.is_main:
            write_json(self.folder / "run.json", self.info)

    def write(self, step: int, entry: dict[str, Any], clock: dict[str, Any]) -> None:
        """One line of each log, given to the system at once; the same to TensorBoard."""
        for name, found in zip(LOGS, (entry, clock), strict=True):
            if self.is_main:
                append_line(self.folder / name, json.dumps({"step": step, **found}))
            self.fabric.log_dict({k: v for k, v in found.items() if v is not None}, step=step)

    def truncate(self, lengths: dict[str, int]) -> None:
        """Drop what the logs tell of a time after the save that training goes on from."""
        for name in LOGS:
            truncate(self.folder / name, lengths.get(name, 0))

    def log_resume(self, earlier: EarlierRun, progress: dict[str, Any]) -> None:
        """Say where an earlier process stopped, and note it in run.json."""
        changes = {key: list(values) for key, values in earlier.changes.items()}
        again = {
            "step": progress["steps"],
            "at": time.strftime(STAMP),
            "commit": commit(),
            "changes": changes,
        }
        self.info["started"] = earlier.info.get("started", self.info["started"])
        before = earlier.info.get("resumed")
        self.update(**progress, resumed=[*(before if isinstance(before, list) else []), again])
        self.print(
            f"going on at step {progress['steps']:,}, epoch {progress['epochs']:.1f}, "
            f"{progress['minutes']:.1f} min"
            + (
                f", with other values than before: {describe_changes(earlier.changes)}"
                if changes
                else ""
            )
        )

    def lengths(self) -> dict[str, int]:
        """Bytes of each log, all of them on disk."""
        return {name: synced_length(self.folder / name) for name in LOGS}

    def print(self, text: str) -> None:
        """A line for the person who waits."""
        if self.is_main:
            console.print(text)

    def print_setup(self) -> None:
        """Say what is about to be trained, on what."""
        data, model = self.info["data"], self.info["model"]
        train = data["train"]
        left_out = [
            f"{train[k]:,} {k.replace('_', ' ')}" for k in ("empty", "too_long") if train[k]
        ]
        self.print(
            f"corpus: {train['pairs']:,} pairs {data['source']}-{data['target']}, "
            f"{train['used']:,} used" + (f" (left out: {', '.join(left_out)})" if left_out else "")
        )
        self.print(
            f"batches: {train['batches']:,} an epoch, {train['padding']:.1%} padding; "
            f"vocabulary: {model['source_vocab']:,} and {model['target_vocab']:,} pieces"
            + (", shared" if model["shared_vocab"] else "")
        )
        where = self.fabric.device.type
        if self.fabric.world_size > 1:
            where += f", {self.fabric.world_size} processes"
        self.print(f"model: {model['kind']}, {self.info['parameters']:,} parameters, on {where}")
        if self.clocked:
            rate = ", and the cosine's learning rate follows it" if self.clocked == "cosine" else ""
            self.print(
                f"train.max_minutes: a clock decides the last step{rate}, so that the same command "
                "does not give the same weights again (train.max_steps or max_epochs would)"
            )

    def log_validation(
        self, validation: Validation, *, best: bool, minutes: float, seconds: float
    ) -> None:
        """Tell of a validation."""
        self.write(
            validation.step,
            {
                "validation_loss": validation.loss,
                "validation_perplexity": perplexity(validation.loss),
                "validation_bleu": validation.bleu,
            },
            {"minutes": minutes, "validation_seconds": seconds},
        )
        self.print(
            f"step {validation.step:>6,}  {minutes:6.1f} min  loss {validation.loss:.3f}  "
            f"BLEU {validation.bleu:5.2f}{'  best so far' if best else ''}"
        )

    def close(self) -> None:
        """A run that nobody called finished has failed."""
        with suppress(UserError):  # a full disk, of which somebody has been told
            if self.info["status"] == "running":
                self.update(status="failed")

    def print_summary(self) -> None:
        """A table of what came out, and where everything lies."""
        if not self.is_main:
            return
        info, best = self.info, self.info.get("best") or {}
        table = Table(box=box.SIMPLE_HEAD, show_edge=False)
        for heading in ("steps", "epochs", "minutes", "target tokens/s", "best at", "loss", "BLEU"):
            table.add_column(heading, justify="right")
        table.add_row(
            f"{info['steps']:,}",
            f"{info['epochs']:.1f}",
            f"{info['minutes']:.1f}",
            f"{info['target_tokens_per_second']:,.0f}",
            f"step {best['step']:,}" if best else "-",
            f"{best['loss']:.3f}" if best else "-",
            f"{best['bleu']:.2f}" if best else "-",
        )
        console.print(f"{info['name']}: {info['status']}; the best by validation is kept")
        console.print(table)
        console.print(f"wrote {self.folder}/: model.safetensors, config.yaml, run.json, log.jsonl,")
        console.print("  clock.jsonl, tokenizers, checkpoints/, state/, and the test sets in hyps/")
        if info["status"] == "interrupted":
            console.print("the same command goes on where it stopped")
        console.print(f"next: seq2seq evaluate {self.folder}")
