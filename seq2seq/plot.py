"""Pictures: the only door to matplotlib."""

import warnings
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path

from jaxtyping import Float
from matplotlib import font_manager, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy import ndarray

from seq2seq.disk import replacing
from seq2seq.gold import Links
from seq2seq.progress import console

FORMATS = (".png", ".svg", ".pdf")
# Okabe and Ito's colours, told apart by the colour-blind; markers tell them apart in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
CELL = 0.3  # inches a word
OUTLINE = "#e0740a"  # neither black nor white, in grey print too
# Asked in this order for a character that the fonts before lack, if they are installed.
FONTS = (
    "DejaVu Sans",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Arial Unicode MS",
    "Noto Sans Devanagari",
    "Noto Sans Symbols2",
)


def fonts() -> list[str]:
    """Those of FONTS that are installed."""
    installed = set(font_manager.get_font_names())
    return [name for name in FONTS if name in installed]


def heatmap(
    source: Sequence[str],
    target: Sequence[str],
    weights: Float[ndarray, "target source"],
    path: Path,
    *,
    gold: Links | None = None,
) -> None:
    """Draw attention as in figure 3 of Bahdanau et al. 2014.

    Source words run across the top, target words down the side; a cell is black at 0 and white
    at 1. The picture grows with the sentence, so that words keep their size.

    Args:
        source: words of the columns.
        target: words of the rows.
        weights: a row a target word, a column a source word, each from 0 to 1.
        path: where to; its ending (.png, .svg or .pdf) decides the format.
        gold: links to outline, the sure ones with a full line, the possible ones with a dashed one.
    """
    with rc_context({"font.family": fonts(), "font.size": 10, "pdf.fonttype": 42}):
        figure = Figure(figsize=(CELL * len(source), CELL * len(target)), dpi=150)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.imshow(weights, cmap="gray", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        axes.xaxis.tick_top()
        axes.set_xticks(range(len(source)), map(visible, source), rotation=90)
        axes.set_yticks(range(len(target)), map(visible, target))
        axes.tick_params(length=2)
        for label in [*axes.get_xticklabels(), *axes.get_yticklabels()]:
            label.set_parse_math(False)  # a dollar is a dollar
        outline(axes, gold or Links(frozenset()))
        save(figure, path)


def outline(axes: Axes, gold: Links) -> None:
    """Mark the cells of a heatmap that a person linked."""
    for links, line in ((gold.sure, "solid"), (gold.possible, (0, (1.5, 1.5)))):
        for i, j in links:
            box = Rectangle((i - 0.42, j - 0.42), 0.84, 0.84, fill=False, ls=line, lw=1.4)
            box.set_edgecolor(OUTLINE)
            axes.add_patch(box)


def curves(
    series: Mapping[str, Mapping[str, float]], path: Path, *, x: str, y: str, top: float = 100
) -> None:
    """Draw a line for each system along places on an axis, from 0 to `top`.

    Args:
        series: values by the names of their places, by system; a system may lack places.
        path: where to; its ending decides the format.
        x: what the places are.
        y: what the values are.
        top: the largest value that could be.
    """
    places = list(dict.fromkeys(place for values in series.values() for place in values))
    with rc_context({"font.family": fonts(), "font.size": 10, "pdf.fonttype": 42}):
        figure = Figure(figsize=(6, 3.6), dpi=150)
        axes = figure.add_subplot()
        for (name, values), colour, marker in zip(
            series.items(), cycle(COLOURS), cycle("osD^vPX"), strict=False
        ):
            at = [places.index(place) for place in values]
            axes.plot(at, list(values.values()), marker=marker, color=colour, label=name)
        axes.set_xticks(range(len(places)), places)
        axes.set_ylim(0, top * 1.02)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.grid(axis="y", linewidth=0.5, alpha=0.5)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
        save(figure, path)


def save(figure: Figure, path: Path) -> None:
    """Write a figure whole or not at all, and say once which characters no font has."""
    kind = path.suffix.lower().lstrip(".")
    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    with warnings.catch_warnings(record=True) as caught, replacing(path, "wb") as file:
        warnings.simplefilter("always")
        figure.savefig(file, format=kind, bbox_inches="tight", pad_inches=0.1, metadata=undated)
    if any("missing from font" in str(warning.message) for warning in caught):
        console.print(
            f"some characters in {path} are drawn as boxes: no font here has them "
            "(installing the Noto fonts mends it)"
        )


def visible(word: str) -> str:
    """A word with a stand-in for every character that would draw nothing."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in word)
