"""The table and the picture of this experiment, from runs named CORPUS-MODEL-PAIRS-SEED.

python experiments/data-size/summary.py RUNS experiments/data-size: scores.json keeps its entries of
other runs, and the table and the picture have all of them.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

from matplotlib.axes import Axes

from seq2seq.plots.curves import styles
from seq2seq.plots.figure import paper
from seq2seq.runs.scored import scored_runs
from seq2seq.system.exit_status import reporting_user_errors
from seq2seq.system.files import write_json, write_lines

MODELS = ("rnn", "bahdanau", "transformer")
TESTS = {"multi30k": "test_2016_flickr", "controlled": "test"}
KEPT = ("bleu", "alignment", "perplexity", "search", "versions", "machine")
TRAINING = ("parameters", "steps", "epochs", "minutes", "best", "commit")  # of run.json


class Panel(NamedTuple):
    """A score on a corpus."""

    title: str
    corpus: str
    score: str


PANELS = (
    Panel("BLEU, Multi30k", "multi30k", "bleu"),
    Panel("BLEU, built-in corpus", "controlled", "bleu"),
    Panel("AER, built-in corpus, %", "controlled", "aer"),
)
Values = dict[tuple[str, str, str, int], list[float]]  # by corpus, score, model and pairs


def update(kept: dict[str, Any], folder: Path) -> None:
    """Put the scores of the runs of a folder into what scores.json keeps.

    Raises:
        UserError: a run is not finished.
    """
    for run in scored_runs(folder, "*-*-*-*"):
        test = TESTS[run.name.partition("-")[0]]
        scores, info = run.scores[test], run.info
        kept[run.name] = {
            "training": {key: info[key] for key in TRAINING},
            test: {key: scores[key] for key in KEPT if key in scores},
        }


def gather(kept: dict[str, Any]) -> Values:
    """Return the scores of all seeds."""
    values = defaultdict(list)
    for name, entry in kept.items():
        corpus, model, pairs, _ = name.split("-")
        scores = entry[TESTS[corpus]]
        values[corpus, "bleu", model, int(pairs)].append(scores["bleu"]["score"])
        if "alignment" in scores:
            values[corpus, "aer", model, int(pairs)].append(100 * scores["alignment"]["aer"])
    return dict(values)


def cell(scores: list[float]) -> str:
    """Format the mean, and the standard deviation if there are several seeds."""
    if not scores:
        return "-"
    return f"{mean(scores):.1f}" + (f" ± {stdev(scores):.1f}" if len(scores) > 1 else "")


def table(values: Values, sizes: list[int]) -> list[str]:
    """Return the lines of a table in Markdown."""
    lines = [f"| | model | {' | '.join(f'{size:,}' for size in sizes)} |"]
    lines += ["|:--|:--|" + "--:|" * len(sizes)]
    for panel in PANELS:
        for model in MODELS:
            row = [values.get((panel.corpus, panel.score, model, size), []) for size in sizes]
            if any(row):
                lines.append(f"| {panel.title} | `{model}` | {' | '.join(map(cell, row))} |")
    return lines


def draw(axes: Axes, panel: Panel, values: Values, sizes: list[int]) -> None:
    """Draw a line for each model: means, and all seeds as points if there are several."""
    for model, style in zip(MODELS, styles(), strict=False):
        points = {
            size: scores
            for size in sizes
            if (scores := values.get((panel.corpus, panel.score, model, size)))
        }
        if points:
            axes.plot(list(points), [mean(of) for of in points.values()], label=model, **style)
        seeds = [(size, score) for size, of in points.items() for score in of if len(of) > 1]
        if seeds:
            x, y = zip(*seeds, strict=True)
            axes.scatter(x, y, s=8, color=style["color"], alpha=0.5)
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{size // 1000}k" for size in sizes])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_xlabel("training pairs")
    axes.set_ylabel(panel.title)
    axes.grid(axis="y", linewidth=0.5, alpha=0.5)
    axes.spines[["top", "right"]].set_visible(False)


def main(folder: Path, out: Path) -> None:
    """Write table.md, scores.json and data-size.png."""
    kept = json.loads((out / "scores.json").read_text("utf-8"))
    update(kept, folder)
    values = gather(kept)
    sizes = sorted({pairs for _, _, _, pairs in values})
    lines = table(values, sizes)
    write_lines(out / "table.md", lines)
    write_json(out / "scores.json", kept)
    panels = [panel for panel in PANELS if any(key[:2] == panel[1:] for key in values)]
    with paper(out / "data-size.png") as figure:
        figure.set_size_inches(4.2 * len(panels), 3.6)
        row = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, panel in zip(row, panels, strict=True):
            draw(axes, panel, values, sizes)
        # The first panel has all models; the last place, beside the panels, has no line.
        handles, names = row[0].get_legend_handles_labels()
        place = {"loc": "upper left", "bbox_to_anchor": (1.01, 1), "borderaxespad": 0}
        row[-1].legend(handles, names, frameon=False, **place)
    print("\n".join(lines))


if __name__ == "__main__":
    with reporting_user_errors():
        main(Path(sys.argv[1]), Path(sys.argv[2]))
