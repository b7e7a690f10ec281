"""The kept scores and the curves of this experiment, from the folders of its runs.

python experiments/published/summary.py RUNS experiments/published: runs are named as in `run.sh`.
scores.json keeps its entries of other runs; the picture has the curves of CURVES.
"""

import json
import sys
from pathlib import Path

from seq2seq.plots.curves import validation_curves
from seq2seq.runs.scored import ScoredRun, scored_runs, validations
from seq2seq.system.exit_status import reporting_user_errors
from seq2seq.system.files import write_json

KEPT = ("bleu", "bleu_lowercase", "chrf", "ter", "perplexity", "search", "test", "alignment")
KEPT += ("sentences_per_second", "seed", "versions", "machine", "date")
TRAINING = ("parameters", "steps", "epochs", "minutes", "best", "commit")
CURVES = (  # runs of the first two tables; the validations of earlier ones are not kept
    "transformer-post-r_drop-1",
    "transformer-pre-r_drop-1",
    "transformer-post-r_drop-weight-3-1",
    "bahdanau-xavier-1",
    "bahdanau-r_drop-1",
    "bahdanau-dropout-0.4-1",
    "rnn-xavier-1",
)


def course(run: ScoredRun) -> dict[str, list[float]]:
    """Return the epochs and the BLEU of the validations of a run."""
    found = validations(run.path)
    pace = run.info["epochs"] / run.info["steps"]
    return {
        "epochs": [e["step"] * pace for e in found],
        "bleu": [e["validation_bleu"] for e in found],
    }


def main(folder: Path, out: Path) -> None:
    """Write scores.json and curves.png."""
    kept = json.loads((out / "scores.json").read_text("utf-8"))
    for run in scored_runs(folder):
        kept[run.name] = {
            "training": {key: run.info[key] for key in TRAINING if key in run.info},
            "validations": course(run),
            **{t: {k: entry[k] for k in KEPT if k in entry} for t, entry in run.scores.items()},
        }
    lines = [
        (name, kept[name]["validations"]["epochs"], kept[name]["validations"]["bleu"])
        for name in CURVES
        if name in kept
    ]
    write_json(out / "scores.json", kept)
    validation_curves(lines, out / "curves.png", x="epochs", y="BLEU, validation")


if __name__ == "__main__":
    with reporting_user_errors():
        main(Path(sys.argv[1]), Path(sys.argv[2]))
