"""`seq2seq score-deletion`: how much less probable words are without what explains them."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from seq2seq.alignment.method_names import Hide, MethodName, hides_words
from seq2seq.alignment.rule import Rule
from seq2seq.commands.score_contrast import TRIED
from seq2seq.errors import UserError
from seq2seq.interpret.alignment import explain_pairs
from seq2seq.interpret.deletion import drops
from seq2seq.interpret.gold_set import stored_texts
from seq2seq.interpret.methods.base import UnsupportedModelError
from seq2seq.interpret.methods.word_forms import with_forms
from seq2seq.runs.folder import RunFolder
from seq2seq.system.console import console
from seq2seq.system.files import replacing, write_json
from seq2seq.system.provenance import environment, timestamp
from seq2seq.system.terminal_table import TableView
from seq2seq.translation.translator import Translator


def score_deletion(
    path: str | Path,
    *,
    test: str,
    methods: Sequence[MethodName] = (),
    numbers: Sequence[int] = (1, 2, 3),
    sentences: int = 100,
    hide: Hide = "drop",
    seed: int = 1,
    forms: Path | None = None,
    device: str = "auto",
) -> tuple[TableView, list[Path]]:
    """Hide the source words that each method calls most important for a target word, and measure.

    Args:
        path: the run folder.
        test: the test set, whose references are the targets.
        methods: the methods; by default attention, occlusion and gradient, those that the model
            has.
        numbers: how many source words are hidden.
        sentences: only the first sentences of the test set; 0 for all.
        hide: how words are hidden, also by the method `occlusion`.
        seed: of the random words.
        forms: a table of the forms of target words; that of the built-in corpus if None.
        device: the device to compute on.

    Returns:
        The table, and the paths of the files written: JSON and CSV in RUN/align/.

    Raises:
        UserError: there is no such test set, or a method cannot be applied to the model.
    """
    run = RunFolder.open(path)
    texts = stored_texts(run.test(test))
    if not texts:
        raise UserError(f"{run.test(test) / 'source.txt'} has no lines")
    if sentences:
        texts = texts[:sentences]
    translator = with_forms(Translator(run, device=device), forms)
    rules = supported(translator, methods, hide)
    found = drops(translator, texts, rules, numbers, hide=hide, seed=seed, name=test)
    rows: list[dict[str, Any]] = [
        {"method": one.name, "hidden": number, "drop": float(drop), "words": one.words}
        for one in found
        for number, drop in zip(numbers, one.mean, strict=True)
    ]
    base = run.path / "align" / f"{test}.deletion"
    written = [base.with_name(f"{base.name}{end}") for end in (".json", ".csv")]
    facts = {"run": run.name, "test": test, "sentences": len(texts), "hide": hide, "seed": seed}
    write_json(written[0], {**facts, "rows": rows, **environment(), "date": timestamp()})
    with replacing(written[1]) as file:
        writer = csv.DictWriter(file, list(rows[0]))  # lines end with CR LF
        writer.writeheader()
        writer.writerows(rows)
    console.print(
        f"{found[0].words} words of {len(texts)} sentences of {test}: mean drop of the "
        f"log-probability in nats, --hide {hide}"
    )
    heads = ["hidden source words", *map(str, numbers)]
    lines = [[one.name, *(f"{drop:.2f}" for drop in one.mean)] for one in found]
    return TableView(heads, lines), written


def supported(translator: Translator, methods: Sequence[MethodName], hide: Hide) -> list[Rule]:
    """Return the rules of the given methods, or of those that a model has.

    Raises:
        UserError: a given method cannot be applied to the model.
    """
    rules = []
    for method in methods or TRIED:
        rule = Rule(method=method)
        rule = replace(rule, hide=hide) if hides_words(method) else rule
        try:
            list(explain_pairs(translator, [("a", "a")], rule))
        except UnsupportedModelError:
            if methods:
                raise
            continue
        rules.append(rule)
    if not rules:
        raise UserError(f"{translator.run.name} has none of the methods {', '.join(TRIED)}")
    return rules
