"""Tables with tab-separated columns."""

from collections.abc import Iterator
from pathlib import Path
from typing import Unpack

from seq2seq.corpora.base import Pair
from seq2seq.corpora.delimited import Form, table_pairs
from seq2seq.corpora.lines import Report
from seq2seq.corpora.splits import Keys
from seq2seq.corpora.tables import Table


class Tsv(Table):
    """Tab-separated columns; quotes and backslashes are read as text.

    Args:
        source_column: column of the source side, its number from 0 or its name in the header
        target_column: column of the target side, its number from 0 or its name in the header
        header: true if the first line names the columns
    """

    ending = ".tsv"

    def __init__(
        self,
        *,
        source_column: str,
        target_column: str,
        header: bool,
        **keys: Unpack[Keys],
    ) -> None:
        super().__init__(**keys)
        self.source_column = source_column
        self.target_column = target_column
        self.form = Form("\t", quotes=False, header=header)

    def numbered(self, path: Path, report: Report) -> Iterator[tuple[int, Pair]]:
        """Stream the two columns of every line except the header."""
        return table_pairs(path, self.form, ([self.source_column], [self.target_column]), report)

    def reads(self, split: str) -> tuple[Path | str, ...]:
        """Return the file and the columns that are read."""
        return self.path(split), self.source_column, self.target_column, repr(self.form)
