"""Heatmaps of attention, alone and side by side, and lines between words."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy import ndarray

from seq2seq.alignment.gold import Links
from seq2seq.plots.figure import paper
from seq2seq.text.characters import visible

CELL = 0.3  # inches a word
GAP = 0.35  # inches between panels
SMALL = 3.0  # inches that one of many panels may measure
LEGIBLE = 0.11  # inches a word, below which it is not written
WIDE = 12.0  # inches that a line of words may take
FAINT = 0.05  # a share of attention below which no line is drawn
OUTLINE = "#e0740a"  # neither black nor white, in grey print too
DASHED = (0, (1.5, 1.5))
NO_GOLD = Links(frozenset())


class Panel(NamedTuple):
    """One matrix with its words: a row a target word, a column a source word, from 0 to 1."""

    source: Sequence[str]
    target: Sequence[str]
    weights: Float[ndarray, "target source"]
    title: str = ""
    gold: Links = NO_GOLD
    framed: bool = False  # among many: the one that is read


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
    beside([Panel(source, target, weights, gold=gold or NO_GOLD)], path)


def beside(panels: Sequence[Panel], path: Path) -> None:
    """Draw heatmaps side by side, each with its own words and under its own title."""
    with paper(path) as figure:
        margins = [longest(figure, panel.target) + 0.1 for panel in panels]
        wides = [CELL * len(panel.source) for panel in panels]
        talls = [CELL * len(panel.target) for panel in panels]
        above = max(longest(figure, panel.source) for panel in panels) + 0.15
        width, height = sum(margins) + sum(wides) + GAP * (len(panels) - 1), max(talls) + above
        figure.set_size_inches(width, height)
        x = 0.0
        for panel, margin, wide, tall in zip(panels, margins, wides, talls, strict=True):
            x += margin
            bottom = max(talls) - tall
            axes = figure.add_axes((x / width, bottom / height, wide / width, tall / height))
            draw(axes, panel)
            label(axes, panel, across=True, down=True)
            if panel.title:
                figure.text(x / width, 1, panel.title, va="bottom", fontweight="bold")
            x += wide + GAP


def multiples(rows: Sequence[Sequence[Panel]], path: Path) -> None:
    """Draw many small heatmaps of one sentence as a grid, its words at the outer panels only.

    Words that would be too small to read give way to numbers.
    """
    columns, lines = len(rows[0][0].source), len(rows[0][0].target)
    cell = min(CELL, SMALL / max(columns, lines))
    legible = cell >= LEGIBLE
    with paper(path, min(10.0, cell * 58) if legible else 8.0) as figure:
        wide, tall = cell * columns, cell * lines
        width, height = (wide + GAP / 2) * max(map(len, rows)), (tall + GAP) * len(rows)
        figure.set_size_inches(width, height)
        for y, row in enumerate(rows):
            for x, panel in enumerate(row):
                left, bottom = x * (wide + GAP / 2), height - y * (tall + GAP) - tall
                axes = figure.add_axes((left / width, bottom / height, wide / width, tall / height))
                draw(axes, panel, line=min(1.4, 12 * cell))
                label(axes, panel, across=y == 0, down=x == 0, words=legible)
                axes.set_xlabel(panel.title, fontsize=8, labelpad=2)


def lines(panel: Panel, path: Path) -> None:
    """Draw an alignment as lines between two rows of words, the darker the more attention.

    Rows that would be too wide become columns. In a row, words of a script that is written from
    right to left run from right to left.
    """
    with paper(path) as figure:
        sides = [[visible(word) for word in side] for side in (panel.source, panel.target)]
        sizes = [[longest(figure, [word]) + 0.15 for word in side] for side in sides]
        across = max(map(sum, sizes)) <= WIDE
        if not across:
            sizes = [[CELL * 0.8] * len(side) for side in sides]
        length = max(map(sum, sizes))
        places = [centres(side, length) for side in sizes]
        if across:
            for side, place in zip(sides, places, strict=True):
                if any(map(leftward, side)):
                    place[:] = [length - x for x in place]

        def line(i: int, j: int, **style: Any) -> None:
            ends = (places[0][i], places[1][j]), (0, 1)
            axes.plot(*(ends if across else ends[::-1]), **style)

        figure.set_size_inches((length, 1.6) if across else (2.4, length))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set(xlim=(0, length if across else 1), ylim=(1 if across else length, 0))
        for links, dash in ((panel.gold.sure, "solid"), (panel.gold.possible, DASHED)):
            for i, j in links:
                line(i, j, color=OUTLINE, lw=4, ls=dash, alpha=0.6)
        for j, i in np.argwhere(panel.weights >= FAINT).tolist():
            line(i, j, color="black", lw=1.2, alpha=min(1.0, float(panel.weights[j, i])))
        for side, place, y, below, left in zip(
            sides, places, (-0.03, 1.03), ("bottom", "top"), ("right", "left"), strict=True
        ):
            for word, x in zip(side, place, strict=True):
                if across:
                    axes.text(x, y, word, ha="center", va=below)
                else:
                    axes.text(y, x, word, ha=left, va="center")


def centres(sizes: Sequence[float], length: float) -> list[float]:
    """The middles of boxes of these sizes, put side by side in the middle of a length."""
    ends = (length - sum(sizes)) / 2 + np.cumsum(sizes)
    return (ends - np.array(sizes) / 2).tolist()


def draw(axes: Axes, panel: Panel, line: float = 1.4) -> None:
    """A matrix with its gold outlined, and a frame if it is the one that is read."""
    axes.imshow(panel.weights, cmap="gray", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    axes.xaxis.tick_top()
    axes.tick_params(length=2)
    for links, dash in ((panel.gold.sure, "solid"), (panel.gold.possible, DASHED)):
        for i, j in links:
            box = Rectangle((i - 0.42, j - 0.42), 0.84, 0.84, fill=False, ls=dash, lw=line)
            box.set_edgecolor(OUTLINE)
            axes.add_patch(box)
    if panel.framed:
        for spine in axes.spines.values():
            spine.set(edgecolor=OUTLINE, linewidth=2.5)


def label(axes: Axes, panel: Panel, *, across: bool, down: bool, words: bool = True) -> None:
    """Words along the top and the left, or every tenth one's number."""
    for axis, side, shown in ((axes.xaxis, panel.source, across), (axes.yaxis, panel.target, down)):
        places = range(len(side)) if words else range(9, len(side), 10)
        names = [visible(side[i]) if words else str(i + 1) for i in places]
        axis.set_ticks(list(places) if shown else [], names if shown else [])
    if words:
        axes.tick_params(axis="x", rotation=90)


def longest(figure: Figure, words: Sequence[str]) -> float:
    """The length of the longest of some words as they are written, in inches."""
    text = figure.text(0, 0, "")
    sizes = []
    for word in words:
        text.set_text(visible(word))
        sizes.append(text.get_window_extent().width / figure.dpi)
    text.remove()
    return max(sizes, default=0.0)


def leftward(word: str) -> bool:
    """Whether a word is of a script that is written from right to left."""
    return any(unicodedata.bidirectional(character) in ("R", "AL") for character in word)
