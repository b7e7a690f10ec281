"""`seq2seq score-contrast`: does the strongest source word explain the form of a target word?"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seq2seq.alignment.method_names import Hide, MethodName, hides_words
from seq2seq.alignment.rule import Rule
from seq2seq.errors import UserError
from seq2seq.interpret.chosen_rule import changed
from seq2seq.interpret.contrast import check_method
from seq2seq.interpret.controllers import (
    Item,
    Strongest,
    differences,
    items_of,
    sites_of,
    strongest,
)
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
WITHOUT = "without controller"
PREFERRED, RANDOM = "right form preferred", "a random word"
COLUMNS = ("method", "words", "distance", "count", "controller", "without_own", "other_noun")


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

    How often the model prefers the right form without the controller in the source shows whether
    it needs the controller at all: it may know the form from the target words before.

    Args:
        path: the run folder.
        test: a test set of the built-in corpus: `test_agreement` (subjects), `test_pronoun`
            (antecedents), or another one (nouns of French determiners).
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
    data = run.config["data"]
    french = (data.get("name"), data.get("target")) == ("controlled", "fr")
    items = items_of(run.test(test), french=french)
    rules = [rule_of(method, hide, methods) for method in methods or TRIED]
    translator = Translator(run, device=device)
    asked = sites_of(translator, items)
    if left := len(items) - len(asked.items):
        console.print(
            f"{left} of {len(items)} words are left out: the vocabulary cannot write their forms"
        )
    items = asked.items
    preferred = np.array(differences(translator, asked)) > 0
    found: list[Strongest] = []
    for rule in rules:
        try:
            found += strongest(translator, asked, rule)
        except UnsupportedModelError:
            if methods:
                raise
    without = np.array(differences(translator, asked, without_controller=True)) > 0
    rows = counted(PREFERRED, items, {"controller": preferred.astype(float)}, preferred)
    rows += counted(WITHOUT, items, {"controller": without.astype(float)}, preferred)
    for one in found:
        rows += counted(one.name, items, hits(items, one), preferred)
    rows += counted(RANDOM, items, by_chance(items), preferred)
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
                    "strongest": {one.name: one.tokens[number] for one in found},
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
    console.print(
        f"{len(items)} words of {test}; of {int(preferred.sum())} the model prefers the right form"
    )
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


def hits(items: Sequence[Item], found: Strongest) -> dict[str, np.ndarray]:
    """Return whether each strongest token is the controller, or the other noun, by column."""
    controllers = np.array([item.controller for item in items])
    nouns = np.array([-1 if item.other is None else item.other for item in items])
    return {
        "controller": (np.array(found.tokens) == controllers).astype(float),
        "without_own": (np.array(found.others) == controllers).astype(float),
        "other_noun": (np.array(found.tokens) == nouns).astype(float),
    }


def by_chance(items: Sequence[Item]) -> dict[str, np.ndarray]:
    """Return the probabilities that a random source word is the controller, by column."""
    share = np.array([1 / len(item.gold.source) for item in items])
    left = [
        len(item.gold.source) - len({i for i, j in item.gold.links.sure if j == item.word})
        for item in items
    ]
    known = np.array([float(item.other is not None) for item in items])
    return {
        "controller": share,
        "without_own": 1 / np.maximum(np.array(left), 1),
        "other_noun": share * known,
    }


def counted(
    name: str,
    items: Sequence[Item],
    columns: Mapping[str, np.ndarray],
    preferred: np.ndarray,
) -> list[dict[str, Any]]:
    """Return the percentages of a method, of all words and of those with the right form.

    Args:
        name: the name of the row.
        items: the words.
        columns: a number from 0 to 1 for each word, by column.
        preferred: for each word, whether the model prefers the right form.
    """
    labels = np.array([distance_label(item.distance) for item in items])
    order = sorted({item.distance: None for item in items})
    rows = []
    for words, chosen in (("all", np.ones(len(items), bool)), ("right", preferred)):
        for distance in ("all", *dict.fromkeys(map(distance_label, order))):
            own = chosen & ((labels == distance) | (distance == "all"))
            if own.any():
                shares = {key: 100 * float(one[own].mean()) for key, one in columns.items()}
                facts = {"method": name, "words": words, "distance": distance}
                rows.append({**facts, "count": int(own.sum()), **shares})
    return rows


def contrast_table(rows: Sequence[dict[str, Any]]) -> TableView:
    """Return the table: percentages of all words, of those with the right form, by distance."""
    names = list(dict.fromkeys(row["method"] for row in rows))
    distances = list(dict.fromkeys(row["distance"] for row in rows if row["distance"] != "all"))
    cells = {(row["method"], row["words"], row["distance"]): row for row in rows}
    more = ["without_own", *(["other_noun"] if any(row.get("other_noun") for row in rows) else [])]

    def cell(name: str, words: str, distance: str, column: str = "controller") -> str:
        value = cells.get((name, words, distance), {}).get(column)
        return "-" if value is None else f"{value:.1f}"

    lines = []
    for name in names:
        # How often the right form is preferred is known of all words only.
        group = "all" if name == PREFERRED else "right"
        right = "-" if name == PREFERRED else cell(name, "right", "all")
        line = [name, cell(name, "all", "all"), right]
        line += [cell(name, group, "all", column) for column in more]
        lines.append([*line, *(cell(name, group, distance) for distance in distances)])
    heads = ["controller (%)", "all", "right", *(one.replace("_", " ") for one in more)]
    return TableView([*heads, *distances], lines)


def series(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the percentages by method and distance, of words with the right form."""
    drawn: dict[str, dict[str, float]] = {}
    for row in rows:
        group = "all" if row["method"] == PREFERRED else "right"
        if row["distance"] != "all" and row["words"] == group:
            drawn.setdefault(row["method"], {})[row["distance"]] = row["controller"]
    return drawn
