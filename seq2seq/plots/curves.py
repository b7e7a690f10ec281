"""Line charts: scores of several systems along an axis, and validation scores over time."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

from matplotlib.ticker import FuncFormatter, MaxNLocator

from seq2seq.plots.figure import paper

# The color-blind safe palette of Okabe and Ito; markers distinguish the lines in grayscale.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vPX*"
CROWDED = 48  # characters of all labels of the x axis
IDEAL = {"color": "0.5", "linestyle": "--", "linewidth": 1.2}


def curves(
    series: Mapping[str, Mapping[str, float]],
    path: Path,
    *,
    x: str,
    y: str,
    top: float | None = 100.0,
    bands: Mapping[str, Mapping[str, tuple[float, float]]] = {},
    ideal: Mapping[str, float] = {},
) -> None:
    """Draw a line for each system over categories; the y axis starts at 0.

    Args:
        series: values by system and category; a system may lack categories.
        path: the output file; its extension selects the format.
        x: label of the x axis.
        y: label of the y axis.
        top: upper end of the y axis; None for the largest value.
        bands: intervals (low, high) around the values, by system and category.
        ideal: the values of an ideal system by category, drawn as a gray line; its categories come
            first, in their order.
    """
    categories = list(dict.fromkeys([*ideal, *(name for of in series.values() for name in of)]))
    with chart(path, x, y) as axes:
        if ideal:
            axes.plot(range(len(ideal)), list(ideal.values()), label="ideal", **IDEAL)
        for (name, values), style in zip(series.items(), styles(), strict=False):
            at = [categories.index(category) for category in values]
            axes.plot(at, list(values.values()), label=short(name), **style)
            if band := bands.get(name):
                low, high = zip(*(band[category] for category in values), strict=True)
                axes.fill_between(at, low, high, color=style["color"], alpha=0.15, linewidth=0)
        crowded = sum(map(len, categories)) > CROWDED
        axes.set_xticks(range(len(categories)), categories, fontsize=7 if crowded else None)
        if top:
            axes.set_ylim(0, top * 1.02)


def validation_curves(
    lines: Sequence[tuple[str, Sequence[float], Sequence[float]]], path: Path, *, x: str, y: str
) -> None:
    """Draw lines over numbers; the lines of one system have the same style.

    Args:
        lines: the system's name, x values and y values of each line.
        path: the output file; its extension selects the format.
        x: label of the x axis.
        y: label of the y axis.
    """
    style = dict(zip(dict.fromkeys(name for name, _, _ in lines), styles(), strict=False))
    with chart(path, x, y) as axes:
        for number, (name, xs, ys) in enumerate(lines):
            first = name not in [other for other, _, _ in lines[:number]]
            axes.plot(xs, ys, label=short(name) if first else None, markersize=4, **style[name])
        axes.set_xlim(left=0)


def gradients(panels: Mapping[str, Mapping[str, Mapping[int, float]]], path: Path) -> None:
    """Draw gradient norms by distance on a logarithmic axis, a panel for each state of the weights.

    Args:
        panels: norms by state of the weights (title of the panel), system and distance.
        path: the output file; its extension selects the format.
    """
    with paper(path) as figure:
        figure.set_size_inches(9, 3.6)
        row = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
        for axes, (title, series) in zip(row, panels.items(), strict=True):
            for (name, values), style in zip(series.items(), styles(), strict=False):
                norms = list(values.values())
                axes.plot(list(values), norms, label=short(name), markersize=3, **style)
            axes.set_yscale("log")
            axes.set_title(title)
            axes.set_xlabel("distance from the end of the source in tokens")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            # The default formatter writes powers in math mode, which is off.
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.grid(axis="y", linewidth=0.5, alpha=0.5)
            axes.spines[["top", "right"]].set_visible(False)
        row[0].set_ylabel("norm of the gradient")
        row[-1].legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0)


@contextmanager
def chart(path: Path, x: str, y: str) -> Iterator[Any]:
    """Context manager that yields axes, and adds labels and a legend at the end."""
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
    """Shorten a long name for the legend by omitting its middle."""
    return name if len(name) <= 48 else f"{name[:23]}\N{HORIZONTAL ELLIPSIS}{name[-24:]}"


def styles() -> Iterator[dict[str, Any]]:
    """Yield styles of lines; the first 56 all differ in color or marker, neighbors in both.

    The eighth to the fourteenth line, which have the colors of the first seven, are dashed.
    """
    for number, (color, marker) in enumerate(zip(cycle(COLORS), cycle(MARKERS), strict=False)):
        dashed = number // len(COLORS) % 2
        yield {"color": color, "marker": marker, "linestyle": "--" if dashed else "-"}
