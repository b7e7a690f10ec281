"""Runs that differ in their seed as one: means and standard deviations, tables and curves.

python experiments/summary.py RUNS experiments/NAME: NAME says which question is asked of the runs,
`length` or `agreement`. Runs are folders MODEL-WORDS-SEED, WORDS the longest sentence of training.
"""

import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev

from seq2seq.plots.curves import curves
from seq2seq.runs.scored import scored_runs
from seq2seq.scoring.breakdown import Point, distance_points, length_points
from seq2seq.system.exit_status import reporting_user_errors
from seq2seq.system.files import write_json, write_lines

DISTANCE = "words between subject and verb"
QUESTIONS = {
    "length": ("test_long", length_points, "words of the source sentence", "BLEU"),
    "agreement": ("test_agreement", distance_points, DISTANCE, "agreement, %"),
}
KEPT = ("bleu", "exact_match", "by_length", "agreement", "alignment", "perplexity", "test")
KEPT += ("sentences_per_second", "search", "seed", "versions", "commit", "machine", "date")


def spread(values: list[float]) -> str:
    """Mean and standard deviation over seeds."""
    return f"{mean(values):.1f} ± {stdev(values):.1f}" if len(values) > 1 else f"{values[0]:.1f}"


def main(folder: Path, out: Path) -> None:
    """Write table.md, scores.json and a picture for each longest sentence of training."""
    test, read, x, y = QUESTIONS[out.name]
    runs = defaultdict(list)
    kept = {}
    for run in scored_runs(folder, "*-*-*"):
        model, words, _ = run.name.split("-")
        runs[int(words), model].append(run.scores)
        kept[run.name] = {
            "training": {k: run.info[k] for k in ("parameters", "steps", "minutes", "commit")},
            **{t: {k: entry[k] for k in KEPT if k in entry} for t, entry in run.scores.items()},
        }
    lines = []
    for longest in sorted({words for words, _ in runs}):
        systems = {}
        for (words, model), group in sorted(runs.items()):
            if words == longest:
                points: dict[str, list[Point]] = defaultdict(list)
                for scores in group:
                    for point in read(scores[test]):
                        points[point.place].append(point)
                systems[model] = {place: [p.value for p in of] for place, of in points.items()}
        places = list(next(iter(systems.values())))
        lines += [f"Trained on at most {longest} words:", ""]
        lines += [f"| {' | '.join(['model', 'seeds', 'BLEU, test', 'AER, test', *places])} |"]
        lines += ["|:--" + "|--:" * (3 + len(places)) + "|"]
        for model, values in systems.items():
            group = runs[longest, model]
            aers = [g["test"]["alignment"]["aer"] for g in group if "alignment" in g["test"]]
            cells = [model, str(len(group)), spread([g["test"]["bleu"]["score"] for g in group])]
            cells += [f"{mean(aers):.3f}" if aers else "-"]
            cells += [spread(values[place]) for place in places]
            lines += [f"| {' | '.join(cells)} |"]
        lines.append("")
        means = {m: {p: mean(v) for p, v in of.items()} for m, of in systems.items()}
        curves(means, out / f"{out.name}-{longest}.png", x=x, y=y)
    write_lines(out / "table.md", lines)
    write_json(out / "scores.json", kept)
    print("\n".join(lines))


if __name__ == "__main__":
    with reporting_user_errors():
        main(Path(sys.argv[1]), Path(sys.argv[2]))
