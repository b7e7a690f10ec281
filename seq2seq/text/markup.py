"""Recognize lines that are not plain text: n-best lists, tags, output of other programs.

Training on tags or scoring an n-best list would silently give wrong results. A text is rejected if
all of its lines have such a form; if only some have, this is a remark, since a text may mention
tags.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from seq2seq.errors import UserError
from seq2seq.system.console import console

SAMPLE = 1_000  # lines of a corpus that are checked before training


class Markup(NamedTuple):
    """A form of lines that is not plain text.

    Attributes:
        name: name in a report.
        pattern: regular expression that a line of this form matches.
        advice: instruction to the user, the end of a sentence.
        certain: whether a text is certainly not plain text if all of its lines match.
    """

    name: str
    pattern: re.Pattern[str]
    advice: str
    certain: bool


TAGS = (
    "s|seg|srcset|refset|tstset|mteval|dataset|collection|doc|src|ref|hyp|p|hl|url|keywords"
    "|speaker|talkid|title|description|reviewer|translator|tmx|header|body|tu|tuv|xliff|file|unit"
    "|trans-unit|source|target|prop|note"
)
KINDS = (
    Markup(
        "n-best list",
        re.compile(r"\s*\d+ ?\|\|\| .*\|\|\| ?[^|]*\d[^|]*"),
        "keep only the text of one translation for each number, the second of the fields separated "
        "by ` ||| `, for example with `awk -F ' [|][|][|] ' '!seen[$1]++ {print $2}'`",
        True,
    ),
    Markup(
        "fairseq output",
        re.compile(r"[STHDPVAIE]-\d+\t.*"),
        "keep only the text of the translations, in the order of their numbers, for example with "
        "`grep ^D- FILE | sort -V | cut -f 3` (H- if there is no D-)",
        True,
    ),
    Markup(
        "tags",
        re.compile(
            rf"\s*(</?({TAGS})(\s[^<>]*)?/?>|<\?xml\b.*|<!(DOCTYPE|--).*)(.*</({TAGS})>)?\s*",
            re.IGNORECASE,
        ),
        "extract the text from the tags first: docs/corpora.md has the supported formats",
        True,
    ),
    Markup(
        "both sides",
        re.compile(r"[^|]*[^|\s] \|\|\| [^|]*[^|\s]"),
        "this looks like `source ||| target`: write each side to its own file",
        False,
    ),
    Markup(
        "subtitle times",
        re.compile(r"\s*\d\d:\d\d:\d\d[,.]\d+ --> .*"),
        "remove the times and numbers of the subtitles",
        False,
    ),
    Markup(
        "subword marks",
        re.compile(r".*(@@( |$)|(^|\s)\u2581).*"),
        "these look like subword units: join them first, for example with `sed 's/@@ //g'`",
        False,
    ),
    Markup(
        "character codes",
        re.compile(r".*&(amp|lt|gt|quot|apos|nbsp|#\d{2,5}|#x[0-9a-fA-F]{2,5});.*"),
        "`&quot;` and similar codes are read as text: convert them to characters first",
        False,
    ),
)
NAMES = {kind.name: kind for kind in KINDS}
TAGGED_LINE = re.compile(r"\s*<(s|seg)(?:\s[^<>]*)?>\s*(.*?)\s*</\1>\s*", re.IGNORECASE)
# A quick test: almost no plain text matches
HINT = re.compile(r"\|\|\||[<\t&\u2581]|@@| --> ")


def kinds(line: str) -> Iterator[Markup]:
    """Yield every form that a line matches."""
    if HINT.search(line):
        yield from (kind for kind in KINDS if kind.pattern.fullmatch(line))


def of_all(lines: Iterable[str], *, share: float = 1.0) -> Markup | None:
    """Return the form of all lines, ignoring blank ones; None for plain text.

    Args:
        lines: the text.
        share: share of the lines that must have the form; 1 is all of them.
    """
    count, found = 0, Counter[str]()
    for line in lines:
        if line.strip():
            count += 1
            found.update(kind.name for kind in kinds(line) if kind.certain)
            if share == 1 and not found:
                return None
    name, most = found.most_common(1)[0] if found else ("", 0)
    return NAMES[name] if count and most >= share * count else None


def refuse_markup(lines: Iterable[str], what: str) -> None:
    """Reject a text whose first lines all have the same form.

    Args:
        lines: the text; its first SAMPLE lines are checked.
        what: name of the text in the message.

    Raises:
        UserError: the text is not plain text; the message names the form and what to do.
    """
    if kind := of_all(islice(lines, SAMPLE)):
        raise refusal_of_markup(what, kind)


def refusal_of_markup(what: str, kind: Markup) -> UserError:
    """Return the error for a text of this form."""
    return UserError(f"{what} is not plain text but {_described(kind)}: {kind.advice}")


def remark(lines: Iterable[str], what: str) -> str | None:
    """Return a remark on the most frequent form among the first lines; None for plain text."""
    found = Counter(kind.name for line in islice(lines, SAMPLE) for kind in kinds(line))
    if not found:
        return None
    name, count = found.most_common(1)[0]
    return (
        f"{what}: {count:,} of the first {SAMPLE:,} lines look like {_described(NAMES[name])} "
        "(`seq2seq check` lists the lines)"
    )


def remove_line_tags(lines: Iterable[str], path: Path) -> Iterator[str]:
    """Remove the tags around each line, `<s snum=1> ... </s>` or `<seg id="1"> ... </seg>`.

    Word alignment corpora have them.

    Args:
        lines: the lines of a file; without tags they are unchanged.
        path: the file, for messages.

    Raises:
        UserError: only some lines have tags.
    """
    tagged = None
    for number, line in enumerate(lines, 1):
        match = TAGGED_LINE.fullmatch(line)
        if tagged is None:
            tagged = match is not None
            if tagged:
                console.print(
                    f"{path}: the tags around each line, as in {line[:30]!r}, are removed"
                )
        if tagged != (match is not None):
            this, first = ("no tags", "has") if tagged else ("tags", "has none")
            raise UserError(
                f"{path}, line {number}: this line has {this} <s ...> ... </s>, but line 1 {first}"
                ": remove the markup from the file"
            )
        yield match[2] if match else line


def _described(kind: Markup) -> str:
    examples = {
        "n-best list": "an n-best list (`0 ||| text ||| -0.3`)",
        "fairseq output": "output of fairseq (`H-0<TAB>-0.3<TAB>text`)",
        "tags": 'tagged lines (such as `<seg id="1">text</seg>`)',
    }
    return examples.get(kind.name, kind.name)
