"""`seq2seq score-contrast`: does the strongest source word explain the form of a target word?"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seq2seq.alignment.method_names import Hide, MethodName, hides_words
from seq2seq.alignment.rule import Rule
from seq2seq.errors import UserError
from seq2seq.interpret.chosen_rule import changed
from seq2seq.interpret.contrast import check_method
from seq2seq.interpret.controllers import Item, differences, items_of, sites_of, strongest
from seq2seq.interpret.methods.base import UnsupportedModelError
from seq2seq.plots import curves
from seq2seq.runs.folder import RunFolder
from seq2seq.scoring.breakdown import distance_label
from seq2seq.system.console import console
from seq2seq.system.files import replacing, write_json
from seq2seq.system.provenance import environment, timestamp
from seq2seq.system.terminal_table import TableView
from seq2seq.translation.translator import Translator

TEST = "test_agreement"
TRIED: tuple[MethodName, ...] = ("attention", "occlusion", "gradient")
PREFERRED, RANDOM = "right form preferred", "a random word"
COLUMNS = ("method", "sentences", "distance", "count", "controller", "other")


def score_contrast(
    path: str | Path,
    *,
    test: str = TEST,
    methods: Sequence[MethodName] = (),
    hide: Hide | None = None,
    device: str = "auto",
) -> tuple[TableView, list[Path]]:
    """Count in how many sentences the strongest source word is the one a form depends on.

    A signed method is applied to the word (`occlusion`), to its form given its lexeme
    (`occlusion:form`), and to log p(right form) - log p(wrong forms) (`occlusion, right/wrong`).

    Args:
        path: the run folder.
        test: a test set with agreements or pronouns.
        methods: the methods; by default attention, occlusion and gradient, those that the model
            has.
        hide: how `occlusion` hides a word.
        device: the device to compute on.

    Returns:
        The table, and the paths of the files written: JSON, CSV and a figure in RUN/align/.

    Raises:
        UserError: the test set has no known controllers, or a method cannot be applied.
    """
    run = RunFolder.open(path)
    items = items_of(run.test(test))
    rules = [rule_of(method, hide, methods) for method in methods or TRIED]
    translator = Translator(run, device=device)
    sites = sites_of(translator, items)
    preferred = np.array(differences(translator, items, sites)) > 0
    found: dict[str, list[int]] = {}
    for rule in rules:
        try:
            found |= dict(strongest(translator, items, sites, rule))
        except UnsupportedModelError:
            if methods:
                raise
    rows = [
        *counted(PREFERRED, items, preferred.astype(float), None, preferred),
        *(
            row
            for name, tokens in found.items()
            for row in counted(
                name,
                items,
                np.array(
                    [t == one.controller for t, one in zip(tokens, items, strict=True)], float
                ),
                np.array([t == one.other for t, one in zip(tokens, items, strict=True)], float),
                preferred,
            )
        ),
        *counted(
            RANDOM,
            items,
            np.array([1 / len(item.gold.source) for item in items]),
            np.array([(item.other is not None) / len(item.gold.source) for item in items]),
            preferred,
        ),
    ]
    base = run.path / "align" / f"{test}.contrast"
    written = [base.with_name(f"{base.name}{end}") for end in (".json", ".csv", ".png")]
    write_json(
        written[0],
        {
            "run": run.name,
            "test": test,
            "rows": rows,
            "items": [
                {
                    "line": item.line,
                    "word": item.gold.target[item.word],
                    "controller": item.controller,
                    "distance": item.distance,
                    "preferred": bool(good),
                    "strongest": {name: tokens[number] for name, tokens in found.items()},
                }
                for number, (item, good) in enumerate(zip(items, preferred, strict=True))
            ],
            **environment(),
            "date": timestamp(),
        },
    )
    with replacing(written[1]) as file:
        writer = csv.DictWriter(file, COLUMNS)  # lines end with CR LF
        writer.writeheader()
        writer.writerows(rows)
    curves.curves(
        series(rows), written[2], x="distance in words", y="strongest word is the controller (%)"
    )
    console.print(f"{len(items)} sentences of {test}, {int(preferred.sum())} with the right form")
    return contrast_table(rows), written


def rule_of(method: MethodName, hide: Hide | None, given: Sequence[MethodName]) -> Rule:
    """Return the rule of a method, with `hide` if it has an effect on it.

    Raises:
        UserError: `hide` has no effect on any method, or the method explains a part of a word.
    """
    if ":" in method:
        check_method(Rule(method=method))
    if hide is not None and given and not any(map(hides_words, given)):
        raise UserError(f"--hide {hide} has no effect with --method {','.join(given)}")
    return changed(Rule(), method=method, hide=hide if hides_words(method) else None)


def hits(items: Sequence[Item], tokens: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return whether each strongest token is the controller, and whether it is the other noun."""
    pairs = list(zip(items, tokens, strict=True))
    return (
        np.array([float(token == item.controller) for item, token in pairs]),
        np.array([float(token == item.other) for item, token in pairs]),
    )


def counted(
    name: str,
    items: Sequence[Item],
    controller: np.ndarray,
    other: np.ndarray | None,
    preferred: np.ndarray,
) -> list[dict[str, Any]]:
    """Return the percentages of a method, of all sentences and of those with the right form.

    Args:
        name: the name of the row.
        items: the sentences.
        controller: for each sentence, whether the strongest word is the controller.
        other: for each sentence, whether it is the other noun; None if that is not measured.
        preferred: for each sentence, whether the model prefers the right form.
    """
    labels = np.array([distance_label(item.distance) for item in items])
    rows = []
    for sentences, chosen in (("all", np.ones(len(items), bool)), ("right", preferred)):
        for distance in ("all", *dict.fromkeys(labels.tolist())):
            own = chosen & ((labels == distance) | (distance == "all"))
            if own.any():
                rows.append(
                    {
                        "method": name,
                        "sentences": sentences,
                        "distance": distance,
                        "count": int(own.sum()),
                        "controller": 100 * float(controller[own].mean()),
                        "other": None if other is None else 100 * float(other[own].mean()),
                    }
                )
    return rows


def contrast_table(rows: Sequence[dict[str, Any]]) -> TableView:
    """Return the table: percentages of all sentences, of those with the right form, by distance."""
    names = list(dict.fromkeys(row["method"] for row in rows))
    distances = list(dict.fromkeys(row["distance"] for row in rows if row["distance"] != "all"))
    cells = {(row["method"], row["sentences"], row["distance"]): row for row in rows}
    noun = any(row["other"] for row in rows)

    def cell(name: str, sentences: str, distance: str, column: str = "controller") -> str:
        value = cells.get((name, sentences, distance), {}).get(column)
        return "-" if value is None else f"{value:.1f}"

    lines = []
    for name in names:
        # How often the right form is preferred is known of all sentences only.
        group = "all" if name == PREFERRED else "right"
        line = [name, cell(name, "all", "all")]
        line.append("-" if name == PREFERRED else cell(name, "right", "all"))
        line += [cell(name, group, "all", column="other")] if noun else []
        lines.append([*line, *(cell(name, group, distance) for distance in distances)])
    heads = ["controller (%)", "all", "right", *(["other"] if noun else []), *distances]
    return TableView(heads, lines)


def series(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the percentages by method and distance, of the sentences with the right form."""
    drawn: dict[str, dict[str, float]] = {}
    for row in rows:
        group = "all" if row["method"] == PREFERRED else "right"
        if row["distance"] != "all" and row["sentences"] == group:
            drawn.setdefault(row["method"], {})[row["distance"]] = row["controller"]
    return drawn
