"""`seq2seq plot gradients`: the gradient at the source tokens by distance, for several runs."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seq2seq.commands.align import numbers
from seq2seq.errors import UserError
from seq2seq.interpret.gradients import both, source_gradients
from seq2seq.plots import curves, figure
from seq2seq.runs.folder import RunFolder
from seq2seq.runs.short_names import short_names
from seq2seq.runs.weights import load_model
from seq2seq.system.console import console
from seq2seq.system.devices import pick_device
from seq2seq.system.files import read_lines_checked, replacing

FEWEST = 10  # tokens at a distance from which on it is drawn, where other distances have as many
COLUMNS = ("run", "weights", "distance", "tokens", "lower_quartile", "median", "upper_quartile")


def plot_gradients(
    paths: Sequence[Path],
    *,
    test: str | None,
    line: int | None = None,
    out: Path | None = None,
    device: str = "auto",
) -> list[Path]:
    """Draw how the gradient of the last target word falls with the distance of the source token.

    Each run is measured with its initial weights and as trained, on the references of the first
    run's test set. Of each distance the median norm is drawn; the CSV file has the quartiles too.

    Args:
        paths: the run folders.
        test: the test set.
        line: one line of the test set, counted from 1; all lines if None.
        out: the figure, .png, .svg or .pdf; in the first run's folder align/ if None.
        device: the device to compute on.

    Returns:
        The figure, and the numbers as CSV beside it.

    Raises:
        UserError: a path is not a run folder, there is no such test set or line, or a model has no
            gradient at its source.
    """
    runs = [RunFolder.open(path) for path in paths]
    if test is None:
        raise UserError("plot gradients needs a test set: give --test NAME")
    folder = runs[0].test(test)
    picture = out or runs[0].path / "align" / f"{test}-gradients.png"
    if picture.suffix.lower() not in figure.FORMATS:
        raise UserError(f"--out {picture} must end in {', '.join(figure.FORMATS)}")
    sources, references = (
        read_lines_checked(folder / f"{side}.txt") for side in ("source", "reference")
    )
    if len(sources) != len(references):
        raise UserError(
            f"{folder} is damaged: source.txt has {len(sources)} lines and reference.txt "
            f"{len(references)}"
        )
    pairs = list(zip(sources, references, strict=True))
    if line is not None:
        pairs = [pairs[n - 1] for n in numbers(str(line), len(pairs), "--line")]
    names = short_names(run.path for run in runs)
    rows: list[dict[str, Any]] = []
    for name, run in zip(names, runs, strict=True):
        with console.status(f"measuring {name}"):
            trained, tokenizers = load_model(run, pick_device(device))
            for weights, model in both(run, trained, tokenizers):
                found = source_gradients(model, tokenizers, pairs).by_distance()
                rows += [{"run": name, "weights": weights, **row} for row in found]
    table = picture.with_suffix(".csv")
    with replacing(table) as file:
        writer = csv.DictWriter(file, COLUMNS)  # lines end with CR LF
        writer.writeheader()
        writer.writerows(rows)
    curves.gradients(lines(rows), picture)
    return [picture, table]


def lines(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, dict[int, float]]]:
    """Return the medians by weights, run and distance, without distances of few tokens."""
    fewest = min(FEWEST, max(row["tokens"] for row in rows))
    drawn: dict[str, dict[str, dict[int, float]]] = {}
    for row in rows:
        line = drawn.setdefault(row["weights"], {}).setdefault(row["run"], {})
        if row["tokens"] >= fewest:
            line[row["distance"]] = row["median"]
    return drawn
