"""Parse XML and SGML into a stream of events with line numbers, safe for untrusted files.

XML is parsed by expat. A file that declares entities is rejected: entities can expand to gigabytes
or read other files, and no corpus needs them. External DTDs are never opened. SGML (older WMT test
sets) need not be well-formed: it may have attributes without quotes and a bare `&`.
"""

import re
from collections.abc import Iterator
from contextlib import closing
from html.entities import html5
from pathlib import Path
from typing import Literal, NamedTuple
from xml.parsers import expat

from seq2seq.errors import UserError
from seq2seq.system.text_lines import Report, read_lines

LINES = 200  # passed to the parser at a time
TAG = re.compile(r"<!--.*?-->|<[!?][^>]*>|<(/?)([A-Za-z][\w:.-]*)((?:\s[^<>]*)?)>")
ATTRIBUTE = re.compile(r"""([\w:.-]+)\s*=\s*("[^"]*"|'[^']*'|[^\s"'>]+)""")
REFERENCE = re.compile(r"&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|(\w+));")


class Event(NamedTuple):
    """A start tag, an end tag, or text between tags.

    Attributes:
        kind: kind of the event.
        value: name of the tag in lower case, or the text.
        line: line number, counted from 1.
        attributes: attributes of a start tag, by name in lower case.
    """

    kind: Literal["start", "end", "text"]
    value: str
    line: int
    attributes: dict[str, str]


def xml_events(path: Path, report: Report) -> Iterator[Event]:
    """Stream the events of an XML file.

    Raises:
        UserError: the file is not well-formed or declares entities; the message names the line.
    """
    events: list[Event] = []
    parser = expat.ParserCreate("utf-8")  # ignores the declared encoding: lines are decoded before
    parser.buffer_text = True

    def text(data: str) -> None:
        events.append(Event("text", data, parser.CurrentLineNumber, {}))

    def start(name: str, attributes: dict[str, str]) -> None:
        lower = {key.lower(): value for key, value in attributes.items()}
        events.append(Event("start", name.lower(), parser.CurrentLineNumber, lower))

    def end(name: str) -> None:
        events.append(Event("end", name.lower(), parser.CurrentLineNumber, {}))

    def declared(name: str, *_: object) -> None:
        raise UserError(
            f"line {parser.CurrentLineNumber} of {path} declares the entity {name!r}: entity "
            "declarations are not supported, since they can expand to any size; replace the "
            "entity by its text"
        )

    def skipped(name: str, is_parameter: int) -> None:
        if is_parameter:
            return
        if f"{name};" not in html5:
            raise UserError(
                f"line {parser.CurrentLineNumber} of {path} has the unknown entity &{name};"
            )
        text(html5[f"{name};"])

    parser.CharacterDataHandler = text
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.EntityDeclHandler, parser.SkippedEntityHandler = declared, skipped
    try:
        with closing(read_lines(path, report)) as lines:
            block: list[str] = []
            for line in lines:
                block.append(line)
                if len(block) == LINES:
                    parser.Parse("\n".join(block) + "\n")
                    block.clear()
                    yield from events
                    events.clear()
            parser.Parse("\n".join(block), True)
            yield from events
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        if reason in ("not well-formed (invalid token)", "undefined entity"):
            reason += "; a literal & is written &amp;, a literal < is written &lt;"
        raise UserError(
            f"line {error.lineno} of {path} is not well-formed XML: {reason}"
        ) from error


def sgml_events(path: Path, report: Report) -> Iterator[Event]:
    """Stream the events of a file with tags that is not well-formed XML; no tag spans lines."""
    with closing(read_lines(path, report)) as lines:
        for number, line in enumerate(lines, start=1):
            at = 0
            for tag in TAG.finditer(line):
                if tag.start() > at:
                    yield Event("text", dereferenced(line[at : tag.start()]), number, {})
                at = tag.end()
                if name := tag[2]:
                    pairs = ATTRIBUTE.findall(tag[3])
                    values = {key.lower(): dereferenced(value.strip("\"'")) for key, value in pairs}
                    kind: Literal["start", "end"] = "end" if tag[1] else "start"
                    yield Event(kind, name.lower(), number, {} if tag[1] else values)
            yield Event("text", dereferenced(line[at:]) + "\n", number, {})


def dereferenced(text: str) -> str:
    """Replace the character references in a text; anything else stays as it is."""
    return REFERENCE.sub(_character, text) if "&" in text else text


def _character(reference: re.Match[str]) -> str:
    decimal, hexadecimal, name = reference.groups()
    if name:
        return html5.get(f"{name};", reference[0])
    code = int(decimal) if decimal else int(hexadecimal, 16)
    surrogate = 0xD800 <= code < 0xE000
    return chr(code) if 0 < code <= 0x10FFFF and not surrogate else reference[0]
