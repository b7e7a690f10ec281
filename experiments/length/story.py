"""The picture at the top of the README: BLEU by length for three models, and one alignment.

    seq2seq align RUN --test examples --lines 1 --reference --out area.png  # and area.json
    python experiments/length/story.py area.json RUN/hyps/examples/gold.links.txt 1

The curves come from scores.json in this folder; RUN is a run with attention on the built-in corpus,
here runs/demo/bahdanau of `make demo`.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from seq2seq.alignment.gold import Links

HERE = Path(__file__).parent
MODELS = {  # label, color, marker: legible to the color-blind
    "bahdanau": ("RNN with attention", "#0072B2", "s"),
    "transformer": ("Transformer", "#009E73", "D"),
    "rnn": ("plain RNN", "#D55E00", "o"),
}
LONGEST = 20  # words of the longest training sentence


def curves() -> dict[str, dict[int, list[float]]]:
    """BLEU of each model by the longest source of a range of lengths, one number per seed."""
    found: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for run, entry in json.loads((HERE / "scores.json").read_text("utf-8")).items():
        model, words, _ = run.split("-")
        if int(words) == LONGEST:
            for bucket in entry["test_long"]["by_length"]:
                found[model][bucket["to"]].append(bucket["bleu"])
    return found


def draw_curves(axes: Axes) -> None:
    """Mean over the seeds, with the standard deviation as a band."""
    found = curves()
    for model, (label, color, marker) in MODELS.items():
        ends = sorted(found[model])
        means = [mean(found[model][end]) for end in ends]
        spread = [stdev(found[model][end]) for end in ends]
        axes.plot(ends, means, color=color, marker=marker, label=label)
        low, high = zip(*((m - s, m + s) for m, s in zip(means, spread, strict=True)), strict=True)
        axes.fill_between(ends, low, high, color=color, alpha=0.2, linewidth=0)
    axes.axvline(LONGEST, color="gray", linestyle="--", linewidth=1)
    words = "longest in training"
    axes.text(LONGEST + 0.6, 48, words, color="gray", fontsize=8, rotation=90)
    axes.set(xlabel="source length, words (up to)", ylabel="BLEU", ylim=(0, 100))
    axes.legend(frameon=False, loc="upper right", handlelength=1.2)
    axes.spines[["top", "right"]].set_visible(False)


def draw_alignment(axes: Axes, alignment: dict[str, Any], gold: Links) -> None:
    """Source words across, target words down; white is 1; gold links are outlined."""
    axes.imshow(alignment["weights"], cmap="gray", vmin=0, vmax=1, aspect="equal")
    axes.set_xticks(range(len(alignment["source_words"])), alignment["source_words"], rotation=60)
    axes.set_yticks(range(len(alignment["target_words"])), alignment["target_words"])
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    for tick in axes.get_xticklabels():
        tick.set(ha="left", rotation_mode="anchor")
    for links, style in ((gold.sure, "-"), (gold.possible, ":")):
        for i, j in links:
            box = {"fill": False, "edgecolor": "#E69F00", "linewidth": 1.5, "linestyle": style}
            axes.add_patch(Rectangle((i - 0.5, j - 0.5), 1, 1, **box))


def main(alignment: Path, links: Path, line: int) -> None:
    """Write story.png beside this file."""
    figure = Figure(figsize=(10, 4), dpi=160)
    left, right = figure.subplots(1, 2, width_ratios=[1.25, 1], gridspec_kw={"wspace": 0.35})
    draw_curves(left)
    gold = Links.parse(links.read_text("utf-8").split("\n")[line - 1])
    draw_alignment(right, json.loads(alignment.read_text("utf-8")), gold)
    figure.savefig(HERE / "story.png", bbox_inches="tight")
    print(f"wrote {HERE / 'story.png'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
