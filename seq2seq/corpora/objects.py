"""Read pairs from JSON objects: one object per line, or one array of objects per file."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any

from seq2seq.corpora.lines import one_line
from seq2seq.corpora.text import Pair
from seq2seq.errors import UserError, did_you_mean
from seq2seq.system.text_lines import Defect, Place, Report, read_lines

UNREADABLE = object()  # stands for a line that is not JSON
BLANK = re.compile(r"[ \t\n\r]*")
KINDS = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
}


class NoTextError(ValueError):
    """An object lacks an expected text; the message is the end of a sentence."""


def fields_of(field: str | None, language: str) -> list[str]:
    """Return the possible fields of a side: the given one, or those named after its language."""
    return [field] if field is not None else [f"translation.{language}", language]


def object_pairs(
    path: Path, fields: tuple[list[str], list[str]], report: Report
) -> Iterator[tuple[int, Pair]]:
    """Stream both texts of every object; each pair comes with the first line of its object.

    A null is an empty text, line ends inside a text become spaces, and blank lines are skipped.

    Args:
        path: the file.
        fields: possible fields of each side, of which an object must have exactly one; a dotted
            name is a nested field or a key that contains dots.
        report: called with every defect; if it returns, an object without text is an empty pair.
    """
    for line, record in json_values(path, report):
        place, texts = Place(path.name, line), []
        try:
            if isinstance(record, NoTextError):
                raise record
            for choices in fields:
                texts.append("" if record is UNREADABLE else _text(record, choices))
        except NoTextError as error:
            report(Defect("no such text", place, UserError(f"line {line} of {path} {error}")))
            texts = ["", ""]
        if None in texts:
            report(Defect("null", place))
        yield line, Pair(*(one_line(text or "") for text in texts))


def json_values(path: Path, report: Report) -> Iterator[tuple[int, Any]]:
    """Stream the JSON values of a file, each with its first line.

    JSON lines are streamed. The text of an array that is the whole file is held in memory.
    """
    # Numbers are only named in messages: float has no largest number of digits, unlike int
    decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_int=float)
    with closing(read_lines(path, report)) as read:
        lines = enumerate(read, start=1)
        for number, line in lines:
            if not line.strip(" \t\r"):
                report(Defect("blank line", Place(path.name, number)))
                continue
            if line.lstrip().startswith("["):
                yield from _elements(path, decoder, chain([(number, line)], lines), report)
                return
            yield number, _line_value(path, decoder, number, line, report)
            break
        for number, line in lines:
            if line.strip(" \t\r"):
                yield number, _line_value(path, decoder, number, line, report)
            else:
                report(Defect("blank line", Place(path.name, number)))


def _line_value(
    path: Path, decoder: json.JSONDecoder, number: int, line: str, report: Report
) -> Any:
    """Parse a line; return UNREADABLE if it is not JSON and `report` returns."""
    try:
        return decoder.decode(line)
    except NoTextError as error:
        return error
    except (ValueError, RecursionError) as error:
        report(_not_json(path, number, error))
        return UNREADABLE


def _elements(
    path: Path, decoder: json.JSONDecoder, lines: Iterator[tuple[int, str]], report: Report
) -> Iterator[tuple[int, Any]]:
    """Yield the elements of an array that is the whole file."""
    (number, first) = next(lines)
    text = "\n".join([first, *(line for _, line in lines)])
    at, counted = _skip(text, text.index("[") + 1), 0
    try:
        closed = text[at : at + 1] == "]"
        while not closed:
            number, counted = number + text.count("\n", counted, at), at
            try:
                value, at = decoder.raw_decode(text, at)
            except NoTextError as error:
                value, at = error, json.JSONDecoder(parse_int=float).raw_decode(text, at)[1]
            yield number, value
            at = _skip(text, at)
            closed = text[at : at + 1] == "]"
            if not closed:
                if text[at : at + 1] != ",":
                    raise json.JSONDecodeError("expecting ',' or ']' after an element", text, at)
                at = _skip(text, at + 1)
        if (rest := _skip(text, at + 1)) < len(text):
            raise json.JSONDecodeError(
                "text after the array, which must be the whole file", text, rest
            )
    except (ValueError, RecursionError) as error:
        place = error.pos if isinstance(error, json.JSONDecodeError) else at
        report(_not_json(path, number + text.count("\n", counted, place), error))


def _skip(text: str, at: int) -> int:
    """Return the next position that is not blank."""
    return BLANK.match(text, at).end()  # type: ignore[union-attr]  # also matches the empty string


def _not_json(path: Path, number: int, error: Exception) -> Defect:
    reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
    sentence = (
        f"line {number} of {path} is not JSON: {reason} (expected one whole object in each line, "
        "or one array of objects in the file)"
    )
    return Defect("not JSON", Place(path.name, number), UserError(sentence))


def _unique(items: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object and reject duplicate names, which JSON allows but which are ambiguous."""
    found = dict(items)
    if len(found) != len(items):
        names = [name for name, _ in items]
        twice = next(name for name in names if names.count(name) > 1)
        raise NoTextError(f"has the field {twice!r} twice in one object")
    return found


def _text(record: Any, choices: list[str]) -> str | None:
    """Return the text of a side; None for a null.

    Raises:
        NoTextError: no field has a text, or more than one field does.
    """
    if not isinstance(record, dict):
        raise NoTextError(f"has {_kind(record)} where an object with both texts is expected")
    found = [(name, value) for name in choices for value in _values(record, name)]
    if len(found) > 1:
        names = " and ".join(sorted({repr(name) for name, _ in found}))
        raise NoTextError(f"has several matching fields, {names}: name a field that occurs once")
    if not found:
        raise _no_field(record, choices)
    ((name, value),) = found
    if value is None:
        return None
    if not isinstance(value, str):
        raise NoTextError(f"has {_kind(value)} in the field {name!r}, not text")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise NoTextError(
            f"has a lone surrogate (not valid Unicode text) in the field {name!r}"
        ) from error
    return value


def _values(record: dict[str, Any], name: str) -> Iterator[Any]:
    """Yield the values at a dotted name: a nested field, and a key that contains the dots."""
    if name in record:
        yield record[name]
    value: Any = record
    for key in name.split("."):
        if not isinstance(value, dict) or key not in value:
            return
        value = value[key]
    if "." in name:
        yield value


def _no_field(record: dict[str, Any], choices: list[str]) -> NoTextError:
    names = " or ".join(map(repr, choices))
    lists = [name for name, value in record.items() if isinstance(value, list)]
    nested = [name for name in lists if any(isinstance(item, dict) for item in record[name])]
    if nested:
        return NoTextError(
            f"has no field {names}, but a list of {len(record[nested[0]]):,} objects in its field "
            f"{nested[0]!r}: write these as an array or one per line, for example with "
            f"`jq -c '.[\"{nested[0]}\"][]'`"
        )
    *path, last = choices[-1].split(".")
    inner: Any = record
    for depth, key in enumerate(path):
        if not isinstance(inner, dict) or key not in inner:
            last, inner = key, record if not depth else inner
            break
        inner = inner[key]
    known = list(inner) if isinstance(inner, dict) else []
    return NoTextError(f"has no field {names}: at {last!r}, {did_you_mean(last, known)}")


def _kind(value: Any) -> str:
    return "null" if value is None else KINDS.get(type(value), "text")
