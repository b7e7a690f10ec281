"""Tables for a terminal of any width: columns if they fit, else one paragraph per row."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

NAME = 24  # maximum required width of the first column; longer names may wrap


@dataclass(frozen=True)
class TableView:
    """A table whose cells are never truncated: if it is too wide, rows become paragraphs.

    Attributes:
        head: the column headings; the first column is the name of the row.
        rows: the cells of each row, as plain text without markup.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        widths = [longest_word(column) for column in zip(self.head, *self.rows, strict=True)]
        widths[0] = min(NAME, max(cell_len(row[0]) for row in (self.head, *self.rows)))
        if sum(widths) + len(widths) - 1 <= options.max_width:
            yield self.columns(self.widened(widths, options.max_width))
        else:
            yield from self.paragraphs()

    def widened(self, widths: Sequence[int], available: int) -> list[int]:
        """Give columns the width of their longest cell, from left to right, while it fits.

        Rich would narrow the widest columns instead, to less than their longest word.
        """
        spare, wider = available - sum(widths) - len(widths) + 1, []
        for width, column in zip(widths, zip(self.head, *self.rows, strict=True), strict=True):
            wanted = max(cell_len(cell) for cell in column) - width
            wider.append(width + min(wanted, spare))
            spare -= min(wanted, spare)
        return wider

    def columns(self, widths: Sequence[int]) -> Table:
        """Render as a table; cells may wrap between words."""
        table = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False)
        table.add_column(Text(self.head[0]), overflow="fold", width=widths[0])
        for head, width in zip(self.head[1:], widths[1:], strict=True):
            table.add_column(Text(head), justify="right", overflow="fold", width=width)
        for row in self.rows:
            table.add_row(*map(Text, row))
        return table

    def paragraphs(self) -> Iterator[RenderableType]:
        """Render each row as its name, followed by one line per column."""
        for row in self.rows:
            yield Text(row[0], style="bold", overflow="fold")
            for head, cell in zip(self.head[1:], row[1:], strict=True):
                if cell:
                    yield Padding(Text(f"{head}: {cell}", overflow="fold"), (0, 0, 0, 2))


def longest_word(cells: Sequence[str]) -> int:
    """The width of the longest word in some cells, in terminal columns."""
    return max((cell_len(word) for cell in cells for word in cell.split()), default=0)
