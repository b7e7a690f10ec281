"""Lines over an axis: scores of several systems, the course of trainings."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

from seq2seq.plots.figure import paper

# Okabe and Ito's colours, told apart by the colour-blind; markers tell them apart in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vPX*"


def curves(
    series: Mapping[str, Mapping[str, float]],
    path: Path,
    *,
    x: str,
    y: str,
    top: float | None = 100.0,
    bands: Mapping[str, Mapping[str, tuple[float, float]]] = {},
) -> None:
    """Draw a line for each system along places on an axis, from 0 upwards.

    Args:
        series: values by the names of their places, by system; a system may lack places.
        path: where to; its ending decides the format.
        x: what the places are.
        y: what the values are.
        top: the largest value that could be; None for the largest there is.
        bands: the ends of an interval around values, by system and place.
    """
    places = list(dict.fromkeys(place for values in series.values() for place in values))
    with chart(path, x, y) as axes:
        for (name, values), look in zip(series.items(), looks(), strict=False):
            at = [places.index(place) for place in values]
            axes.plot(at, list(values.values()), label=short(name), **look)
            if band := bands.get(name):
                low, high = zip(*(band[place] for place in values), strict=True)
                axes.fill_between(at, low, high, color=look["color"], alpha=0.15, linewidth=0)
        axes.set_xticks(range(len(places)), places)
        if top:
            axes.set_ylim(0, top * 1.02)


def courses(
    lines: Sequence[tuple[str, Sequence[float], Sequence[float]]], path: Path, *, x: str, y: str
) -> None:
    """Draw lines over numbers, those of one system alike.

    Args:
        lines: for each its system's name, where its points are along x, and along y.
        path: where to; its ending decides the format.
        x: what the one are.
        y: what the other are.
    """
    look = dict(zip(dict.fromkeys(name for name, _, _ in lines), looks(), strict=False))
    with chart(path, x, y) as axes:
        for place, (name, across, up) in enumerate(lines):
            first = name not in [other for other, _, _ in lines[:place]]
            axes.plot(across, up, label=short(name) if first else None, markersize=4, **look[name])
        axes.set_xlim(left=0)


@contextmanager
def chart(path: Path, x: str, y: str) -> Iterator[Any]:
    """Axes for lines, from 0 upwards, with their legend beside them."""
    with paper(path) as figure:
        figure.set_size_inches(6, 3.6)
        axes = figure.add_subplot()
        yield axes
        axes.set_ylim(bottom=0)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.grid(axis="y", linewidth=0.5, alpha=0.5)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0)


def short(name: str) -> str:
    """A name as a legend has room for it, its middle left out."""
    return name if len(name) <= 48 else f"{name[:23]}\N{HORIZONTAL ELLIPSIS}{name[-24:]}"


def looks() -> Iterator[dict[str, Any]]:
    """A colour and a marker for each line; 56 lines have no two alike."""
    for colour, marker in zip(cycle(COLOURS), cycle(MARKERS), strict=False):
        yield {"color": colour, "marker": marker}
