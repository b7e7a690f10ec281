"""An alignment as lines between two rows of words."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba

from seq2seq.plots.figure import LARGEST, paper, spacing, word_label
from seq2seq.plots.panel import (
    CELL,
    DASHED,
    NEGATIVE,
    OUTLINE,
    POSITIVE,
    TITLES,
    Panel,
    check_length,
    longest,
)

WIDE = 12.0  # maximum width of a row of words in inches
FAINT = 0.05  # minimum attention weight for a line


def draw_lines(panel: Panel, path: Path) -> None:
    """Draw an alignment as lines between two rows of words; darker lines have more attention.

    Lines of a signed map are blue if positive and red if negative.

    Rows that would be too wide are drawn as columns. In a row, words of a right-to-left script are
    placed from right to left.

    Raises:
        UserError: there are too many words for a figure.
    """
    check_length([panel], path)
    with paper(path) as figure:
        sides = [[word_label(word) for word in side] for side in (panel.source, panel.target)]
        many = max(map(len, sides)) > WIDE / 0.15  # too many words for a row
        sizes = [] if many else [[longest(figure, [w]) + 0.15 for w in side] for side in sides]
        across = not many and max(map(sum, sizes)) <= WIDE
        step = min(CELL * 0.8, LARGEST / max(map(len, sides)))
        every = 1 if across else spacing(step, path)
        if not across:
            sizes = [[step] * len(side) for side in sides]
        length = max(map(sum, sizes))
        places = [centers(side, length) for side in sizes]
        if across:
            for side, place in zip(sides, places, strict=True):
                if any(map(right_to_left, side)):
                    place[:] = [length - x for x in place]

        def turned(*points: tuple[float, float]) -> list[tuple[float, float]]:
            return list(points) if across else [(y, x) for x, y in points]

        def ends(i: int, j: int) -> list[tuple[float, float]]:
            return turned((places[0][i], 0.0), (places[1][j], 1.0))

        figure.set_size_inches((length, 1.6) if across else (2.4, length))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set(xlim=(0, length if across else 1), ylim=(1 if across else length, 0))
        for links, dash in ((panel.gold.sure, "solid"), (panel.gold.possible, DASHED)):
            for i, j in links:
                axes.plot(*zip(*ends(i, j), strict=True), color=OUTLINE, lw=4, ls=dash, alpha=0.6)
        if panel.border is not None:
            middle = (places[0][panel.border - 1] + places[0][panel.border]) / 2
            line = turned((middle, -0.2), (middle, 0.1))
            axes.plot(*zip(*line, strict=True), color=OUTLINE, lw=1.4, clip_on=False)
        limit = panel.largest or 1.0
        drawn = np.argwhere(np.abs(panel.weights) >= FAINT * limit).tolist()
        if drawn:
            shades = [min(1.0, max(-1.0, float(panel.weights[j, i]) / limit)) for j, i in drawn]
            inks = {True: POSITIVE if panel.signed else "black", False: NEGATIVE}
            axes.add_collection(
                LineCollection(
                    [ends(i, j) for j, i in drawn],
                    colors=[to_rgba(inks[shade > 0], abs(shade)) for shade in shades],
                    linewidths=1.2,
                    zorder=3,
                )
            )
        titles = (" | ".join(panel.columns), panel.rows)
        for side, place, y, below, left, title in zip(
            sides, places, (-0.03, 1.03), ("bottom", "top"), ("right", "left"), titles, strict=True
        ):
            if across:
                axes.text(-0.1, y, title, ha="right", va=below, **TITLES)
            else:
                axes.text(y, -step, title, ha=left, va="bottom", **TITLES)
            for word, x in list(zip(side, place, strict=True))[::every]:
                if across:
                    axes.text(x, y, word, ha="center", va=below)
                else:
                    axes.text(y, x, word, ha=left, va="center")


def centers(sizes: Sequence[float], length: float) -> list[float]:
    """Return the centers of adjacent boxes of these sizes, centered within a length."""
    ends = (length - sum(sizes)) / 2 + np.cumsum(sizes)
    return (ends - np.array(sizes) / 2).tolist()


def right_to_left(word: str) -> bool:
    """Whether a word is in a right-to-left script."""
    return any(unicodedata.bidirectional(character) in ("R", "AL") for character in word)
