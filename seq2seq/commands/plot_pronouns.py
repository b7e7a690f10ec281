"""`seq2seq plot pronouns`: attention of pronouns to their antecedent, before and after training."""

import csv
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from seq2seq.errors import UserError
from seq2seq.interpret.gradients import both
from seq2seq.interpret.pronouns import Probe, PronounSet, probe
from seq2seq.plots import figure
from seq2seq.plots.nouns import draw_nouns
from seq2seq.runs.folder import RunFolder
from seq2seq.runs.weights import load_model
from seq2seq.system.console import console
from seq2seq.system.devices import pick_device
from seq2seq.system.files import replacing
from seq2seq.system.terminal_table import TableView
from seq2seq.text.pronoun import ROLES

TEST = "test_pronoun"
COLUMNS = ("weights", "map", "role", "layer", "head", "antecedent", "distractor", "share")
MAX_HEADS = 2  # heads per map and role in the printed table
NAMES = {  # map -> title of its panels
    "encoder": "encoder: English pronoun to English nouns",
    "source": "decoder: French pronoun to English nouns",
    "target": "decoder: French pronoun to French nouns",
}


def plot_pronouns(
    paths: Sequence[Path], *, test: str | None, out: Path | None = None, device: str = "auto"
) -> list[Path]:
    """Measure and draw which noun a pronoun attends to, in every layer and head.

    The run is measured with its initial weights and as trained. Tables of the forced choices and of
    the heads that prefer the antecedent most are printed.

    Args:
        paths: the run folder.
        test: the test set; `test_pronoun` if None.
        out: the figure, .png, .svg or .pdf; in the run's folder align/ if None.
        device: the device to compute on.

    Returns:
        The figure, and the numbers as CSV beside it; nothing if the model has no attention.

    Raises:
        UserError: there are several runs, a path is not a run folder, or its test set has no
            pronouns.
    """
    if len(paths) > 1:
        raise UserError(f"plot pronouns takes one run, but {len(paths)} are given")
    run = RunFolder.open(paths[0])
    name = test or TEST
    picture = out or run.path / "align" / f"{name}-pronouns.png"
    if picture.suffix.lower() not in figure.FORMATS:
        raise UserError(f"--out {picture} must end in {', '.join(figure.FORMATS)}")
    pronouns = PronounSet.of_test(run.test(name))
    trained, tokenizers = load_model(run, pick_device(device))
    probes = {
        weights: probe(model, tokenizers, pronouns)
        for weights, model in both(run, trained, tokenizers)
    }
    console.print(choice_table(probes, pronouns))
    if not probes["trained"].attention:
        console.print(f"{run.name} has no attention, so there is nothing to draw")
        return []
    console.print(head_table(probes))
    table = picture.with_suffix(".csv")
    with replacing(table) as file:
        writer = csv.DictWriter(file, COLUMNS)  # lines end with CR LF
        writer.writeheader()
        writer.writerows({"weights": w, **row} for w, one in probes.items() for row in one.rows())
    panels = {
        title: {
            f"{role}, {weights}": one.attention[key, role]
            for role in roles
            for weights, one in probes.items()
        }
        for key, title in NAMES.items()
        if (roles := [role for role in ROLES if (key, role) in probes["trained"].attention])
    }
    draw_nouns(panels, picture, label="antecedent \N{MINUS SIGN} other noun")
    return [picture, table]


def choice_table(probes: Mapping[str, Probe], pronouns: PronounSet) -> TableView:
    """Return the table of forced choices, in percent of the sentences."""
    counts = {weights: one.choices(pronouns.pronouns) for weights, one in probes.items()}
    rows = []
    for group in counts["trained"]:
        shares = [f"{100 * right / of:.1f}" for right, of in (c[group] for c in counts.values())]
        rows.append([group, str(counts["trained"][group][1]), *shares])
    heads = [f"{weights} %" for weights in counts]
    return TableView(["right pronoun preferred", "sentences", *heads], rows)


def head_table(probes: Mapping[str, Probe]) -> TableView:
    """Return the heads of each map that prefer the antecedent most after training, by role."""
    pairs = list(zip(*(probes[w].rows() for w in ("untrained", "trained")), strict=True))
    rows = []
    for name, role in product(NAMES, ROLES):
        heads = [pair for pair in pairs if (pair[1]["map"], pair[1]["role"]) == (name, role)]
        heads.sort(key=lambda pair: pair[1]["distractor"] - pair[1]["antecedent"])
        for before, after in heads[:MAX_HEADS]:
            cells = [cell for one in (before, after) for cell in numbers(one)]
            rows.append([name, role, str(after["layer"]), str(after["head"]), *cells])
    columns = [f"{w} {what}" for w in probes for what in ("antecedent/other", "share")]
    return TableView(["map", "pronoun", "layer", "head", *columns], rows)


def numbers(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return the attention to both nouns, and the share of the antecedent."""
    return f"{row['antecedent']:.2f}/{row['distractor']:.2f}", f"{row['share']:.2f}"
