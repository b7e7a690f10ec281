"""Tables for a terminal of any width: columns where they fit, else a paragraph for each row."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

NAME = 24  # columns that a long name in the first column keeps at least; it wraps there


@dataclass(frozen=True)
class TableView:
    """A table whose cells are never cut: what is too wide is shown row by row.

    Attributes:
        head: of its columns; the first one names the row.
        rows: a cell for each column; text, never markup.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        widths = [longest_word(column) for column in zip(self.head, *self.rows, strict=True)]
        widths[0] = min(NAME, max(cell_len(row[0]) for row in (self.head, *self.rows)))
        if sum(widths) + len(widths) - 1 <= options.max_width:
            yield self.columns(widths)
        else:
            yield from self.paragraphs()

    def columns(self, widths: Sequence[int]) -> Table:
        """A column for each column; between words their cells may wrap."""
        table = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False)
        table.add_column(Text(self.head[0]), overflow="fold", min_width=widths[0])
        for head, width in zip(self.head[1:], widths[1:], strict=True):
            table.add_column(Text(head), justify="right", overflow="fold", min_width=width)
        for row in self.rows:
            table.add_row(*map(Text, row))
        return table

    def paragraphs(self) -> Iterator[RenderableType]:
        """The name of each row, and under it a line for each column."""
        for row in self.rows:
            yield Text(row[0], style="bold", overflow="fold")
            for head, cell in zip(self.head[1:], row[1:], strict=True):
                if cell:
                    yield Padding(Text(f"{head}: {cell}", overflow="fold"), (0, 0, 0, 2))


def longest_word(cells: Sequence[str]) -> int:
    """Terminal columns of the longest word in some cells."""
    return max((cell_len(word) for cell in cells for word in cell.split()), default=0)
