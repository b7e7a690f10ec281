"""Render a comparison in the terminal: the verdict and the main tables."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from seq2seq.compare.comparison import Comparison, TestSet
from seq2seq.compare.report import tables
from seq2seq.compare.report.formats import Table
from seq2seq.compare.significance import RESAMPLES, signature
from seq2seq.compare.verdict import verdict
from seq2seq.system.terminal_table import TableView


def render(comparison: Comparison) -> RenderableType:
    """Render the verdict, the tables of every test set and the notes."""
    parts: list[RenderableType] = [Text("\n\n".join(verdict(comparison))), Text("")]
    for test in comparison.tests:
        parts.append(Text(tables.title(comparison, test), style="bold"))
        for table in shown(comparison, test):
            parts += [Text(f"\n{table.title}"), TableView(table.head, table.rows)]
            if table.note:
                parts.append(Text(table.note, style="dim"))
        bleu = signature(test.quality.signatures["bleu"], "bs", RESAMPLES)
        parts += map(Text, ["", bleu, *test.notes, ""])
    if settings := tables.configuration(comparison):
        parts += [Text(settings.title), TableView(settings.head, settings.rows), Text("")]
    return Group(*parts, *map(Text, comparison.notes))


def shown(comparison: Comparison, test: TestSet) -> Iterator[Table]:
    """Yield the tables of a test set that the terminal shows."""
    yield tables.quality(comparison, test)
    if len(comparison.runs) > len(comparison.systems):
        yield tables.every_run(comparison, test)
    if len(comparison.systems) > 1:
        yield tables.matrix(comparison, test, "bleu", brief=True)
    yield from tables.axes(test)
    yield from tables.optional(comparison, test)
