"""Attention heatmaps, single, side by side or in a grid."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle

from seq2seq.errors import UserError
from seq2seq.plots.figure import LARGEST, SLOT, paper, spacing, word_label, wrapped
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
from seq2seq.plots.shares import ROOM, SPACE, WIDTH, draw_shares

GAP = 0.35  # distance of panels in inches
SMALL = 3.0  # maximum size of a panel in a grid in inches
LEGIBLE = 0.11  # minimum size of a cell with a word label in inches
SIGNED = LinearSegmentedColormap.from_list("signed", [NEGATIVE, "white", POSITIVE])


def draw_side_by_side(panels: Sequence[Panel], path: Path) -> None:
    """Draw heatmaps side by side, each with its own words and title.

    If the figure would be larger than LARGEST, the cells are smaller and only every k-th word has a
    label.

    Raises:
        UserError: there are too many words or panels for a figure.
    """
    check_length(panels, path)
    limit = limit_of(panels)
    with paper(path) as figure:
        columns = sum(len(panel.source) for panel in panels)
        cell = min(CELL, LARGEST / columns, LARGEST / max(len(panel.target) for panel in panels))
        every = spacing(cell, path)
        margins = [
            longest(figure, panel.target[::every]) + (0.3 if panel.rows else 0.1)
            for panel in panels
        ]
        wides = [cell * len(panel.source) for panel in panels]
        talls = [cell * len(panel.target) for panel in panels]
        above = max(longest(figure, panel.source[::every]) for panel in panels) + 0.15
        slots = [
            max(
                margin + wide + (0.0 if panel.shares is None else ROOM),
                SLOT if panel.title else 0.0,
                margin + panel.room(cell),
            )
            for margin, wide, panel in zip(margins, wides, panels, strict=True)
        ]
        width, height = sum(slots) + GAP * (len(panels) - 1), max(talls) + above
        if width > 1.4 * LARGEST:
            raise UserError(
                f"{len(panels)} heatmaps side by side are too wide for {path}: draw fewer runs"
            )
        figure.set_size_inches(width, height)
        x = 0.0
        for panel, margin, slot, wide, tall in zip(
            panels, margins, slots, wides, talls, strict=True
        ):
            left, bottom = (x + margin) / width, (max(talls) - tall) / height
            axes = figure.add_axes((left, bottom, wide / width, tall / height))
            draw(axes, panel, limit)
            label(axes, panel, across=True, down=True, every=every)
            axes.set_ylabel(panel.rows, **TITLES)
            if panel.shares is not None:
                side = (x + margin + wide + SPACE) / width
                box = (side, bottom, WIDTH / width, tall / height)
                draw_shares(figure, box, panel.shares, numbers=every == 1)
            for start, title in zip(panel.starts, panel.columns, strict=False):
                place = (start - 0.5, len(panel.target) - 0.5)
                below = (0.0, -3.0)
                axes.annotate(title, place, below, textcoords="offset points", va="top", **TITLES)
            if panel.title:
                title = wrapped(panel.title, slot)
                figure.text(x / width, 1, title, va="bottom", fontweight="bold")
            x += slot + GAP
        if limit:
            text = scale_text(limit, panels[0].meaning)
            figure.text(0, -0.3 / height, text, va="top", **TITLES)


def draw_grid(rows: Sequence[Sequence[Panel]], path: Path) -> None:
    """Draw small heatmaps of one sentence in a grid, with words at the outer panels only.

    Words that would be too small to read are replaced by numbers.

    Raises:
        UserError: there are too many words for a figure.
    """
    check_length([panel for row in rows for panel in row], path)
    limit = limit_of([panel for row in rows for panel in row])
    columns, lines = len(rows[0][0].source), len(rows[0][0].target)
    across = max(map(len, rows))
    cell = min(CELL, SMALL / max(columns, lines))
    cell = min(cell, LARGEST / (columns * across), LARGEST / (lines * len(rows)))
    legible = cell >= LEGIBLE
    with paper(path, min(10.0, cell * 58) if legible else 8.0) as figure:
        wide, tall = cell * columns, cell * lines
        slot = max(wide + GAP / 2, SLOT + 0.1)
        width, height = slot * across, (tall + GAP) * len(rows)
        figure.set_size_inches(width, height)
        for y, row in enumerate(rows):
            for x, panel in enumerate(row):
                left, bottom = x * slot, height - y * (tall + GAP) - tall
                axes = figure.add_axes((left / width, bottom / height, wide / width, tall / height))
                draw(axes, panel, limit, line=min(1.4, 12 * cell))
                label(axes, panel, across=y == 0, down=x == 0, words=legible, cell=cell)
                axes.set_xlabel(panel.title, fontsize=8, labelpad=2, loc="left")
        first = rows[0][0]
        if first.rows:
            titles = f"rows: {first.rows}, columns: {' | '.join(first.columns)}"
            titles += f"; {scale_text(limit, first.meaning)}" if limit else ""
            figure.text(0, 0, titles, va="top", **TITLES)


def limit_of(panels: Iterable[Panel]) -> float:
    """Return the end of the symmetric scale that all signed maps of a figure share."""
    return max((panel.largest for panel in panels), default=0.0)


def scale_text(limit: float, meaning: tuple[str, str]) -> str:
    """Describe the colors of signed maps."""
    return f"blue: {meaning[0]}, red: {meaning[1]}; full color: {limit:.2g} nats"


def draw(axes: Axes, panel: Panel, limit: float = 0.0, line: float = 1.4) -> None:
    """Draw a matrix with its border, outlines of its gold links, and a frame if it is framed.

    Args:
        axes: where to draw.
        panel: the matrix.
        limit: the end of the symmetric scale of a signed map.
        line: the width of lines in points.
    """
    low, high = (-limit or -1.0, limit or 1.0) if panel.signed else (0.0, 1.0)
    colors = SIGNED if panel.signed else "gray"
    axes.imshow(
        panel.weights, cmap=colors, vmin=low, vmax=high, aspect="auto", interpolation="nearest"
    )
    axes.xaxis.tick_top()
    axes.tick_params(length=2)
    if panel.border is not None:
        axes.axvline(panel.border - 0.5, color=OUTLINE, lw=line)
    for links, dash in ((panel.gold.sure, "solid"), (panel.gold.possible, DASHED)):
        for i, j in links:
            box = Rectangle((i - 0.42, j - 0.42), 0.84, 0.84, fill=False, ls=dash, lw=line)
            box.set_edgecolor(OUTLINE)
            axes.add_patch(box)
    if panel.framed:
        for spine in axes.spines.values():
            spine.set(edgecolor=OUTLINE, linewidth=2.5)


def label(
    axes: Axes,
    panel: Panel,
    *,
    across: bool,
    down: bool,
    words: bool = True,
    every: int = 1,
    cell: float = CELL,
) -> None:
    """Add labels at the top and on the left: words, or numbers.

    Args:
        axes: the axes of the matrix.
        panel: the matrix.
        across: label the columns.
        down: label the rows.
        words: label with words; otherwise with every tenth number, or fewer.
        every: label only every k-th word.
        cell: the size of a cell in inches, which determines the distance of numbers.
    """
    tenth = 10 * max(1, int(np.ceil(0.03 / cell)))
    for axis, side, shown in ((axes.xaxis, panel.source, across), (axes.yaxis, panel.target, down)):
        places = range(0, len(side), every) if words else range(tenth - 1, len(side), tenth)
        names = [word_label(side[i]) if words else str(i + 1) for i in places]
        axis.set_ticks(list(places) if shown else [], names if shown else [])
    if words:
        axes.tick_params(axis="x", rotation=90)
