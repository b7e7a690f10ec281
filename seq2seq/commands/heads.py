"""`seq2seq heads`: BLEU and AER with each attention head switched off."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from seq2seq.commands.align import numbers
from seq2seq.errors import UserError
from seq2seq.interpret.ablation import (
    EDITS,
    Edit,
    HeadScores,
    Sample,
    Scores,
    edits_of,
    score_heads,
)
from seq2seq.interpret.chosen_rule import chosen_rule
from seq2seq.interpret.gold_set import GoldSet, stored_texts
from seq2seq.interpret.maps import MapName
from seq2seq.plots import figure
from seq2seq.plots.heads import draw_heads
from seq2seq.runs.folder import RunFolder
from seq2seq.runs.weights import unchanged_weights
from seq2seq.scoring import metrics
from seq2seq.system.console import console
from seq2seq.system.files import replacing, write_json
from seq2seq.system.provenance import environment, timestamp
from seq2seq.system.terminal_table import TableView
from seq2seq.text.languages import Target
from seq2seq.translation.translator import Translator

COLUMNS = ("layer", "head", "edit", "bleu", "bleu_change", "aer", "aer_change")


def heads(
    path: str | Path,
    *,
    test: str,
    name: MapName = "source",
    lines: str | None = None,
    out: Path | None = None,
    device: str = "auto",
) -> tuple[TableView, list[Path]]:
    """Score a run with each head switched off; write a figure, and a JSON and a CSV file beside it.

    Args:
        path: the run folder.
        test: the name of a test set of the run.
        name: the map whose heads are switched off: source, target or encoder.
        lines: line numbers of the test set, such as 1-300; all if None.
        out: the figure; heads/TEST-MAP.png in the run if None.
        device: the device to translate on.

    Returns:
        The table, and the paths of the files written.

    Raises:
        UserError: there is no such test set or line, the figure has another format, or the model
            has no such attention.
    """
    run = RunFolder.open(path)
    folder = run.test(test)
    if out is not None and out.suffix.lower() not in figure.FORMATS:
        raise UserError(f"--out {out} must end in {', '.join(figure.FORMATS)}")
    texts, gold = stored_texts(folder), GoldSet.of_test(folder)
    chosen = range(len(texts)) if lines is None else [n - 1 for n in numbers(lines, len(texts))]
    with unchanged_weights(run) as weights_sha256:
        translator = Translator(run, device=device)
    layers = edits_of(translator.model, name, run.name)
    part = [texts[row] for row in chosen]
    sample = Sample(
        [source for source, _ in part],
        [target for _, target in part],
        gold and GoldSet(gold.name, part, [gold.golds[row] for row in chosen]),
        chosen_rule(run).resolve(*translator.model.attention_shape),
        Target.of(run.config["data"]),
    )
    if any(edits.uniform is None for edits in layers):
        console.print(
            "uniform attention is left out: ALiBi adds a bias to the scores, which no weight of a "
            "head can remove"
        )
    before, found = score_heads(translator, name, sample)
    suffix = f"-{lines.replace(',', '_').replace(' ', '')}" if lines else ""
    picture = out or run.path / "heads" / f"{test}-{name}{suffix}.png"
    record = {
        "run": run.name,
        "test": test,
        "map": name,
        "lines": lines,
        "pairs": len(part),
        "search": "greedy",
        "signature": signature(sample),
        "rule": sample.rule.record() if gold else None,
        "unchanged": before._asdict(),
        "heads": [
            {
                "layer": one.layer,
                "head": one.head,
                **{edit: own and own._asdict() for edit, own in one.scores.items()},
            }
            for one in found
        ],
        "model_sha256": weights_sha256,
        **environment(),
        "date": timestamp(),
    }
    files = [picture, picture.with_suffix(".json"), picture.with_suffix(".csv")]
    picture.parent.mkdir(parents=True, exist_ok=True)
    write_json(files[1], record)
    write_csv(files[2], before, found)
    draw_heads(panels(before, found), columns_of(found), picture, label="change of BLEU")
    return head_table(before, found), files


def signature(sample: Sample) -> str:
    """Return the sacreBLEU signature of the scores."""
    statistics = metrics.statistics(
        sample.references[:1], sample.references[:1], only=["bleu"], **sample.target._asdict()
    )
    return statistics["bleu"].signature


def write_csv(path: Path, before: Scores, found: Sequence[HeadScores]) -> None:
    """Write a line for each head and edit; the head `all` is all heads of a layer."""
    with replacing(path) as file:
        writer = csv.writer(file)  # lines end with CR LF
        writer.writerow(COLUMNS)
        for one in found:
            for edit, own in one.scores.items():
                if own is not None:
                    values = [own.bleu, own.bleu - before.bleu]
                    values += (
                        []
                        if own.aer is None or before.aer is None
                        else [own.aer, own.aer - before.aer]
                    )
                    writer.writerow([one.layer, one.head or "all", edit, *values])


def head_table(before: Scores, found: Sequence[HeadScores]) -> TableView:
    """Return a table with a row for each head, at most 80 columns wide."""
    head, rows = ["head"], [["(none)"]]
    shown = [edit for edit in EDITS if any(one.scores[edit] for one in found)]
    for edit in shown:
        head += [f"BLEU {edit}", "change"]
        head += [] if before.aer is None else [f"AER {edit}", "change"]
        rows[0] += cells(before, None)
    for one in found:
        row = [one.name]
        for edit in shown:
            own = one.scores[edit]
            row += cells(own, before) if own else [""] * len(cells(before, None))
        rows.append(row)
    return TableView(head, rows)


def cells(scores: Scores, before: Scores | None) -> list[str]:
    """Return the cells of scores with their changes; without `before`, there is no change."""
    found = [f"{scores.bleu:.2f}", "" if before is None else f"{scores.bleu - before.bleu:+.2f}"]
    if scores.aer is not None:
        known = before is not None and before.aer is not None
        change = f"{scores.aer - before.aer:+.3f}" if known else ""  # type: ignore[union-attr, operator]
        found += [f"{scores.aer:.3f}", change]
    return found


def columns_of(found: Sequence[HeadScores]) -> list[str]:
    """Return the names of the columns of the figure: the heads, and `all` if there are several."""
    most = max(one.head or 0 for one in found)
    return [*map(str, range(1, most + 1)), *(["all"] if most > 1 else [])]


def panels(
    before: Scores, found: Sequence[HeadScores]
) -> dict[str, Float[ndarray, "layers columns"]]:
    """Return the change of BLEU by edit, layer and head."""
    columns, tables = columns_of(found), {}
    titles: dict[Edit, str] = {"zero": "head removed", "uniform": "uniform attention"}
    for edit, title in titles.items():
        table = np.full((max(one.layer for one in found), len(columns)), np.nan)
        for one in found:
            if own := one.scores[edit]:
                column = columns.index(str(one.head) if one.head else "all")
                table[one.layer - 1, column] = own.bleu - before.bleu
        if not np.isnan(table).all():
            tables[title] = table
    return tables
