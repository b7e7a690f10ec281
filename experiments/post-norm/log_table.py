"""The table of this experiment, from the logs of its runs.

python experiments/post-norm/log_table.py RUNS experiments/post-norm: scores.json keeps its entries
of other runs, and table.md has all of them.
"""

import json
import sys
from pathlib import Path
from typing import Any

from seq2seq.runs.scored import finished_info, validations
from seq2seq.system.exit_status import reporting_user_errors
from seq2seq.system.files import write_json, write_lines

VARIANTS = ("recipe", "clip", "epsilon", "init", "dropout", "init-dropout")
FACTS = ("parameters", "steps", "epochs", "minutes", "commit", "versions", "machine")  # of run.json


def main(folder: Path, out: Path) -> None:
    """Write scores.json and table.md."""
    file = out / "scores.json"
    kept: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    for name in VARIANTS:
        if (folder / name).is_dir():
            info = finished_info(folder / name)
            kept[name] = {
                "training": {key: info[key] for key in FACTS if key in info},
                "validations": validations(folder / name),
            }
    steps = sorted({entry["step"] for one in kept.values() for entry in one["validations"]})
    heads = [f"loss, {step}" for step in steps]
    heads += [f"variation, {step}" for step in steps]
    heads += [f"source gain, {steps[-1]}", f"BLEU, {steps[-1]}"]
    lines = [f"| | {' | '.join(heads)} |", "|:--|" + "--:|" * len(heads)]
    for name in filter(kept.__contains__, VARIANTS):
        at = {entry["step"]: entry for entry in kept[name]["validations"]}
        cells = [f"{at[step]['validation_loss']:.2f}" for step in steps]
        cells += [f"{at[step]['validation_attention_variation']:.2f}" for step in steps]
        last = at[steps[-1]]
        cells += [f"{last['validation_source_gain']:.2f}", f"{last['validation_bleu']:.1f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    write_json(file, kept)
    write_lines(out / "table.md", lines)
    print("\n".join(lines))


if __name__ == "__main__":
    with reporting_user_errors():
        main(Path(sys.argv[1]), Path(sys.argv[2]))
