"""A column beside a heatmap: how much of each target word the source explains."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

WIDTH, SPACE = 0.4, 0.1  # size of the column and its distance from the heatmap in inches
ROOM = WIDTH + SPACE
COLORS = "Blues"  # one hue from light to dark, which is read without color, too
UNKNOWN = "\N{MIDDLE DOT}"  # a word that is almost certain without the source


def draw_shares(
    figure: Figure,
    box: tuple[float, float, float, float],
    shares: Sequence[float | None],
    *,
    numbers: bool = True,
) -> None:
    """Draw a cell for each target word, with its share in percent.

    Args:
        figure: the figure.
        box: left, bottom, width and height in the figure.
        shares: the share of each word, from 0 to 1; None if it is undefined.
        numbers: write the numbers; otherwise only the shades are drawn.
    """
    axes = figure.add_axes(box)
    values = np.array([[np.nan if one is None else one] for one in shares])
    axes.imshow(values, cmap=COLORS, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    for row, one in enumerate(shares) if numbers else ():
        text = UNKNOWN if one is None else f"{100 * one:.0f}"
        color = "white" if one is not None and one > 0.6 else "black"
        axes.text(0, row, text, ha="center", va="center", fontsize=8, color=color)
    axes.annotate(
        "source, %",
        (0.5, 1),
        (0, 3),
        xycoords="axes fraction",
        textcoords="offset points",
        rotation=90,
        ha="center",
        va="bottom",
        fontsize=8,
        color="0.35",
    )
