"""The tables of `seq2seq score-alignment`."""

from dataclasses import replace
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from seq2seq.alignment.method_names import hides_words
from seq2seq.alignment.rule import Rule
from seq2seq.interpret.rule_scores import MethodScores

ROWS = {False: "at the row that predicts a token", True: "at the row whose input is the token"}


def rule_label(rule: Rule) -> str:
    """Describe a rule in a few words."""
    words: list[str] = [] if rule.method == "attention" else [rule.method]
    words += [f"hide {rule.hide}"] if hides_words(rule.method) else []
    words += [f"layer {rule.layer}", f"head {rule.head}", "fed in" if rule.shift else "predicts"]
    words += [f"</s> {rule.end}"] if rule.end != "drop" else []
    return ", ".join(words + ([f"from {rule.threshold}"] if rule.threshold is not None else []))


def grids(scores: MethodScores, *, chosen: bool = True) -> list[RenderableType]:
    """Return tables of the AER by layer and head.

    Args:
        scores: the scores of all rules of a method.
        chosen: mark the lowest AER, since it is that of all methods.
    """
    best = scores.best
    of = "" if best.rule.method == "attention" else f" of {best.rule.method}"
    parts: list[RenderableType] = []
    heads = list(dict.fromkeys(reading.rule.head for reading in scores.readings))
    layers = list(dict.fromkeys(reading.rule.layer for reading in scores.readings))
    for shift, title in ROWS.items():
        grid = Table(box=box.SIMPLE_HEAD, show_edge=False)
        for head in ("layer", *(f"head {h}" if h != "mean" else "mean" for h in heads)):
            grid.add_column(head, justify="right")
        for layer in layers:
            line = [scores.of(replace(best.rule, layer=layer, head=h, shift=shift)) for h in heads]
            grid.add_row(str(layer), *(mark(r.tally.aer, chosen and r == best) for r in line))
        parts += [f"AER{of} {title}", grid, ""]
    return parts


def table(rows: dict[str, dict[str, Any]]) -> Table:
    """Return a table of the scores of all alignments."""
    scores = Table(box=box.SIMPLE_HEAD, show_edge=False)
    scores.add_column("alignment", overflow="fold")
    columns = {"aer": "AER", "precision": "prec.", "recall": "recall", "f1": "F1"}
    columns |= {"end": "</s>", "entropy": "entropy", "forward": "forward"}
    for head in columns.values():
        scores.add_column(head, justify="right", no_wrap=True)
    for name, row in rows.items():
        scores.add_row(escape(name), *(f"{row[k]:.3f}" if k in row else "-" for k in columns))
    return scores


def mark(aer: float, best: bool) -> str:
    """Format an AER; the asterisk marks the best one without color, too."""
    return f"[bold]*{aer:.3f}[/bold]" if best else f"{aer:.3f}"
