"""The table and the curves of one part of the experiment, from runs named MODEL-SEED.

python experiments/family/summary.py RUNS/updates experiments/family: scores.json keeps its entries
of other runs, and the table and the curves have all of them.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from seq2seq.plots.curves import curves
from seq2seq.runs.scored import scored_runs
from seq2seq.scoring.breakdown import distance_points, length_points
from seq2seq.system.exit_status import reporting_user_errors
from seq2seq.system.files import write_json, write_lines

ORDER = [
    "word_for_word",
    "elman",
    "lstm",
    "rnn",
    "luong",
    "bahdanau",
    "transformer",
    "transformer_modern",
    "decoder_only",
    "encoder_only",
]
COLUMNS = {
    "updates": lambda scores: scores["training"]["steps"],
    "BLEU, test": lambda scores: scores["test"]["bleu"]["score"],
    "BLEU, test_long": lambda scores: scores["test_long"]["bleu"]["score"],
    "agreement, %": lambda scores: scores["test_agreement"]["agreement"]["score"],
    "pronouns, %": lambda scores: scores["test_pronoun"]["pronoun"]["score"],
    "AER, %": lambda scores: 100 * scores["test"]["alignment"]["aer"],
}
KEPT = ("bleu", "exact_match", "by_length", "agreement", "pronoun", "alignment", "perplexity")
KEPT += ("search", "seed", "versions", "machine")
FACTS = ("parameters", "steps", "epochs", "minutes", "commit")  # of run.json


def cell(group: list[dict[str, Any]], read: Any) -> str:
    """Return the mean over seeds, with the standard deviation if there are several."""
    values = []
    for scores in group:
        try:
            values.append(read(scores))
        except KeyError:  # this test set, or this score, does not exist
            continue
    if not values:
        return "-"
    if all(isinstance(value, int) for value in values):
        return f"{mean(values):,.0f}"
    return f"{mean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else "")


def main(folder: Path, out: Path) -> None:
    """Write table.md, scores.json, length.png and agreement.png."""
    file = out / "scores.json"
    kept: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    for run in scored_runs(folder):
        kept[run.name] = {
            "training": {key: run.info[key] for key in FACTS},
            **{t: {k: entry[k] for k in KEPT if k in entry} for t, entry in run.scores.items()},
        }
    groups = defaultdict(list)
    for name, entry in kept.items():
        groups[name.rpartition("-")[0]].append(entry)
    models = [model for model in ORDER if model in groups]
    lines = [f"| model | seeds | {' | '.join(COLUMNS)} |", "|:--|" + "--:|" * (1 + len(COLUMNS))]
    for model in models:
        cells = [cell(groups[model], read) for read in COLUMNS.values()]
        lines.append(f"| {model} | {len(groups[model])} | {' | '.join(cells)} |")
    write_lines(out / "table.md", lines)
    write_json(file, dict(sorted(kept.items())))
    for name, test, read, x, y in (
        ("length", "test_long", length_points, "words of the source sentence", "BLEU"),
        ("agreement", "test_agreement", distance_points, "words between subject and verb", "%"),
    ):
        means = {}
        for model in models:
            points = defaultdict(list)
            for scores in groups[model]:
                for point in read(scores.get(test, {})):
                    points[point.place].append(point.value)
            means[model] = {place: mean(values) for place, values in points.items()}
        curves(
            {m: one for m, one in means.items() if one},
            out / f"{name}.png",
            x=x,
            y=y if name == "length" else "agreement, %",
        )
    print("\n".join(lines))


if __name__ == "__main__":
    with reporting_user_errors():
        main(Path(sys.argv[1]), Path(sys.argv[2]))
