"""JSON objects with both sides in each: one object a line, or one array of them in a file."""

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

UNREADABLE = object()  # in place of what is not JSON
BLANK = re.compile(r"[ \t\n\r]*")
KINDS = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
}


class NoTextError(ValueError):
    """There is no text where it was expected; the message is the end of a sentence."""


def fields_of(field: str | None, language: str) -> list[str]:
    """The fields that a side may have: the one that is given, or those named by its language."""
    return [field] if field is not None else [f"translation.{language}", language]


def object_pairs(
    path: Path, fields: tuple[list[str], list[str]], report: Report
) -> Iterator[tuple[int, Pair]]:
    """Stream both texts of every object, each pair with the line where its object begins.

    A null is an empty text, line ends inside a text become spaces, and blank lines are no objects.

    Args:
        path: the file.
        fields: the names that each side may have, of which an object must have one; a dotted name
            is a field inside another, or has the dots in its own name.
        report: called with every defect; where it returns, an object without text is empty.
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
    """Stream the JSON values of a file, each with the line where it begins.

    Lines are streamed. An array that is the whole file is held in memory as text.
    """
    decoder = json.JSONDecoder(object_pairs_hook=_unique)
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
    """The value of a line; UNREADABLE where it is not JSON and `report` returns."""
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
    """The elements of an array that is the whole file."""
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
                value, at = error, json.JSONDecoder().raw_decode(text, at)[1]
            yield number, value
            at = _skip(text, at)
            closed = text[at : at + 1] == "]"
            if not closed:
                if text[at : at + 1] != ",":
                    raise json.JSONDecodeError("expecting ',' or ']' after an element", text, at)
                at = _skip(text, at + 1)
        if (rest := _skip(text, at + 1)) < len(text):
            raise json.JSONDecodeError(
                "text after the array, which is read as the whole file", text, rest
            )
    except (ValueError, RecursionError) as error:
        place = error.pos if isinstance(error, json.JSONDecodeError) else at
        report(_not_json(path, number + text.count("\n", counted, place), error))


def _skip(text: str, at: int) -> int:
    """The next place that is not blank."""
    return BLANK.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing too


def _not_json(path: Path, number: int, error: Exception) -> Defect:
    reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
    sentence = (
        f"line {number} of {path} is not JSON: {reason} (expected is one whole object in each "
        "line, or one array of objects in the file)"
    )
    return Defect("not JSON", Place(path.name, number), UserError(sentence))


def _unique(items: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; JSON allows a name twice, and then nobody knows which is meant."""
    found = dict(items)
    if len(found) != len(items):
        names = [name for name, _ in items]
        twice = next(name for name in names if names.count(name) > 1)
        raise NoTextError(f"has the field {twice!r} twice in one object")
    return found


def _text(record: Any, choices: list[str]) -> str | None:
    """The text of a side; None for a null.

    Raises:
        NoTextError: there is none, or more than one.
    """
    if not isinstance(record, dict):
        raise NoTextError(f"has {_kind(record)} where an object with both texts is expected")
    found = [(name, value) for name in choices for value in _values(record, name)]
    if len(found) > 1:
        names = " and ".join(sorted({repr(name) for name, _ in found}))
        raise NoTextError(f"has several texts to choose from at {names}: name a field of one only")
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
            f"has half a character (a lone surrogate) in the field {name!r}"
        ) from error
    return value


def _values(record: dict[str, Any], name: str) -> Iterator[Any]:
    """What is at a dotted name: inside other objects, or under a key that has the dots itself."""
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
            f"{nested[0]!r}: write these as an array or one a line, such as with "
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
