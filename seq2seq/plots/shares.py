"""Attention to one of two words, by layer and head: a table of cells for each map and model."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from numpy import ndarray

from seq2seq.errors import UserError
from seq2seq.plots.figure import LARGEST, paper

CELL = 0.5  # size of a cell in inches
MARGIN = 0.75  # space around each panel for its labels in inches
NARROWEST = 1.6  # minimum width of a panel with a title in inches
COLORS = "PuOr_r"  # diverging, and safe for color-blind readers

Nouns = Float[ndarray, "2 layers heads"]


def draw_shares(
    panels: Mapping[str, Mapping[str, Nouns]], path: Path, *, words: Sequence[str]
) -> None:
    """Draw a row of panels for each map, and a column for each model.

    A cell has the attention to both words, one above the other. Its color is the share of the first
    word in their sum.

    Args:
        panels: attention to both words by map and model.
        path: the output file; its extension selects the format.
        words: names of the two words.

    Raises:
        UserError: there are too many layers or heads for a figure.
    """
    talls = [max(nouns.shape[1] for nouns in row.values()) * CELL for row in panels.values()]
    columns = list(dict.fromkeys(name for row in panels.values() for name in row))
    wide = max(nouns.shape[2] for row in panels.values() for nouns in row.values()) * CELL
    slot = max(wide, NARROWEST) + MARGIN
    width, height = slot * len(columns) + 1.5, sum(talls) + MARGIN * (len(talls) + 1)
    if max(width, height) > LARGEST:
        raise UserError(f"{path} cannot show so many layers and heads: the CSV file has them all")
    with paper(path, 8.0) as figure:
        figure.set_size_inches(width, height)
        top = height - MARGIN
        for (name, row), tall in zip(panels.items(), talls, strict=True):
            for x, column in enumerate(columns):
                if column not in row:
                    continue
                left, bottom = x * slot + MARGIN, top - tall
                size = row[column].shape[2] * CELL
                box = (left / width, bottom / height, size / width, tall / height)
                axes = figure.add_axes(box)
                draw(axes, row[column])
                axes.set_title(f"{name}, {column}", fontsize=9, loc="left")
            top -= tall + MARGIN
        tall = min(2.5, height - 2 * MARGIN)
        left, bottom = width - 1.2, height - MARGIN - tall
        box = (left / width, bottom / height, 0.15 / width, tall / height)
        scale = ScalarMappable(Normalize(0, 1), COLORS)
        bar = figure.colorbar(scale, cax=figure.add_axes(box))
        bar.set_label(f"{words[0]} / ({words[0]} + {words[1]})")


def draw(axes: Axes, nouns: Nouns) -> None:
    """Draw one panel, with a row for each layer."""
    total = nouns.sum(0)
    share = np.divide(nouns[0], total, out=np.full_like(total, 0.5), where=total > 0)
    axes.imshow(share, cmap=COLORS, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    for layer, head in np.ndindex(share.shape):
        numbers = "\n".join(f"{weight:.2f}".removeprefix("0") for weight in nouns[:, layer, head])
        shade = "white" if abs(share[layer, head] - 0.5) > 0.35 else "black"
        axes.text(head, layer, numbers, ha="center", va="center", color=shade)
    for axis, count, name in (
        (axes.xaxis, share.shape[1], "head"),
        (axes.yaxis, share.shape[0], "layer"),
    ):
        axis.set_ticks(range(count), [str(number + 1) for number in range(count)])
        axis.set_label_text(name)
    axes.tick_params(length=2)
