"""Gold links as others write them, for a text that is cut into tokens."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from seq2seq.alignment.gold import Gold, Link, Links, check_range, from_base
from seq2seq.errors import UserError
from seq2seq.system.text_lines import read_lines

Form = Literal["pharaoh", "pharaoh-1", "naacl"]
Text = tuple[list[str], list[str]]  # the tokens of both sides

NAACL = re.compile(r"\s*(\d+)\s+(\d+)\s+(\d+)(?:\s+([^\s\d]\S*))?(?:\s+[\d.]+)?\s*", re.ASCII)


def read_links(path: Path, texts: Sequence[Text], form: Form) -> list[Gold]:
    """Read a file of links.

    Args:
        path: where the links are.
        texts: the tokens of each pair, which the links count.
        form: pharaoh has a line of links i-j (sure) and i?j (possible) for each pair, counted from
            0; pharaoh-1 the same counted from 1; naacl a line `pair source target S|P` for each
            link, all counted from 1 (Mihalcea and Pedersen 2003), where nothing means S.

    Raises:
        UserError: the number of lines is another, a line is not of the form, or a link points past
            its pair; the message names file and line.
    """
    lines = list(read_lines(path))
    if form == "naacl":
        return naacl(path, lines, texts)
    if len(lines) != len(texts):
        listed = bool(lines) and NAACL.fullmatch(lines[0])
        hint = " (a line for each link is --gold-format naacl)" if listed else ""
        raise UserError(f"{path} has {len(lines)} lines for {len(texts)} pairs of sentences{hint}")
    base, golds = int(form == "pharaoh-1"), []
    for number, (line, text) in enumerate(zip(lines, texts, strict=True), 1):
        with blamed(path, number):
            golds.append(Gold(*text, Links.parse(line, base)))
            check_range(golds[-1], base)
    return golds


def naacl(path: Path, lines: Sequence[str], texts: Sequence[Text]) -> list[Gold]:
    """The links of every pair, a line for each."""
    found: dict[str, list[set[Link]]] = {kind: [set() for _ in texts] for kind in "SP"}
    for number, line in enumerate(lines, 1):
        with blamed(path, number):
            match = NAACL.fullmatch(line)
            if not match:
                raise ValueError(f"{line!r} is not of the form `pair source target S|P`")
            pair, kind = int(match[1]), match[4] or "S"
            if kind not in found:
                raise ValueError(f"{kind!r} stands where S (sure) or P (possible) is expected")
            if not 1 <= pair <= len(texts):
                raise ValueError(
                    f"there is no pair {pair}: they are counted from 1 to {len(texts)}"
                )
            link = from_base(int(match[2]), int(match[3]), 1)
            check_range(Gold(*texts[pair - 1], Links(frozenset({link}))), 1)
            found[kind][pair - 1].add(link)
    marked = zip(texts, found["S"], found["P"], strict=True)
    return [Gold(*text, Links(frozenset(s), frozenset(p - s))) for text, s, p in marked]


@contextmanager
def blamed(path: Path, line: int) -> Iterator[None]:
    """Say in which line of which file something was wrong."""
    try:
        yield
    except ValueError as error:
        raise UserError(f"{path}, line {line}: {error}") from error
