"""The table and the picture of this experiment, from runs named MODEL-PAIRS-SEED.

python experiments/data-size/summary.py RUNS experiments/data-size
"""

import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean

from seq2seq.plots.curves import styles
from seq2seq.plots.figure import paper
from seq2seq.system.files import write_json, write_lines

MODELS = ("rnn", "bahdanau", "transformer")
PANELS = {"BLEU, test": "bleu", "AER, %": "aer"}
KEPT = ("bleu", "alignment", "perplexity", "search", "versions", "machine")


def main(folder: Path, out: Path) -> None:
    """Write table.md, scores.json and data-size.png."""
    values = defaultdict(list)
    kept = {}
    for path in sorted(folder.glob("*-*-*/scores.json")):
        model, pairs, _ = path.parent.name.split("-")
        info = json.loads(path.with_name("run.json").read_text("utf-8"))
        scores = json.loads(path.read_text("utf-8"))["test"]
        kept[path.parent.name] = {
            "training": {k: info[k] for k in ("parameters", "steps", "epochs", "best", "commit")},
            "test": {key: scores[key] for key in KEPT if key in scores},
        }
        values["bleu", model, int(pairs)].append(scores["bleu"]["score"])
        if "alignment" in scores:
            values["aer", model, int(pairs)].append(100 * scores["alignment"]["aer"])
    sizes = sorted({pairs for _, _, pairs in values})
    lines = ["| | model | " + " | ".join(f"{size:,}" for size in sizes) + " |"]
    lines += ["|:--|:--|" + "--:|" * len(sizes)]
    for title, score in PANELS.items():
        for model in MODELS:
            group = [values.get((score, model, size)) for size in sizes]
            if any(group):
                cells = [f"{mean(one):.1f}" if one else "-" for one in group]
                lines.append(f"| {title} | `{model}` | {' | '.join(cells)} |")
    write_lines(out / "table.md", lines)
    write_json(out / "scores.json", kept)
    with paper(out / "data-size.png") as figure:
        figure.set_size_inches(9, 3.6)
        for axes, (title, score) in zip(figure.subplots(1, 2), PANELS.items(), strict=True):
            for model, style in zip(MODELS, styles(), strict=False):
                points = {size: values.get((score, model, size)) for size in sizes}
                points = {size: mean(of) for size, of in points.items() if of}
                if points:
                    axes.plot(list(points), list(points.values()), label=model, **style)
            axes.set_xscale("log")
            axes.set_xticks(sizes, [f"{size:,}" for size in sizes], fontsize=7)
            axes.minorticks_off()
            axes.set_ylim(bottom=0)
            axes.set_xlabel("training pairs")
            axes.set_ylabel(title)
            axes.grid(axis="y", linewidth=0.5, alpha=0.5)
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(frameon=False)
    print("\n".join(lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
