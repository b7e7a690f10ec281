"""The kept scores and the curves of this experiment, from the folders of its runs.

python experiments/published/summary.py RUNS experiments/published: runs are named as in `run.sh`.
scores.json keeps its entries of other runs, and the picture has all curves that it has.
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


def validations(path: Path, epochs_per_update: float) -> dict[str, list[float]]:
    """Return the epochs and the BLEU of the validations of a run."""
    entries = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    found = [e for e in entries if "validation_bleu" in e]
    return {
        "epochs": [e["step"] * epochs_per_update for e in found],
        "bleu": [e["validation_bleu"] for e in found],
    }


def main(folder: Path, out: Path) -> None:
    """Write scores.json and curves.png."""
    kept = json.loads((out / "scores.json").read_text("utf-8"))
    for path in sorted(folder.glob("*/scores.json")):
        info = json.loads(path.with_name("run.json").read_text("utf-8"))
        if info["status"] != "finished":
            sys.exit(
                f"{path.parent} is {info['status']}: train it to the end, and evaluate it again"
            )
        scores = json.loads(path.read_text("utf-8"))
        pace = info["epochs"] / info["steps"]
        kept[path.parent.name] = {
            "training": {key: info[key] for key in TRAINING if key in info},
            "validations": validations(path.with_name("log.jsonl"), pace),
            **{test: {k: entry[k] for k in KEPT if k in entry} for test, entry in scores.items()},
        }
    lines = [
        (name, entry["validations"]["epochs"], entry["validations"]["bleu"])
        for name, entry in kept.items()
        if "validations" in entry and name.endswith("-1") and not any(o in name for o in OTHER)
    ]
    write_json(out / "scores.json", kept)
    validation_curves(lines, out / "curves.png", x="epochs", y="BLEU, validation")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
