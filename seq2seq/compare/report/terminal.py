"""A comparison in a terminal of 80 columns or more: the tables that answer at a glance."""

from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table as DrawnBatch
from rich.text import Text

from seq2seq.compare.comparison import Comparison, TestSet
from seq2seq.compare.report import tables
from seq2seq.compare.report.tables import Table
from seq2seq.compare.significance import RESAMPLES, signature

FEW = 6  # columns that leave room for long names


def render(comparison: Comparison) -> RenderableType:
    """The tables of every test set; only a name or a place of an axis may wrap."""
    parts: list[RenderableType] = []
    for test in comparison.tests:
        parts.append(Text(tables.title(comparison, test), style="bold"))
        for table in shown(comparison, test):
            parts += [Text(f"\n{table.title}"), drawn(table)]
            if table.note:
                parts.append(Text(table.note, style="dim"))
        bleu = signature(test.quality.signatures["bleu"], "bs", RESAMPLES)
        parts += map(Text, ["", bleu, *test.notes, ""])
    if settings := tables.configuration(comparison):
        parts += [Text(settings.title), drawn(settings), Text("")]
    return Group(*parts, *map(Text, comparison.notes))


def shown(comparison: Comparison, test: TestSet) -> Iterator[Table]:
    """What is worth a look before the report is opened."""
    yield tables.quality(comparison, test)
    if len(comparison.runs) > len(comparison.systems):
        yield tables.every_run(comparison, test)
    if len(comparison.systems) > 1:
        yield tables.matrix(comparison, test, "bleu", brief=True)
    yield from tables.axes(test)
    for table in (tables.further(comparison, test), tables.alignment(comparison, test)):
        if table:
            yield table
    yield tables.cost(comparison, test)


def drawn(table: Table) -> DrawnBatch:
    """A table with numbers to the right."""
    found = DrawnBatch(box=box.SIMPLE_HEAD, padding=0, show_edge=False)
    named = max(len(row[0]) for row in table.rows)
    least = min(named, 8 if len(table.head) > FEW else 24)
    found.add_column(Text(table.head[0]), overflow="fold", min_width=least)
    for column in table.head[1:]:
        found.add_column(Text(column), justify="right", overflow="fold")
    for row in table.rows:
        found.add_row(*map(Text, row))
    return found
