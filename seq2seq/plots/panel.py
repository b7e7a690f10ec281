"""What heatmaps and lines draw: a matrix of two sentences with its words and gold links."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from numpy import ndarray

from seq2seq.alignment.gold import Links
from seq2seq.errors import UserError
from seq2seq.plots.figure import word_label

CELL = 0.3  # size of a cell in inches
MAX_WORDS = 2500  # maximum number of words per side
OUTLINE = "#e0740a"  # differs from black and white in grayscale, too
# Red and blue of ColorBrewer's RdBu: legible to color-blind readers, and of equal lightness.
NEGATIVE, POSITIVE = "#b2182b", "#2166ac"
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
        UserError: a side has more than MAX_WORDS words.
    """
    words = max(max(len(panel.source), len(panel.target)) for panel in panels)
    if words > MAX_WORDS:
        raise UserError(
            f"{path} cannot show a sentence of {words:,} words: the maximum is {MAX_WORDS:,} "
            "(`seq2seq export-alignment` writes the matrix as numbers)"
        )


def longest(figure: Figure, words: Sequence[str]) -> float:
    """Return the width of the widest word label in inches."""
    text = figure.text(0, 0, "")
    sizes = []
    for word in words:
        text.set_text(word_label(word))
        sizes.append(text.get_window_extent().width / figure.dpi)
    text.remove()
    return max(sizes, default=0.0)
