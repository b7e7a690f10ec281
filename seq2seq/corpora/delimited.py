"""Tables of text with a delimiter: TSV, whose quotes are text, and CSV as RFC 4180 has it.

Nothing is guessed: a cell is the text between its delimiters, whatever number, date or missing
value it looks like.
"""

import re
from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from seq2seq.corpora.lines import one_line
from seq2seq.corpora.text import Pair
from seq2seq.errors import UserError, did_you_mean
from seq2seq.system.text_lines import Defect, Place, Report, read_lines

LINES = 1_000  # of a file that one cell may span; more is a quote that was never closed
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
DOUBLED = re.compile(r'"(?:[^"]|"")*""(?:[^"]|"")*"')  # a cell that CSV would have quoted so

Record = tuple[int, list[str]]  # the line where it begins, and its cells


class BadQuotesError(Exception):
    """Quotes that are not those of CSV; the message is the end of a sentence."""


class Form(NamedTuple):
    """How a file is cut into cells, and whether its first record names them."""

    delimiter: str
    quotes: bool
    header: bool


def delimiter_of(name: str) -> str:
    """The delimiter that a key means: the character, or its name.

    Raises:
        UserError: it cannot be one.
    """
    found = DELIMITERS.get(name, "\t" if name == "\\t" else name)
    if len(found) != 1 or found in '"\r\n':
        raise UserError(
            f"data.delimiter is {name!r}, but it is one character, or its name: "
            f"{', '.join(DELIMITERS)}"
        )
    return found


def table_pairs(
    path: Path, form: Form, columns: tuple[list[str], list[str]], report: Report
) -> Iterator[tuple[int, Pair]]:
    """Stream two columns of a table, each pair with the line where its record begins.

    Args:
        path: the file.
        form: how it is cut.
        columns: the names, or the number from 0, that the source and the target column may have.
        report: called with every defect; where it returns, a record without both columns is empty.

    Raises:
        UserError: there is no such column, or what `report` does not accept.
    """
    with closing(records(path, form, report)) as read:
        names = next(read, (1, [""]))[1] if form.header else []
        source, target = (column_number(path, form, choices, names) for choices in columns)
        width = len(names)
        for line, cells in read:
            width = width or len(cells)
            if len(cells) <= max(source, target):
                sentence = (
                    f"line {line} of {path} has {len(cells)} columns, "
                    f"but column {max(source, target)} (counted from 0) is asked for"
                )
                report(Defect("too few columns", Place(path.name, line), UserError(sentence)))
                yield line, Pair("", "")
                continue
            if len(cells) != width:
                report(_other_columns(path, form, line, len(cells), width))
            pair = Pair(cells[source], cells[target])
            if not form.quotes and any(map(DOUBLED.fullmatch, pair)):
                report(Defect("quoted cell", Place(path.name, line)))
            yield line, Pair(*map(one_line, pair))


def records(path: Path, form: Form, report: Report) -> Generator[Record, None, None]:
    """Stream the records of a table."""
    if form.quotes:
        yield from quoted_records(path, form.delimiter, report)
        return
    with closing(read_lines(path, report)) as lines:
        for number, line in enumerate(lines, start=1):
            yield number, line.split(form.delimiter)


def quoted_records(path: Path, delimiter: str, report: Report) -> Iterator[Record]:
    """Stream the records of CSV; a quoted cell may span lines, and `""` in it is a quote.

    A record with wrong quotes is reported, read as one empty cell, and reading goes on at the next
    line. A blank line is no record.
    """
    with closing(read_lines(path, report)) as read:
        lines: Iterator[tuple[int, str]] = enumerate(read, start=1)
        while (first := next(lines, None)) is not None:
            number, line = first
            if not line:
                report(Defect("blank line", Place(path.name, number)))
                continue
            if '"' not in line:
                yield number, line.split(delimiter)
                continue
            spanned: list[tuple[int, str]] = []
            try:
                cells = list(_quoted_cells(line, delimiter, lines, spanned))
            except BadQuotesError as error:
                sentence = f"line {number} of {path} {error}"
                report(Defect("quotes", Place(path.name, number), UserError(sentence)))
                lines = chain(spanned, lines)
                cells = [""]
            else:
                if spanned:
                    report(Defect("line end in a cell", Place(path.name, number)))
            yield number, cells


def _quoted_cells(
    line: str, delimiter: str, lines: Iterator[tuple[int, str]], spanned: list[tuple[int, str]]
) -> Iterator[str]:
    """The cells of a record; lines that it goes on in are taken, and added to `spanned`.

    Raises:
        BadQuotesError: the message is the end of a sentence about the record's first line.
    """
    at = 0
    while True:
        if line[at : at + 1] == '"':
            parts, at = [], at + 1
            while True:
                end = line.find('"', at)
                if end < 0:
                    following = next(lines, None) if len(spanned) < LINES else None
                    if following is None:
                        reached = f"within {LINES:,} lines" if spanned[LINES - 1 :] else "again"
                        raise BadQuotesError(
                            f"begins a quoted cell that is not closed {reached}: a quote that is "
                            'text is written "" inside a quoted cell; where quotes are always '
                            "text, data=tsv reads columns between tabs"
                        )
                    spanned.append(following)
                    parts.append(line[at:] + "\n")
                    line, at = following[1], 0
                    continue
                parts.append(line[at:end])
                at = end + 1
                if line[at : at + 1] != '"':
                    break
                parts.append('"')
                at += 1
            if at < len(line) and line[at] != delimiter:
                rest = line[at : at + 20]
                raise BadQuotesError(
                    f"begins a quoted cell that has {rest!r} after its closing quote: an unclosed "
                    'quote, or one that is text and should be written ""'
                )
            yield "".join(parts)
        else:
            end = line.find(delimiter, at)
            end = len(line) if end < 0 else end
            yield line[at:end]
            at = end
        if at >= len(line):
            return
        at += 1


def column_number(path: Path, form: Form, choices: list[str], names: list[str]) -> int:
    """The number of a column, by the names it may have or by its number itself.

    Raises:
        UserError: there is none, or more than one.
    """
    found = [number for number, name in enumerate(names) if name in choices]
    if len(found) > 1:
        same = " and ".join(f"{names[number]!r} ({number})" for number in found)
        raise UserError(f"{path} has several columns to choose from: {same}; give a number")
    if found:
        return found[0]
    if names == [""]:
        raise UserError(f"{path} has no header: its first line is empty, or there is none")
    wanted = choices[-1]
    if wanted.isdecimal() and len(wanted) < 10:
        return int(wanted)
    if not form.header:
        raise UserError(f"{path} has no column {wanted!r}; without a header, give its number")
    others = [name for name in DELIMITERS if DELIMITERS[name] != form.delimiter]
    cut = [name for name in others if len(names) == 1 and DELIMITERS[name] in names[0]]
    reason = (
        f"its first line, {names[0][:60]!r}, is one column: is the delimiter a {cut[0]}?"
        if cut
        else did_you_mean(wanted, names)
    )
    raise UserError(f"{path} has no column {wanted!r}; {reason}")


def _other_columns(path: Path, form: Form, line: int, count: int, width: int) -> Defect:
    """A record with a number of columns that others do not have.

    In CSV a cell with the delimiter in it should have been quoted, and all cells after it are
    shifted; a TSV may end its lines with more columns that nobody asks for.
    """
    place = Place(path.name, line)
    if not form.quotes:
        return Defect("other columns", place)
    sentence = (
        f"line {line} of {path} has {count} columns where the first has {width}: a cell that "
        f"contains {form.delimiter!r} must be quoted"
    )
    return Defect("other columns", place, UserError(sentence))
