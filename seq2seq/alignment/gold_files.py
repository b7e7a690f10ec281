"""Word alignments in the formats in which other programs and corpora distribute them."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from seq2seq.alignment.gold import Gold, Link, Links
from seq2seq.errors import UserError
from seq2seq.system.console import console
from seq2seq.system.text_lines import read_lines

Form = Literal["auto", "pharaoh", "pharaoh-1", "talp", "naacl", "rwth", "giza"]
Text = tuple[list[str], list[str]]  # the tokens of both sides

NAACL = re.compile(r"\s*(\d+)\s+(\d+)\s+(\d+)(?:\s+([^\s\d]\S*))?(?:\s+[\d.eE+-]+)?\s*", re.ASCII)
WORD = re.compile(r"(\d+)([-?p])(\d+)(?:[:/]?([SP]))?", re.ASCII)
SENTENCE = re.compile(r"SENT:\s*(\d+)\s*", re.ASCII)
RWTH = re.compile(r"\s*([SP])\s+(\d+)\s+(\d+)\s*", re.ASCII)
GIZA = re.compile(r"# Sentence pair \((\d+)\)")
CELL = re.compile(r"(\S+) \(\{([\d ]*)\}\)", re.ASCII)
TAGGED = re.compile(r"\s*<(s|seg)(?:\s[^<>]*)?>\s*(.*?)\s*</\1>\s*", re.IGNORECASE)
NAMES = {
    "pharaoh": "Pharaoh links (i-j sure, i?j or ipj possible)",
    "naacl": "NAACL lines (pair source target S|P)",
    "rwth": "RWTH blocks (SENT: and lines S|P source target)",
    "giza": "GIZA++ A3 blocks",
}
BASE = {"pharaoh": 0, "pharaoh-1": 1, "talp": 1, "naacl": 1, "giza": 1}


class Entry(NamedTuple):
    """One link as a file has it: the line, the pair from 0, both numbers, and if it is sure."""

    line: int
    pair: int
    i: int
    j: int
    sure: bool


def read_links(path: Path, texts: Sequence[Text], form: Form, *, gold: bool = True) -> list[Gold]:
    """Read a file of links.

    Args:
        path: where the links are.
        texts: the tokens of each pair, which the links count.
        form: pharaoh has a line of links i-j (sure) and i?j or ipj (possible) for each pair,
            counted from 0, maybe after an id and a tab; pharaoh-1 and talp are the same counted
            from 1; naacl has a line `pair source target S|P` for each link, counted from 1, 0 for a
            null link (Mihalcea and Pedersen 2003), where nothing means S; rwth has a line
            `SENT: number` before the links `S i j` and `P i j` of each pair; giza is an A3.final
            file of GIZA++. auto tells them apart by their content, and prints what it read.
        gold: a file of gold, whose base must be certain; the output of an aligner counts from 0
            where nothing speaks against it.

    Raises:
        UserError: the number of lines is another, a line is not of the form, a link points past
            its pair, or the base is uncertain; the message names file and line.
    """
    lines = list(read_lines(path))
    kind = (
        detect(lines)
        if form == "auto"
        else {"pharaoh-1": "pharaoh", "talp": "pharaoh"}.get(form, form)
    )
    entries = READERS[kind](path, lines, texts)
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


def untagged(path: Path, lines: Iterable[str]) -> Iterator[str]:
    """Lines of tokens without the tags `<s snum=1> ... </s>` in which some corpora wrap each.

    Raises:
        UserError: some lines have such tags and others do not.
    """
    tagged = None
    for number, line in enumerate(lines, 1):
        match = TAGGED.fullmatch(line)
        if tagged is None:
            tagged = match is not None
            if tagged:
                console.print(
                    f"{path}: the tags around each line, as in {line[:30]!r}, are removed"
                )
        if tagged != (match is not None) and (tagged or match):
            raise UserError(
                f"{path}, line {number}: "
                + (
                    "this line has no tags <s ...> ... </s>, but line 1 has"
                    if tagged
                    else "this line has tags <s ...> ... </s>, but line 1 has none"
                )
                + ": remove the markup from the file"
            )
        yield match[2] if match else line


def detect(lines: Sequence[str]) -> str:
    """The format of a file of links, by its first line that is not empty."""
    first = next((line for line in lines if line.strip()), "")
    if GIZA.match(first):
        return "giza"
    first = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    if SENTENCE.fullmatch(first) or RWTH.fullmatch(first):
        return "rwth"
    return "naacl" if NAACL.fullmatch(first) else "pharaoh"


def pharaoh(path: Path, lines: Sequence[str], texts: Sequence[Text]) -> list[Entry]:
    """The links of a file with a line for each pair."""
    kept = [(n, line) for n, line in enumerate(lines, 1) if not line.startswith("#")]
    if len(kept) != len(texts):
        other = detect(lines)
        hint = f" (this looks like --gold-format {other})" if other != "pharaoh" else ""
        if other == "naacl":
            hint = " (a line for each link is --gold-format naacl)"
        raise UserError(f"{path} has {len(kept)} lines for {len(texts)} pairs of sentences{hint}")
    entries, first = [], None
    for pair, (number, line) in enumerate(kept):
        with blamed(path, number):
            head, tab, rest = line.partition("\t")
            if tab and (head.strip().isdecimal()):
                first = int(head) if first is None else first
                if int(head) != first + pair:
                    raise ValueError(f"the id {head} stands where {first + pair} is expected")
                line = rest
            for word in line.split():
                match = WORD.fullmatch(word)
                if not match:
                    raise ValueError(
                        f"{word!r} is neither a sure link i-j nor a possible one i?j or ipj"
                    )
                sure = match[2] == "-" and match[4] != "P"
                entries.append(Entry(number, pair, int(match[1]), int(match[3]), sure))
    return entries


def naacl(path: Path, lines: Sequence[str], texts: Sequence[Text]) -> list[Entry]:
    """The links of a file with a line for each link."""
    entries = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        with blamed(path, number):
            match = NAACL.fullmatch(line)
            if not match:
                raise ValueError(f"{line!r} is not of the form `pair source target S|P`")
            if (mark := match[4] or "S") not in ("S", "P"):
                raise ValueError(f"{mark!r} stands where S (sure) or P (possible) is expected")
            pair = int(match[1])
            if not 1 <= pair <= len(texts):
                raise ValueError(
                    f"there is no pair {pair}: they are counted from 1 to {len(texts)}"
                )
            entries.append(Entry(number, pair - 1, int(match[2]), int(match[3]), mark == "S"))
    return entries


def rwth(path: Path, lines: Sequence[str], texts: Sequence[Text]) -> list[Entry]:
    """The links of a file with a block for each pair."""
    numbers = [int(match[1]) for line in lines if (match := SENTENCE.fullmatch(line))]
    if not numbers or numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise UserError(f"{path} must have lines `SENT: number` that count the pairs in order")
    if len(numbers) != len(texts):
        raise UserError(f"{path} has {len(numbers)} blocks for {len(texts)} pairs of sentences")
    entries, pair = [], -1
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        with blamed(path, number):
            if SENTENCE.fullmatch(line):
                pair += 1
            elif (match := RWTH.fullmatch(line)) and pair >= 0:
                entries.append(Entry(number, pair, int(match[2]), int(match[3]), match[1] == "S"))
            else:
                raise ValueError(f"{line!r} is neither `SENT: number` nor `S i j` or `P i j` in it")
    return entries


def giza(path: Path, lines: Sequence[str], texts: Sequence[Text]) -> list[Entry]:
    """The links of an A3.final file, three lines a pair, in either direction."""
    blocks = [line for line in lines if line.strip()]
    if len(blocks) != 3 * len(texts):
        raise UserError(
            f"{path} has {len(blocks)} lines, but an A3 file has three for each of the "
            f"{len(texts)} pairs"
        )
    entries = []
    for pair, (source, target) in enumerate(texts):
        line = 3 * pair + 1
        with blamed(path, line):
            header, plain, marked = blocks[3 * pair : 3 * pair + 3]
            cells = CELL.findall(marked)
            words = [word for word, _ in cells[1:]]
            if not GIZA.match(header) or not cells:
                raise ValueError("this is no block of an A3 file")
            turned = [words, plain.split()] == [target, source]
            if not turned and [words, plain.split()] != [source, target]:
                raise ValueError("the tokens of this block are not those of the text")
            for i, (_, places) in enumerate(cells[1:], 1):
                for j in map(int, places.split()):
                    entries.append(Entry(line, pair, *((j, i) if turned else (i, j)), True))
    return entries


READERS: dict[str, Callable[[Path, Sequence[str], Sequence[Text]], list[Entry]]] = {
    "pharaoh": pharaoh,
    "naacl": naacl,
    "rwth": rwth,
    "giza": giza,
}


def fit(entries: Iterable[Entry], texts: Sequence[Text], base: int, turned: bool = False) -> bool:
    """Whether all links are inside their pairs."""
    return not any(outside(entry, texts, base, turned) for entry in entries)


def outside(entry: Entry, texts: Sequence[Text], base: int, turned: bool = False) -> bool:
    """Whether a link is before the first or past the last token of its pair."""
    source, target = texts[entry.pair][::-1] if turned else texts[entry.pair]
    return not (base <= entry.i < len(source) + base and base <= entry.j < len(target) + base)


def guess_base(
    path: Path, entries: Sequence[Entry], texts: Sequence[Text], kind: str, gold: bool
) -> int:
    """From what number a file counts tokens, by the smallest and the largest that it has.

    Raises:
        UserError: a file of gold could count from 0 as well as from 1.
    """
    zero = any(min(entry.i, entry.j) == 0 for entry in entries)
    if zero or not entries:
        return 0
    if not fit(entries, texts, 0):
        return 1 if fit(entries, texts, 1) or fit(entries, texts, 1, turned=True) else 0
    if kind == "rwth":
        return 1
    if gold:
        raise UserError(
            f"{path}: no link has the number 0 and none that of the last token counted from 1, so "
            "that tokens may be counted from 0 or from 1: say it by --gold-format pharaoh or "
            "pharaoh-1"
        )
    return 0


def settle(
    path: Path, entries: Sequence[Entry], texts: Sequence[Text], base: int, *, lenient: bool
) -> list[Gold]:
    """The gold of every pair, null links left out and links past a pair refused.

    Args:
        path: of the file, for messages.
        entries: its links.
        texts: the tokens of each pair.
        base: the number of the first token.
        lenient: the format defines 0 as the null link; else it must be evident that it is one.
    """
    nulls = {entry for entry in entries if base == 1 and (entry.i == 0) != (entry.j == 0)}
    both = next((entry for entry in entries if base == 1 and entry.i == entry.j == 0), None)
    last = any(
        entry.i == len(texts[entry.pair][0]) or entry.j == len(texts[entry.pair][1])
        for entry in entries
    )
    if both or (nulls and not lenient and not last):
        bad = both or min(nulls)
        raise UserError(
            f"{path}, line {bad.line}: the link {bad.i}-{bad.j} counts from 0, but in this format "
            "1 is the first token"
        )
    if nulls:
        console.print(f"{path}: {len(nulls)} null links (number 0) are left out")
    kept = [entry for entry in entries if entry not in nulls]
    wrong = next((entry for entry in kept if outside(entry, texts, base)), None)
    if wrong is not None:
        source, target = map(len, texts[wrong.pair])
        raise UserError(
            f"{path}, line {wrong.line}: the link {wrong.i}-{wrong.j} points past the pair of "
            f"{source} and {target} tokens (they are counted from {base})"
            + likely(kept, texts, base)
        )
    sure: list[set[Link]] = [set() for _ in texts]
    possible: list[set[Link]] = [set() for _ in texts]
    for entry in kept:
        (sure if entry.sure else possible)[entry.pair].add((entry.i - base, entry.j - base))
    marked = zip(texts, sure, possible, strict=True)
    return [Gold(*text, Links(frozenset(s), frozenset(p - s))) for text, s, p in marked]


def likely(entries: Sequence[Entry], texts: Sequence[Text], base: int) -> str:
    """The likely reason why links point past their pairs, as the end of a sentence."""
    zero = any(min(entry.i, entry.j) == 0 for entry in entries)
    if base == 0 and not zero and fit(entries, texts, 1):
        return "; no link has the number 0: it looks as if the file counted from 1 (pharaoh-1)"
    if base == 0 and not zero and fit(entries, texts, 1, turned=True):
        return "; all links would fit counted from 1 with the two sides exchanged"
    if fit(entries, texts, base, turned=True):
        return "; all links would fit with the two sides exchanged: is each written target-source?"
    return ""


@contextmanager
def blamed(path: Path, line: int) -> Iterator[None]:
    """Say in which line of which file something was wrong."""
    try:
        yield
    except ValueError as error:
        raise UserError(f"{path}, line {line}: {error}") from error
