"""Read corpora with markup: SGML and XML of WMT and IWSLT, and IWSLT's `train.tags`.

The format is recognized by the first lines of a file. Segments of two files are matched by document
and segment number, not by line.
"""

import re
from collections.abc import Iterator
from contextlib import closing
from itertools import islice, zip_longest
from pathlib import Path
from typing import Literal, NamedTuple

from seq2seq.corpora.elements import Event, sgml_events, xml_events
from seq2seq.corpora.text import Pair
from seq2seq.errors import UserError
from seq2seq.system.text_lines import Defect, Place, Report, read_lines

FIRST_LINES = 50  # lines of a file in which its format is recognized
SPACES = re.compile(r"[ \t\r\n]+")
XML = re.compile(r"\s*<\?xml\s", re.IGNORECASE)
TMX = re.compile(r"\s*(<!DOCTYPE\s+tmx\b|<tmx[\s>])", re.IGNORECASE)
SGML = re.compile(r"\s*<(!DOCTYPE\s+)?(mteval|srcset|refset|tstset|dataset)[\s>]", re.IGNORECASE)
NAMES = "url|keywords|speaker|talkid|title|description|reviewer|translator|doc"
TAGGED = re.compile(rf"\s*(<({NAMES})(\s[^<>]*)?>.*|</({NAMES})>\s*)", re.IGNORECASE)

BOTH = re.compile(r"<(dataset|src)[\s>]", re.IGNORECASE)

Form = Literal["plain", "tags", "sgml", "xml", "tmx"]


class Segment(NamedTuple):
    """One side of a pair.

    Attributes:
        line: line where it begins.
        text: its text, in one line.
        document: its document; None if the file has no documents.
        number: its number in the document; None if the file has no numbers.
    """

    line: int
    text: str
    document: str | None = None
    number: str | None = None

    def __str__(self) -> str:
        return f"line {self.line} (segment {self.number} of document {self.document!r})"


def form_of(path: Path) -> Form:
    """Return the format of a file, recognized by its first lines."""
    with closing(read_lines(path, lambda defect: None)) as lines:
        first = [line for line in islice(lines, FIRST_LINES) if line.strip()]
    if not first:
        return "plain"
    if any(TMX.match(line) for line in first) and (XML.match(first[0]) or TMX.match(first[0])):
        return "tmx"
    if XML.match(first[0]):
        return "xml"
    if SGML.match(first[0]):
        return "sgml"
    return "tags" if TAGGED.match(first[0]) else "plain"


def has_both_sides(path: Path) -> bool:
    """Whether a file is WMT XML with both sources and references, by its first lines."""
    if form_of(path) != "xml":
        return False
    with closing(read_lines(path, lambda defect: None)) as lines:
        return any(BOTH.search(line) for line in islice(lines, FIRST_LINES))


def segments(
    path: Path, form: Form, language: str, side: int, report: Report, *, alone: bool = False
) -> Iterator[Segment]:
    """Stream the segments of one side from a file, which may contain several languages.

    Args:
        path: the file.
        form: its format.
        language: language of the side.
        side: 0 for the source, 1 for the target; used if the file does not name languages.
        report: called with every defect.
        alone: whether the file must have both sides.

    Raises:
        UserError: the file is malformed, or has no segments of this language.
    """
    if form == "tmx":
        raise UserError(f"{path} is TMX, which has both sides in one file: use data=tmx")
    if form in ("plain", "tags"):
        if alone:
            raise one_sided(path)
        yield from _lines(path, form == "tags", report)
        return
    events = xml_events(path, report) if form == "xml" else sgml_events(path, report)
    found = False
    for segment in _segments(path, events, language, side, report, alone):
        found = True
        yield segment
    if not found:
        raise UserError(f"{path} has no <seg> for the language {language!r}")


def segment_pairs(
    paths: tuple[Path, Path], languages: tuple[str, str], report: Report
) -> Iterator[tuple[tuple[int, int], Pair]]:
    """Stream pairs of segments, each with its line on both sides.

    Raises:
        UserError: the sides do not have the same segments; the message names the first mismatch.
    """
    forms = form_of(paths[0]), form_of(paths[1])
    alone = paths[0] == paths[1]
    sides = [segments(paths[i], forms[i], languages[i], i, report, alone=alone) for i in (0, 1)]
    for count, (left, right) in enumerate(zip_longest(*sides), start=1):
        if left is None or right is None:
            short, long, extra = (0, 1, right) if left is None else (1, 0, left)
            rest = count + sum(1 for _ in sides[long])
            counts = [f"{rest:,}", f"{rest:,}"]
            counts[short] = f"{count - 1:,}"
            sentence = (
                f"{paths[0]} has {counts[0]} segments and {paths[1]} has {counts[1]}: the first "
                f"without a translation is {extra if extra.number else f'line {extra.line}'} of "
                f"{paths[long].name}"
            )
            place = Place(paths[long].name, extra.line)
            report(Defect("unequal counts", place, UserError(sentence)))
            return
        if None not in (left.number, right.number) and left[2:] != right[2:]:
            sentence = (
                f"{left} of {paths[0]} is paired with {right} of {paths[1]}: both files must have "
                "the same segments in the same order"
            )
            place = Place(paths[0].name, left.line)
            report(Defect("other segment", place, UserError(sentence)))
            return
        yield (left.line, right.line), Pair(left.text, right.text)


def _lines(path: Path, tagged: bool, report: Report) -> Iterator[Segment]:
    with closing(read_lines(path, report)) as lines:
        for number, line in enumerate(lines, start=1):
            if not tagged:
                yield Segment(number, line)
            elif not TAGGED.match(line):
                yield Segment(number, line.strip())


def _segments(
    path: Path, events: Iterator[Event], language: str, side: int, report: Report, alone: bool
) -> Iterator[Segment]:
    """Yield the segments of one side, without other references and system outputs."""
    document: str | None = None
    used, inside, first = True, False, FirstReference(path, report)
    segment: tuple[int, str] | None = None
    parts: list[str] = []
    count = 0
    for kind, value, line, attributes in events:
        if kind == "start" and value == "doc":
            document, count, used = attributes.get("docid") or attributes.get("id"), 0, True
            if "sysid" in attributes:
                used = first.is_used(f"{document}", attributes["sysid"], line)
        elif kind == "start" and value in ("src", "ref", "hyp"):
            count, inside = 0, True
            used = value != "hyp" and _is_side(value, attributes, language, side)
            if used and value == "ref":
                used = first.is_used("", attributes.get("translator", ""), line)
        elif kind == "end" and value in ("src", "ref", "hyp"):
            used, inside = True, False
        elif kind == "start" and value == "seg":
            if alone and not inside:
                raise one_sided(path)
            if segment:
                raise UserError(
                    f"line {line} of {path} has a <seg> inside the <seg> of line {segment[0]}"
                )
            count += 1
            segment = line, attributes.get("id", f"{count}")
        elif kind == "text" and segment:
            parts.append(value)
        elif kind == "end" and value == "seg":
            if not segment:
                raise UserError(f"line {line} of {path} has a </seg> without a <seg>")
            if used:
                yield Segment(segment[0], tidy("".join(parts)), document, segment[1].strip())
            segment = None
            parts.clear()
    if segment:
        raise UserError(f"line {segment[0]} of {path} has a <seg> that is not closed")


def one_sided(path: Path) -> UserError:
    """Return the error for a file that must have both sides but has only one."""
    return UserError(
        f"{path} has one side only: name both files as SOURCE:TARGET, or give their common prefix "
        "before the language"
    )


class FirstReference:
    """Selects the first of several references of each document."""

    def __init__(self, path: Path, report: Report) -> None:
        self.path, self.report, self.reported = path, report, False
        self.first: dict[str, str] = {}

    def is_used(self, document: str, name: str, line: int) -> bool:
        """Whether this reference is the first of its document; the first other is reported."""
        used = self.first.setdefault(document, name) == name
        if not used and not self.reported:
            self.reported = True
            self.report(Defect("several references", Place(self.path.name, line)))
        return used


def _is_side(tag: str, attributes: dict[str, str], language: str, side: int) -> bool:
    named = attributes.get("lang") or attributes.get("xml:lang")
    return matches_language(named, language) if named else (tag == "ref") == bool(side)


def matches_language(named: str, language: str) -> bool:
    """Whether a language code is the requested one or a regional variant: en-US for en."""
    code, requested = (text.replace("_", "-").lower() for text in (named, language))
    return code == requested or code.startswith(f"{requested}-")


def tidy(text: str) -> str:
    """Join the lines of a text and strip the spaces around it."""
    return SPACES.sub(" ", text).strip(" ")
