"""The table of this experiment, from the logs of its runs.

python experiments/post-norm/log_table.py RUNS experiments/post-norm writes scores.json and
table.md.
"""

import json
import sys
from pathlib import Path
from typing import Any

from seq2seq.runs.folder import RunFolder
from seq2seq.system.exit_status import reporting_user_errors
from seq2seq.system.files import write_json, write_lines

VARIANTS = ("recipe", "clip", "epsilon", "init", "dropout", "init-dropout")
FACTS = ("parameters", "steps", "epochs", "minutes", "commit", "versions", "machine")  # of run.json


def validations(run: RunFolder) -> list[dict[str, Any]]:
    """Return the lines of log.jsonl that have a validation."""
    lines = (run.path / "log.jsonl").read_text("utf-8").splitlines()
    return [entry for entry in map(json.loads, lines) if "validation_bleu" in entry]


def main(folder: Path, out: Path) -> None:
    """Write scores.json and table.md."""
    kept: dict[str, dict[str, Any]] = {}
    for name in VARIANTS:
        if (folder / name).is_dir():
            run = RunFolder.open(folder / name)
            kept[name] = {
                "training": {key: run.info[key] for key in FACTS if key in run.info},
                "validations": validations(run),
            }
    steps = sorted({entry["step"] for one in kept.values() for entry in one["validations"]})
    heads = [f"loss, {step}" for step in steps]
    heads += [f"variation, {step}" for step in steps]
    heads += [f"source gain, {steps[-1]}", f"BLEU, {steps[-1]}"]
    lines = [f"| | {' | '.join(heads)} |", "|:--|" + "--:|" * len(heads)]
    for name, one in kept.items():
        at = {entry["step"]: entry for entry in one["validations"]}
        cells = [f"{at[step]['validation_loss']:.2f}" for step in steps]
        cells += [f"{at[step]['validation_attention_variation']:.2f}" for step in steps]
        last = at[steps[-1]]
        cells += [f"{last['validation_source_gain']:.2f}", f"{last['validation_bleu']:.1f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    write_json(out / "scores.json", kept)
    write_lines(out / "table.md", lines)
    print("\n".join(lines))


if __name__ == "__main__":
    with reporting_user_errors():
        main(Path(sys.argv[1]), Path(sys.argv[2]))
