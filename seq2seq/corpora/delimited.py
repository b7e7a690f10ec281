"""Read delimited text: TSV, where quotes are text, and CSV as in RFC 4180.

No types are inferred: a cell is the text between its delimiters, even if it looks like a number, a
date or a missing value.
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

LINES = 1_000  # maximum lines in one cell; more means that a quote is not closed
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
DOUBLED = re.compile(r'"(?:[^"]|"")*""(?:[^"]|"")*"')  # a cell quoted as in CSV

COLUMN_KEYS = ("data.source_column", "data.target_column")
EXCEL = re.compile(r"sep=.?")  # a first line that tells Excel the delimiter

Record = tuple[int, list[str]]  # the number of its first line, and its cells


class BadQuotesError(Exception):
    """Quotes that are invalid in CSV; the message is the end of a sentence."""


class Form(NamedTuple):
    """The dialect of a file: delimiter, whether cells may be quoted, whether it has a header."""

    delimiter: str
    quotes: bool
    header: bool


def delimiter_of(name: str) -> str:
    """Return the delimiter for the value of `data.delimiter`: a character or its name.

    Raises:
        UserError: the value is not a valid delimiter.
    """
    found = DELIMITERS.get(name, "\t" if name == "\\t" else name)
    if len(found) != 1 or found in '"\r\n':
        raise UserError(
            f"data.delimiter is {name!r}, but must be one character or one of the names "
            f"{', '.join(DELIMITERS)}"
        )
    return found


def table_pairs(
    path: Path, form: Form, columns: tuple[list[str], list[str]], report: Report
) -> Iterator[tuple[int, Pair]]:
    """Stream two columns of a table; each pair comes with the first line of its record.

    Args:
        path: the file.
        form: its dialect.
        columns: possible names, or the number from 0, of the source and the target column.
        report: called with every defect; if it returns, a record without both columns is empty.

    Raises:
        UserError: a column does not exist, or `report` raises it.
    """
    with closing(records(path, form, report)) as read:
        names = next(read, (1, [""]))[1] if form.header else []
        source, target = (
            column_number(path, form, choices, names, key)
            for choices, key in zip(columns, COLUMN_KEYS, strict=True)
        )
        if source == target:
            raise same_for_both(f"column {source} (counted from 0) of {path}", COLUMN_KEYS)
        width = len(names)
        for line, cells in read:
            if not cells:  # invalid quotes, reported before
                yield line, Pair("", "")
                continue
            width = width or len(cells)
            if len(cells) <= max(source, target):
                sentence = (
                    f"line {line} of {path} has {len(cells)} columns, "
                    f"but column {max(source, target)} (counted from 0) is configured"
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
    """Stream the records of a CSV file; a quoted cell may span lines, and `""` in it is a quote.

    A record with invalid quotes is reported and read as no cells; reading continues at the next
    line. Blank lines are skipped.
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
                cells = []
            else:
                if spanned:
                    report(Defect("line end in a cell", Place(path.name, number)))
            yield number, cells


def _quoted_cells(
    line: str, delimiter: str, lines: Iterator[tuple[int, str]], spanned: list[tuple[int, str]]
) -> Iterator[str]:
    """Yield the cells of a record; lines that it continues on are added to `spanned`.

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
                        limit = f" within {LINES:,} lines" if spanned[LINES - 1 :] else ""
                        raise BadQuotesError(
                            f"begins a quoted cell that is not closed{limit}: write a literal "
                            'quote as "" inside a quoted cell, or use data=tsv for tab-separated '
                            "columns where quotes are text"
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
                    f"begins a quoted cell that has {rest!r} after its closing quote: the quote is "
                    'not closed, or a literal quote is not written as ""'
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


def column_number(path: Path, form: Form, choices: list[str], names: list[str], key: str) -> int:
    """Return the number of a column, given its possible names or its number.

    Args:
        path: the file.
        form: its dialect.
        choices: possible names, or the number from 0.
        names: the header; empty if there is none.
        key: the key that configures the column, for messages.

    Raises:
        UserError: there is no such column, or more than one.
    """
    found = [number for number, name in enumerate(names) if name in choices]
    if len(found) > 1:
        same = " and ".join(f"{names[number]!r} ({number})" for number in found)
        raise UserError(f"{path} has several matching columns: {same}; give a number as {key}")
    if found:
        return found[0]
    if form.header and names in ([], [""]):
        raise UserError(f"{path} has no header: its first line is empty, unreadable or missing")
    wanted = choices[-1]
    if wanted.isdecimal() and len(wanted) < 10:
        return int(wanted)
    if not form.header:
        raise UserError(
            f"{path} has no column {wanted!r}; without a header, give its number from 0 as {key}"
        )
    raise UserError(f"{path} has no column {wanted!r}; {_reason(form, wanted, names, key)}")


def _reason(form: Form, wanted: str, names: list[str], key: str) -> str:
    """Return the likely reason why the header has no such column, as the end of a sentence."""
    if EXCEL.fullmatch(form.delimiter.join(names)):
        return f"its first line, {form.delimiter.join(names)!r}, is a setting of Excel: remove it"
    if "\r" in "".join(names):
        return (
            "its lines end with a carriage return alone, as old Mac programs write them: convert "
            "it with `tr '\\r' '\\n'`"
        )
    others = [name for name in DELIMITERS if DELIMITERS[name] != form.delimiter]
    cut = [name for name in others if len(names) == 1 and DELIMITERS[name] in names[0]]
    if cut:
        return f"its first line, {names[0][:60]!r}, is one column: is the delimiter a {cut[0]}?"
    return (
        f"{did_you_mean(wanted, names)} (set {key}, or data.header=false if the first line is text)"
    )


def same_for_both(what: str, keys: tuple[str, str]) -> UserError:
    """Return the error for a column or field that is configured for both sides."""
    return UserError(f"both sides are {what}: set {keys[0]} and {keys[1]} to different ones")


def _other_columns(path: Path, form: Form, line: int, count: int, width: int) -> Defect:
    """Return the defect for a record whose number of columns differs from that of the first.

    In CSV this is an error: an unquoted cell contains the delimiter, and all cells after it are
    shifted. A TSV line may have additional columns that are not read.
    """
    place = Place(path.name, line)
    if not form.quotes:
        return Defect("other columns", place)
    sentence = (
        f"line {line} of {path} has {count} columns, but the first has {width}: a cell that "
        f"contains {form.delimiter!r} must be quoted"
    )
    return Defect("other columns", place, UserError(sentence))
