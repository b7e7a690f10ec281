"""Read word alignments in the formats of other programs and corpora."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from seq2seq.alignment.form_names import Form
from seq2seq.alignment.gold import Gold, Link, Links
from seq2seq.errors import UserError
from seq2seq.system.console import console
from seq2seq.system.text_lines import read_lines

Text = tuple[list[str], list[str]]  # source and target tokens

NAACL = re.compile(r"\s*(\d+)\s+(\d+)\s+(\d+)(?:\s+([^\s\d]\S*))?(?:\s+[\d.eE+-]+)?\s*", re.ASCII)
WORD = re.compile(r"(\d+)([-?p])(\d+)(?:[:/]?([SP]))?", re.ASCII)
SENTENCE = re.compile(r"SENT:\s*(\d+)\s*", re.ASCII)
RWTH = re.compile(r"\s*([SP])\s+(\d+)\s+(\d+)\s*", re.ASCII)
GIZA = re.compile(r"# Sentence pair \((\d+)\)")
CELL = re.compile(r"(\S+) \(\{([\d ]*)\}\)", re.ASCII)
NAMES = {
    "pharaoh": "Pharaoh links (i-j sure, i?j or ipj possible)",
    "naacl": "NAACL lines (pair source target S|P)",
    "rwth": "RWTH blocks (SENT: and lines S|P source target)",
    "giza": "GIZA++ A3 blocks",
}
BASE = {"pharaoh": 0, "pharaoh-1": 1, "talp": 1, "naacl": 1, "giza": 1}


class Entry(NamedTuple):
    """One link in a file.

    Attributes:
        line: the line number.
        pair: the index of the pair, counted from 0.
        i: the source token, as numbered in the file.
        j: the target token, as numbered in the file.
        sure: whether the link is sure or possible.
    """

    line: int
    pair: int
    i: int
    j: int
    sure: bool


def read_links(path: Path, texts: Sequence[Text], form: Form, *, gold: bool = True) -> list[Gold]:
    """Read a file of links.

    Args:
        path: the file.
        texts: the tokens of each pair.
        form: pharaoh has one line per pair of links i-j (sure) and i?j or ipj (possible), counted
            from 0, optionally after an id and a tab; pharaoh-1 and talp are the same counted from
            1; naacl has one line `pair source target S|P` per link, counted from 1, with 0 for a
            null link (Mihalcea and Pedersen 2003) and S as the default; rwth has a line
            `SENT: number` before the links `S i j` and `P i j` of each pair; giza is an A3.final
            file of GIZA++. auto detects the format from the content, and prints it.
        gold: the file has gold links, so an ambiguous base (0 or 1) is an error; for the output of
            an aligner it is 0.

    Raises:
        UserError: the number of lines is wrong, a line is not in the format, a link is outside its
            pair, or the base is ambiguous; the message names file and line.
    """
    lines = list(read_lines(path))
    kind = (
        detect(lines)
        if form == "auto"
        else {"pharaoh-1": "pharaoh", "talp": "pharaoh"}.get(form, form)
    )
    entries = READERS[kind](path, lines, texts)
    if gold and not entries:
        raise UserError(f"{path} has no links: there is nothing to score against")
    base = BASE.get(form)
    if base is None:
        base = (
            BASE[kind]
            if kind in ("naacl", "giza")
            else guess_base(path, entries, texts, kind, gold)
        )
    if form == "auto":
        console.print(f"{path}: read as {NAMES[kind]}, tokens counted from {base}")
    return settle(path, entries, texts, base, lenient=kind in ("naacl", "giza"))


def detect(lines: Sequence[str]) -> str:
    """Detect the format of a file of links by its first line that is not empty."""
    first = next((line for line in lines if line.strip()), "")
    if GIZA.match(first):
        return "giza"
    first = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    if SENTENCE.fullmatch(first) or RWTH.fullmatch(first):
        return "rwth"
    return "naacl" if NAACL.fullmatch(first) else "pharaoh"


def pharaoh(path: Path, lines: Sequence[str], texts: Sequence[Text]) -> list[Entry]:
    """Read a file with one line per pair."""
    kept = sum(not line.startswith("#") for line in lines)
    if kept != len(texts):
        other = detect(lines)
        hint = f" (this looks like --gold-format {other})" if other != "pharaoh" else ""
        if other == "naacl":
            hint = " (for one line per link use --gold-format naacl)"
        raise UserError(f"{path} has {kept} lines for {len(texts)} sentence pairs{hint}")
    return list(chain.from_iterable(pharaoh_lines(path, lines)))


def pharaoh_lines(path: Path, lines: Iterable[str]) -> Iterator[list[Entry]]:
    """Stream the links of each line of a file with one line per pair.

    Raises:
        UserError: a line is not in the format.
    """
    first, pair = None, 0
    for number, line in enumerate(lines, 1):
        if line.startswith("#"):
            continue
        with error_location(path, number):
            head, tab, rest = line.partition("\t")
            if tab and (head.strip().isdecimal()):
                first = int(head) if first is None else first
                if int(head) != first + pair:
                    raise ValueError(f"the id is {head}, expected {first + pair}")
                line = rest
            yield [pharaoh_link(number, pair, word) for word in line.split()]
        pair += 1


def pharaoh_link(number: int, pair: int, word: str) -> Entry:
    """Parse a link.

    Raises:
        ValueError: it is not in the format.
    """
    match = WORD.fullmatch(word)
    if not match:
        raise ValueError(f"{word!r} is neither a sure link i-j nor a possible one i?j or ipj")
    sure = match[2] == "-" and match[4] != "P"
    return Entry(number, pair, int(match[1]), int(match[3]), sure)


def naacl(path: Path, lines: Sequence[str], texts: Sequence[Text]) -> list[Entry]:
    """Read a file with one line per link."""
    entries = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        with error_location(path, number):
            match = NAACL.fullmatch(line)
            if not match:
                raise ValueError(f"{line!r} is not of the form `pair source target S|P`")
            if (mark := match[4] or "S") not in ("S", "P"):
                raise ValueError(f"the type is {mark!r}, expected S (sure) or P (possible)")
            pair = int(match[1])
            if not 1 <= pair <= len(texts):
                raise ValueError(f"there is no pair {pair}: the pairs are 1 to {len(texts)}")
            entries.append(Entry(number, pair - 1, int(match[2]), int(match[3]), mark == "S"))
    return entries


def rwth(path: Path, lines: Sequence[str], texts: Sequence[Text]) -> list[Entry]:
    """Read a file with one block per pair."""
    numbers = [int(match[1]) for line in lines if (match := SENTENCE.fullmatch(line))]
    if not numbers or numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise UserError(f"{path} must have lines `SENT: number` with consecutive numbers")
    if len(numbers) != len(texts):
        raise UserError(f"{path} has {len(numbers)} blocks for {len(texts)} sentence pairs")
    entries, pair = [], -1
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        with error_location(path, number):
            if SENTENCE.fullmatch(line):
                pair += 1
            elif (match := RWTH.fullmatch(line)) and pair >= 0:
                entries.append(Entry(number, pair, int(match[2]), int(match[3]), match[1] == "S"))
            else:
                raise ValueError(f"{line!r} is neither `SENT: number` nor `S i j` nor `P i j`")
    return entries


def giza(path: Path, lines: Sequence[str], texts: Sequence[Text]) -> list[Entry]:
    """Read an A3.final file, which has three lines per pair, in either direction.

    A sentence without words is a blank line; blank lines before a block and at the end are skipped.
    """
    starts = [number for number, line in enumerate(lines, 1) if GIZA.match(line)]
    if len(starts) != len(texts):
        raise UserError(
            f"{path} has {len(starts)} blocks that begin with `# Sentence pair (...)`, but there "
            f"are {len(texts)} pairs"
        )
    entries = []
    for pair, (source, target) in enumerate(texts):
        line = starts[pair]
        block = lines[line - 1 : starts[pair + 1] - 1 if pair + 1 < len(starts) else None]
        with error_location(path, line):
            if len(block) < 3 or any(rest.strip() for rest in block[3:]):
                raise ValueError("a block of an A3 file has three lines")
            _, plain, marked = block[:3]
            cells = CELL.findall(marked)
            words = [word for word, _ in cells[1:]]
            if not cells:
                raise ValueError("the third line of a block of an A3 file has words and links")
            swapped = [words, plain.split()] == [target, source]
            if not swapped and [words, plain.split()] != [source, target]:
                raise ValueError("the tokens of this block differ from the text")
            for i, (_, places) in enumerate(cells[1:], 1):
                for j in map(int, places.split()):
                    entries.append(Entry(line, pair, *((j, i) if swapped else (i, j)), True))
    return entries


READERS: dict[str, Callable[[Path, Sequence[str], Sequence[Text]], list[Entry]]] = {
    "pharaoh": pharaoh,
    "naacl": naacl,
    "rwth": rwth,
    "giza": giza,
}


def fit(entries: Iterable[Entry], texts: Sequence[Text], base: int, swapped: bool = False) -> bool:
    """Whether all links are inside their pairs, with the sides exchanged if `swapped`."""
    return not any(outside(entry, texts, base, swapped) for entry in entries)


def outside(entry: Entry, texts: Sequence[Text], base: int, swapped: bool = False) -> bool:
    """Whether a link is outside its pair, with the sides exchanged if `swapped`."""
    source, target = texts[entry.pair][::-1] if swapped else texts[entry.pair]
    return not (base <= entry.i < len(source) + base and base <= entry.j < len(target) + base)


def guess_base(
    path: Path, entries: Sequence[Entry], texts: Sequence[Text], kind: str, gold: bool
) -> int:
    """Infer from the token numbers whether a file counts tokens from 0 or from 1.

    Raises:
        UserError: both are possible, and the file has gold links.
    """
    zero = any(min(entry.i, entry.j) == 0 for entry in entries)
    if zero and not fit(entries, texts, 0):
        # Counted from 1, with 0 for null links, if all other links fit and some would not from 0
        linked = [entry for entry in entries if entry.i or entry.j]
        words = [entry for entry in linked if entry.i and entry.j]
        return 1 if len(linked) == len(entries) and words and fit(words, texts, 1) else 0
    if zero or not entries:
        return 0
    if not fit(entries, texts, 0):
        return 1 if fit(entries, texts, 1) or fit(entries, texts, 1, swapped=True) else 0
    if kind == "rwth":
        return 1
    if gold:
        raise UserError(
            f"{path}: it is ambiguous whether tokens are counted from 0 or from 1: give "
            "--gold-format pharaoh (from 0) or pharaoh-1 (from 1)"
        )
    return 0


def settle(
    path: Path, entries: Sequence[Entry], texts: Sequence[Text], base: int, *, lenient: bool
) -> list[Gold]:
    """Remove null links, and return the gold alignment of every pair.

    Args:
        path: the file, for messages.
        entries: the links in the file.
        texts: the tokens of each pair.
        base: the number of the first token.
        lenient: the format defines 0 as the null link. Otherwise 0 is accepted as the null link
            only if another link has the number of a last token counted from 1.

    Raises:
        UserError: a link is outside its pair.
    """
    nulls = {entry for entry in entries if base == 1 and (entry.i == 0) != (entry.j == 0)}
    both = next((entry for entry in entries if base == 1 and entry.i == entry.j == 0), None)
    last = any(last_from_one(entry, texts) for entry in entries)
    if both or (nulls and not lenient and not last):
        bad = both or min(nulls)
        raise UserError(
            f"{path}, line {bad.line}: the link {bad.i}-{bad.j} has the number 0, but this format "
            "counts tokens from 1"
        )
    if nulls:
        console.print(f"{path}: {len(nulls)} null links (number 0) are ignored")
    kept = [entry for entry in entries if entry not in nulls]
    wrong = next((entry for entry in kept if outside(entry, texts, base)), None)
    if wrong is not None:
        source, target = map(len, texts[wrong.pair])
        raise UserError(
            f"{path}, line {wrong.line}: the link {wrong.i}-{wrong.j} is outside the pair of "
            f"{source} and {target} tokens (counted from {base})" + likely(kept, texts, base)
        )
    sure: list[set[Link]] = [set() for _ in texts]
    possible: list[set[Link]] = [set() for _ in texts]
    for entry in kept:
        (sure if entry.sure else possible)[entry.pair].add((entry.i - base, entry.j - base))
    marked = zip(texts, sure, possible, strict=True)
    return [Gold(*text, Links(frozenset(s), frozenset(p - s))) for text, s, p in marked]


def likely(entries: Sequence[Entry], texts: Sequence[Text], base: int) -> str:
    """Return the likely reason why links are outside their pairs, as the end of a sentence."""
    zero = any(min(entry.i, entry.j) == 0 for entry in entries)
    if base == 0 and not zero and fit(entries, texts, 1):
        return "; no link has the number 0: the file probably counts from 1 (pharaoh-1)"
    if base == 0 and not zero and fit(entries, texts, 1, swapped=True):
        return "; all links fit if counted from 1 with source and target exchanged"
    if fit(entries, texts, base, swapped=True):
        return "; all links fit with source and target exchanged: is each written target-source?"
    if base == 0 and not zero and any(last_from_one(entry, texts) for entry in entries):
        return (
            "; no link has the number 0, and some have the number of a last token counted from 1: "
            "the file probably counts from 1 (pharaoh-1)"
        )
    return ""


def last_from_one(entry: Entry, texts: Sequence[Text]) -> bool:
    """Whether a link has the number of a last token of its pair, counted from 1."""
    source, target = texts[entry.pair]
    return entry.i == len(source) or entry.j == len(target)


@contextmanager
def error_location(path: Path, line: int) -> Iterator[None]:
    """Context manager that converts ValueError to UserError with file and line number."""
    try:
        yield
    except ValueError as error:
        raise UserError(f"{path}, line {line}: {error}") from error
