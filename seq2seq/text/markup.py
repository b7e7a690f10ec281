"""Recognize lines that are not plain text: n-best lists, tags, the output of other programs.

A training on tags, or a score of an n-best list, is wrong without any error. Where every line is of
such a form the text is refused; where some are, it is a remark, for a text may speak of tags.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from seq2seq.errors import UserError

SAMPLE = 1_000  # lines of a corpus that are looked at before a training


class Markup(NamedTuple):
    """A form of lines that is not plain text.

    Attributes:
        name: what it is called in a report.
        pattern: what a line of it matches.
        advice: what to do, for the end of a sentence.
        certain: whether a text all of whose lines match is surely no plain text.
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
        "keep one translation for each number, and nothing but its text: the second of the fields "
        "that ` ||| ` separates, such as with `awk -F ' [|][|][|] ' '!seen[$1]++ {print $2}'`",
        True,
    ),
    Markup(
        "fairseq output",
        re.compile(r"[STHDPVAIE]-\d+\t.*"),
        "keep the translations, in the order of their numbers, and nothing but their text, such as "
        "with `grep ^D- FILE | sort -V | cut -f 3` (H- where there is no D-)",
        True,
    ),
    Markup(
        "tags",
        re.compile(
            rf"\s*(</?({TAGS})(\s[^<>]*)?/?>|<\?xml\b.*|<!(DOCTYPE|--).*)(.*</({TAGS})>)?\s*",
            re.IGNORECASE,
        ),
        "take the text out of its tags first: see data/README.md for the formats that are read",
        True,
    ),
    Markup(
        "both sides",
        re.compile(r"[^|]*[^|\s] \|\|\| [^|]*[^|\s]"),
        "this looks like `source ||| target`: write both sides to files of their own",
        False,
    ),
    Markup(
        "subtitle times",
        re.compile(r"\s*\d\d:\d\d:\d\d[,.]\d+ --> .*"),
        "take the times and numbers of the subtitles out",
        False,
    ),
    Markup(
        "subword marks",
        re.compile(r".*(@@( |$)|(^|\s)\u2581).*"),
        "these look like pieces of words: join them first, such as with `sed 's/@@ //g'`",
        False,
    ),
    Markup(
        "character codes",
        re.compile(r".*&(amp|lt|gt|quot|apos|nbsp|#\d{2,5}|#x[0-9a-fA-F]{2,5});.*"),
        "`&quot;` and the like are text here: turn them into characters first",
        False,
    ),
)
NAMES = {kind.name: kind for kind in KINDS}
# A quick test that nearly all plain text fails
HINT = re.compile(r"\|\|\||[<\t&\u2581]|@@| --> ")


def kinds(line: str) -> Iterator[Markup]:
    """Every form that a line has."""
    if HINT.search(line):
        yield from (kind for kind in KINDS if kind.pattern.fullmatch(line))


def of_all(lines: Iterable[str], *, share: float = 1.0) -> Markup | None:
    """The form of all lines but the blank ones; None if there is none.

    Args:
        lines: the text.
        share: how many of its lines must be of that form, 1 being all.
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
    """Refuse a text whose first lines are all of such a form.

    Args:
        lines: the text; its first SAMPLE lines are looked at.
        what: what a message calls it.

    Raises:
        UserError: the sentence names the form and what to do.
    """
    if kind := of_all(islice(lines, SAMPLE)):
        raise refusal(what, kind)


def refusal(what: str, kind: Markup) -> UserError:
    """What to raise for a text of this form."""
    return UserError(f"{what} is no plain text but {_described(kind)}: {kind.advice}")


def remark(lines: Iterable[str], what: str) -> str | None:
    """A sentence about the form of some of the first lines; None if there is nothing to say."""
    found = Counter(kind.name for line in islice(lines, SAMPLE) for kind in kinds(line))
    if not found:
        return None
    name, count = found.most_common(1)[0]
    return (
        f"{what}: {count:,} of the first {SAMPLE:,} lines look like {_described(NAMES[name])} "
        "(`seq2seq check` names the lines and says more)"
    )


def _described(kind: Markup) -> str:
    examples = {
        "n-best list": "an n-best list (`0 ||| text ||| -0.3`)",
        "fairseq output": "output of fairseq (`H-0<TAB>-0.3<TAB>text`)",
        "tags": 'tagged lines (such as `<seg id="1">text</seg>`)',
    }
    return examples.get(kind.name, kind.name)
