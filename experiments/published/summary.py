"""The kept scores and the curves of this experiment, from the folders of its runs.

python experiments/published/summary.py RUNS experiments/published: runs are named as in `run.sh`.
scores.json keeps its entries of other runs.
"""

import json
import sys
from pathlib import Path

from seq2seq.plots.curves import validation_curves
from seq2seq.system.files import write_json

KEPT = ("bleu", "bleu_lowercase", "chrf", "ter", "perplexity", "search", "test", "alignment")
KEPT += ("sentences_per_second", "seed", "versions", "machine", "date")
TRAINING = ("parameters", "steps", "epochs", "minutes", "best", "commit")


OTHER = ("greek", "cased", "de-en")  # other text, or the other direction


def validations(path: Path, epochs_per_update: float) -> tuple[list[float], list[float]]:
    """Return the epochs and the BLEU of the validations of a run."""
    entries = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    found = [e for e in entries if "validation_bleu" in e]
    return [e["step"] * epochs_per_update for e in found], [e["validation_bleu"] for e in found]


def main(folder: Path, out: Path) -> None:
    """Write scores.json and curves.png."""
    kept = json.loads((out / "scores.json").read_text("utf-8"))
    lines = []
    for path in sorted(folder.glob("*/scores.json")):
        name, info = path.parent.name, json.loads(path.with_name("run.json").read_text("utf-8"))
        scores = json.loads(path.read_text("utf-8"))
        kept[name] = {
            "training": {key: info[key] for key in TRAINING if key in info},
            **{test: {k: entry[k] for k in KEPT if k in entry} for test, entry in scores.items()},
        }
        if name.endswith("-1") and not any(other in name for other in OTHER):
            pace = info["epochs"] / info["steps"]
            lines.append((name, *validations(path.with_name("log.jsonl"), pace)))
    write_json(out / "scores.json", kept)
    validation_curves(lines, out / "curves.png", x="epochs", y="BLEU, validation")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
