"""Training logs: log.jsonl and clock.jsonl, run.json for later commands, and console output.

With train.max_minutes=null, repeating a command reproduces log.jsonl byte for byte. Time
measurements go to clock.jsonl, at the same steps.
"""

import json
import shlex
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from seq2seq.errors import UserError
from seq2seq.runs.folder import FORMAT
from seq2seq.scoring.perplexity import perplexity, perplexity_key
from seq2seq.settings.config import Config
from seq2seq.settings.plugins import locate
from seq2seq.system.console import console
from seq2seq.system.files import append_line, synced_length, truncate, write_json
from seq2seq.system.lightning import Fabric
from seq2seq.system.provenance import commit, environment, timestamp
from seq2seq.training.resume import EarlierRun, describe_changes
from seq2seq.training.source_use import SourceUse
from seq2seq.training.validation import Validation

LOGS = ("log.jsonl", "clock.jsonl")


class TrainingLog:
    """The logs of one run; only rank 0 writes and prints.

    Args:
        fabric: the Fabric handle of this process, with the TensorBoard logger if configured.
        folder: the run folder.
        config: the configuration of the run.
        facts: fields of run.json known before training: counts, hashes, sizes.
    """

    def __init__(self, fabric: Fabric, folder: Path, config: Config, facts: dict[str, Any]) -> None:
        self.fabric, self.folder, self.is_main = fabric, folder, fabric.is_global_zero
        self.closing = threading.Lock()
        self.clocked = config.train.schedule if config.train.max_minutes is not None else None
        model: Any = locate("model", config.model["name"])
        self.perplexity = f"validation_{perplexity_key(model)}"
        self.info = {
            "format": FORMAT,
            "name": config.name,
            "status": "running",
            "seed": config.seed,
            "started": timestamp(),
            **facts,
            **environment(),
            "devices": fabric.world_size,
        }

    def update(self, **facts: Any) -> None:
        """Update fields of run.json and write it."""
        self.info.update(facts)
        if self.is_main:
            write_json(self.folder / "run.json", self.info)

    def write(self, step: int, entry: dict[str, Any], clock: dict[str, Any]) -> None:
        """Append a line to each log, unbuffered, and log the same values to TensorBoard."""
        for name, values in zip(LOGS, (entry, clock), strict=True):
            if self.is_main:
                append_line(self.folder / name, json.dumps({"step": step, **values}))
            self.fabric.log_dict({k: v for k, v in values.items() if v is not None}, step=step)

    def truncate(self, lengths: dict[str, int]) -> None:
        """Drop log lines written after the save that training resumes from."""
        for name in LOGS:
            truncate(self.folder / name, lengths.get(name, 0))

    def log_resume(self, earlier: EarlierRun, progress: dict[str, Any]) -> None:
        """Print the step that training resumes at, and add the resume to run.json."""
        given = earlier.changes
        changes = {key: list(values) for key, values in given.items()}
        if remark := earlier.other_processes():
            self.print(remark)
            changes["processes"] = list(earlier.processes)
        entry = {
            "step": progress["steps"],
            "at": timestamp(),
            "commit": commit(),
            "changes": changes,
        }
        self.info["started"] = earlier.info.get("started", self.info["started"])
        before = earlier.info.get("resumed")
        self.update(**progress, resumed=[*(before if isinstance(before, list) else []), entry])
        self.print(
            f"resuming at step {progress['steps']:,}, epoch {progress['epochs']:.1f}, "
            f"{progress['minutes']:.1f} min"
            + (f", with changed values: {describe_changes(given)}" if given else "")
        )

    def lengths(self) -> dict[str, int]:
        """The size of each log in bytes, after syncing it to disk."""
        return {name: synced_length(self.folder / name) for name in LOGS}

    def print(self, text: str) -> None:
        """Print a line to the console."""
        if self.is_main:
            console.print(text)

    def print_setup(self) -> None:
        """Print a summary of the corpus, the batches, the model and the device."""
        data, model = self.info["data"], self.info["model"]
        train = data["train"]
        streamed, counts = bool(train.get("streamed")), train.get("sample", train)
        left_out = [
            f"{counts[k]:,} {k.replace('_', ' ')}" for k in ("empty", "too_long") if counts[k]
        ]
        first = "read while training; the first " if streamed else ""
        self.print(
            f"corpus: {first}{counts['pairs']:,} pairs {data['source']}-{data['target']}, "
            f"{counts['used']:,} used"
            + (f" (left out: {', '.join(left_out)})" if left_out else "")
            + (", are the text of the vocabulary and of the overlap" if streamed else "")
        )
        for name, part in train.get("parts", {}).items():
            weight = "" if part["weight"] is None else f", weight {part['weight']:g}"
            self.print(
                f"part {name}: {part['share']:.1%} of the pairs drawn, {part['used']:,} "
                f"pairs used of {part['pairs']:,}{weight}"
            )
        self.print(
            (
                ""
                if streamed
                else f"batches: {train['batches']:,} per epoch, {train['padding']:.1%} padding; "
            )
            + f"vocabulary: {model['source_vocab']:,} and {model['target_vocab']:,} pieces"
            + (", shared" if model["shared_vocab"] else "")
        )
        where = self.fabric.device.type
        if self.fabric.world_size > 1:
            where += f", {self.fabric.world_size} processes"
        parameters = self.info["parameters"]
        count = f"{parameters:,} parameters, " if parameters else ""  # 0 before fitting
        self.print(f"model: {model['kind']}, {count}on {where}")
        if self.clocked:
            cosine = self.clocked == "cosine"
            depends = "last step and the cosine schedule depend" if cosine else "last step depends"
            self.print(
                f"train.max_minutes: the {depends} on elapsed time, so that the same command does "
                "not reproduce the same weights (use train.max_steps or train.max_epochs for that)"
            )

    def log_validation(
        self,
        validation: Validation,
        use: SourceUse | None,
        *,
        best: bool,
        minutes: float,
        seconds: float,
        guided: float | None = None,
    ) -> None:
        """Log a validation and what is known of the use of the source, and print the validation.

        `guided` is the training loss of guided attention in the last line of the log.
        """
        fields = {} if use is None else {"validation_source_gain": use.gain}
        if use is not None and use.variation is not None:
            fields["validation_attention_variation"] = use.variation
        self.write(
            validation.step,
            {
                "validation_loss": validation.loss,
                self.perplexity: perplexity(validation.loss),
                "validation_bleu": validation.bleu,
                **fields,
            },
            {"minutes": minutes, "validation_seconds": seconds},
        )
        self.print(
            f"step {validation.step:>6,}  {minutes:6.1f} min  loss {validation.loss:.3f}  "
            f"BLEU {validation.bleu:5.2f}"
            + ("" if guided is None else f"  guided {guided:.3f}")
            + ("  best so far" if best else "")
        )

    def close(self) -> None:
        """Set the status to `failed` if it is still `running`."""
        # A thread may end this process once it has seen the status written (`processes.kill`).
        with self.closing, suppress(UserError):  # the disk is full, which has already been reported
            if self.info["status"] == "running":
                self.update(status="failed")

    def print_summary(self) -> None:
        """Print a table of the results and the location of the output files."""
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
        if count := info.get("streamed", {}).get("held_out"):
            console.print(
                f"overlap: {count:,} of the {info['streamed']['read']:,} training pairs read are "
                "also in the validation set or a test set"
            )
        console.print(f"{info['name']}: {info['status']}; kept the best weights by validation")
        console.print(table)
        console.print(f"wrote {self.folder}/: model.safetensors, config.yaml, run.json, log.jsonl,")
        console.print("  clock.jsonl, tokenizers, checkpoints/, state/, and the test sets in hyps/")
        if info["status"] == "interrupted":
            console.print("run the same command again to resume")
        console.print(f"next: seq2seq evaluate {shlex.quote(str(self.folder))}")
