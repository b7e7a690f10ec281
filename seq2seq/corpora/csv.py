"""CSV files: comma-separated columns (or another delimiter) with quotes as in RFC 4180."""

from typing import Unpack

from seq2seq.corpora.delimited import Form, delimiter_of
from seq2seq.corpora.splits import Keys
from seq2seq.corpora.tsv import Tsv


class Csv(Tsv):
    """Comma-separated columns; quoted cells may contain delimiters and line ends.

    Quotes follow RFC 4180. Line ends inside a cell become spaces.

    Args:
        source_column: column of the source side, its name in the header or its number from 0
        target_column: column of the target side, its name in the header or its number from 0
        header: true if the first line names the columns
        delimiter: separator of columns: a character, or comma, semicolon, tab or pipe
    """

    ending = ".csv"

    def __init__(
        self,
        *,
        source_column: str,
        target_column: str,
        header: bool,
        delimiter: str,
        **keys: Unpack[Keys],
    ) -> None:
        super().__init__(
            source_column=source_column,
            target_column=target_column,
            header=header,
            **keys,
        )
        self.form = Form(delimiter_of(delimiter), quotes=True, header=header)
