"""Attention to two words, by layer and head: a panel of cells for each map and model."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from numpy import ndarray

from seq2seq.errors import UserError
from seq2seq.plots.figure import LARGEST, paper

CELL = 0.45  # size of a cell in inches
LEFT, ABOVE, BELOW = 0.6, 0.55, 0.45  # space for labels and titles of a panel in inches
NARROWEST = 1.1  # minimum width of a panel in inches, for its title
SCALE = 1.2  # width of the color scale with its labels in inches
FAINT = 0.1  # minimum end of the color scale, so that small differences stay pale
COLORS = "PuOr_r"  # diverging, and safe for color-blind readers

Nouns = Float[ndarray, "2 layers heads"]


def draw_nouns(panels: Mapping[str, Mapping[str, Nouns]], path: Path, *, label: str) -> None:
    """Draw a row of panels for each map, and a panel for each model.

    A cell has the attention to the first word above that to the second. Its color is their
    difference.

    Args:
        panels: attention to both words by map and model; every map has all models.
        path: the output file; its extension selects the format.
        label: label of the color scale.

    Raises:
        UserError: there are too many layers or heads for a figure.
    """
    every = [nouns for row in panels.values() for nouns in row.values()]
    slot = max(NARROWEST, CELL * max(nouns.shape[2] for nouns in every)) + LEFT
    talls = [CELL * max(nouns.shape[1] for nouns in row.values()) for row in panels.values()]
    width = slot * max(map(len, panels.values())) + SCALE
    height = sum(talls) + (ABOVE + BELOW) * len(talls)
    if max(width, height) > LARGEST:
        raise UserError(f"{path} cannot show so many layers and heads")
    most = max(FAINT, *(float(np.abs(nouns[0] - nouns[1]).max()) for nouns in every))
    scale = Normalize(-most, most)
    with paper(path, 8.0) as figure:
        figure.set_size_inches(width, height)

        def add(left: float, bottom: float, wide: float, tall: float) -> Axes:
            """Add axes at a place in inches."""
            box = (left / width, bottom / height, wide / width, tall / height)
            return figure.add_axes(box)

        top = height
        for (name, row), tall in zip(panels.items(), talls, strict=True):
            top -= ABOVE
            title = (LEFT / width, (top + 0.3) / height)
            figure.text(*title, name, fontsize=9, fontweight="bold")
            for x, (model, nouns) in enumerate(row.items()):
                axes = add(x * slot + LEFT, top - tall, CELL * nouns.shape[2], tall)
                draw(axes, nouns, scale)
                axes.set_title(model, fontsize=8, loc="left", pad=3)
            top -= tall + BELOW
        tall = min(2.0, height - ABOVE - BELOW)
        bar = add(width - SCALE + 0.25, height - ABOVE - tall, 0.12, tall)
        figure.colorbar(ScalarMappable(scale, COLORS), cax=bar).set_label(label)


def draw(axes: Axes, nouns: Nouns, scale: Normalize) -> None:
    """Draw one panel, with a row for each layer."""
    difference = nouns[0] - nouns[1]
    axes.imshow(difference, cmap=COLORS, norm=scale, aspect="auto", interpolation="nearest")
    for layer, head in np.ndindex(difference.shape):
        numbers = [f"{weight:.2f}".removeprefix("0") for weight in nouns[:, layer, head]]
        dark = abs(scale(difference[layer, head]) - 0.5) > 0.35
        color = "white" if dark else "black"
        axes.text(head, layer, "\n".join(numbers), ha="center", va="center", color=color)
    sides = ((axes.xaxis, "head"), (axes.yaxis, "layer"))
    for (axis, name), count in zip(sides, difference.shape[::-1], strict=True):
        axis.set_ticks(range(count), [str(number + 1) for number in range(count)])
        axis.set_label_text(name)
    axes.tick_params(length=2)
