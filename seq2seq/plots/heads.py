"""Scores by layer and head: a panel of colored numbers for each edit."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from numpy import ndarray

from seq2seq.errors import UserError
from seq2seq.plots.figure import LARGEST, paper

WIDE, TALL = 0.5, 0.35  # size of a cell in inches
LEFT, ABOVE, BELOW, SCALE = 0.6, 0.35, 0.45, 1.1  # space around a panel in inches
NARROWEST = 1.3  # minimum width of a panel in inches, for its title
COLORS = "PuOr"  # diverging, and safe for color-blind readers; orange is a loss
SMALLEST = 1.0  # minimum end of the color scale, so that small differences stay pale


def draw_heads(
    panels: Mapping[str, Float[ndarray, "layers columns"]],
    columns: list[str],
    path: Path,
    *,
    label: str,
) -> None:
    """Draw a panel for each edit; NaN is an empty cell.

    Args:
        panels: the change of a score by edit (title of the panel).
        columns: the names of the columns.
        path: the output file; its extension selects the format.
        label: label of the color scale.

    Raises:
        UserError: there are too many layers or heads for a figure.
    """
    layers = len(next(iter(panels.values())))
    slot = max(NARROWEST, WIDE * len(columns)) + LEFT
    width, height = slot * len(panels) + SCALE, TALL * layers + ABOVE + BELOW
    if max(width, height) > LARGEST:
        raise UserError(f"{path} cannot show so many layers and heads")
    single = max(1, len(columns) - 1)  # the last column, all heads, would make the others pale
    largest = (float(np.nanmax(np.abs(values[:, :single]))) for values in panels.values())
    most = max(SMALLEST, *largest)
    scale = Normalize(-most, most, clip=True)
    with paper(path, 8.0) as figure:
        figure.set_size_inches(width, height)
        tall = TALL * layers
        for number, (title, values) in enumerate(panels.items()):
            box = (number * slot + LEFT, BELOW, WIDE * len(columns), tall)
            axes = figure.add_axes(
                (box[0] / width, box[1] / height, box[2] / width, box[3] / height)
            )
            axes.imshow(values, cmap=COLORS, norm=scale, aspect="auto", interpolation="nearest")
            for layer, column in np.argwhere(~np.isnan(values)).tolist():
                value = values[layer, column]
                color = "white" if abs(scale(value) - 0.5) > 0.35 else "black"
                text = f"{round(value, 1) + 0.0:+.1f}".replace("-", "\N{MINUS SIGN}")
                axes.text(column, layer, text, ha="center", va="center", color=color)
            axes.set_xticks(range(len(columns)), columns)
            axes.set_yticks(range(layers), [str(layer + 1) for layer in range(layers)])
            axes.set_xlabel("head")
            axes.set_ylabel("layer")
            axes.set_title(title, fontsize=9, loc="left", pad=3, fontweight="bold")
            axes.tick_params(length=2)
        side = max(tall, 0.7)
        bar = figure.add_axes(
            ((width - SCALE + 0.25) / width, BELOW / height, 0.12 / width, side / height)
        )
        figure.colorbar(ScalarMappable(scale, COLORS), cax=bar, extend="both").set_label(label)
