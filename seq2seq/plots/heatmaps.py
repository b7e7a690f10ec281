"""Attention heatmaps, single, side by side or in a grid, and alignments as lines."""

import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy import ndarray

from seq2seq.alignment.gold import Links
from seq2seq.errors import UserError
from seq2seq.plots.figure import LARGEST, SLOT, paper, spacing, word_label, wrapped
from seq2seq.plots.shares import ROOM, SPACE, WIDTH, draw_shares

CELL = 0.3  # size of a cell in inches
MOST = 2500  # maximum number of words per side
GAP = 0.35  # distance of panels in inches
SMALL = 3.0  # maximum size of a panel in a grid in inches
LEGIBLE = 0.11  # minimum size of a cell with a word label in inches
WIDE = 12.0  # maximum width of a row of words in inches
FAINT = 0.05  # minimum attention weight for a line
OUTLINE = "#e0740a"  # differs from black and white in grayscale, too
# Red and blue of ColorBrewer's RdBu: legible to color-blind readers, and of equal lightness.
NEGATIVE, POSITIVE = "#b2182b", "#2166ac"
SIGNED = LinearSegmentedColormap.from_list("signed", [NEGATIVE, "white", POSITIVE])
DASHED = (0, (1.5, 1.5))
TITLES: dict[str, Any] = {"fontsize": 8, "color": "0.35"}  # of the axes
NO_GOLD = Links(frozenset())


class Panel(NamedTuple):
    """One attention matrix with its words and gold links.

    `weights` has a row per target word and a column per source word, with values from 0 to 1; in a
    signed map, with any values. In the maps of self-attention, both are words of the same side.

    Attributes:
        source: the words of the columns.
        target: the words of the rows.
        weights: the matrix.
        title: the title of the matrix.
        gold: the gold links.
        framed: draw a frame around the matrix that the rule selects.
        rows: the title of the rows.
        columns: the title of the columns; two titles if there is a border.
        border: the number of columns before a vertical line.
        signed: draw negative values in red and positive ones in blue; zero is white.
        shares: how much of each target word the source explains, drawn in a column on the right of
            heatmaps side by side; None if it is not known.
        meaning: what positive and negative values of a signed map mean.
    """

    source: Sequence[str]
    target: Sequence[str]
    weights: Float[ndarray, "target source"]
    title: str = ""
    gold: Links = NO_GOLD
    framed: bool = False
    rows: str = ""
    columns: tuple[str, ...] = ()
    border: int | None = None
    signed: bool = False
    shares: Sequence[float | None] | None = None
    meaning: tuple[str, str] = ("more probable with the source word", "less")

    @property
    def largest(self) -> float:
        """The largest absolute value of a signed map."""
        return float(np.abs(self.weights).max(initial=0)) if self.signed else 0.0

    @property
    def starts(self) -> list[int]:
        """The first column under each title of the columns."""
        return [0] if self.border is None else [0, self.border]

    def room(self, cell: float) -> float:
        """Return the width up to the end of the titles of the columns, in inches."""
        ends = zip(self.starts, self.columns, strict=False)
        return max((start * cell + 0.055 * len(title) for start, title in ends), default=0.0)


def check_length(panels: Iterable[Panel], path: Path) -> None:
    """Check that the matrices are not too large for a figure.

    Raises:
        UserError: a side has more than MOST words.
    """
    words = max(max(len(panel.source), len(panel.target)) for panel in panels)
    if words > MOST:
        raise UserError(
            f"{path} cannot show a sentence of {words:,} words: the maximum is {MOST:,} (`seq2seq "
            "export-alignment` writes the matrix as numbers)"
        )


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


def lines(panel: Panel, path: Path) -> None:
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


def longest(figure: Figure, words: Sequence[str]) -> float:
    """Return the width of the widest word label in inches."""
    text = figure.text(0, 0, "")
    sizes = []
    for word in words:
        text.set_text(word_label(word))
        sizes.append(text.get_window_extent().width / figure.dpi)
    text.remove()
    return max(sizes, default=0.0)


def right_to_left(word: str) -> bool:
    """Whether a word is in a right-to-left script."""
    return any(unicodedata.bidirectional(character) in ("R", "AL") for character in word)
