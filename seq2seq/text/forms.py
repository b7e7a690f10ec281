"""Inflected forms: which words are forms of one lexeme, and where they occur in a text.

A table has one lexeme a line, its forms separated by spaces or tabs:

    le la les l'
    blessé blessée blessés blessées
"""

import unicodedata
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from seq2seq.errors import UserError
from seq2seq.system.text_lines import read_lines

LONGEST = 8  # maximum number of parts of a form such as l' (two) or peut-être (three)


class Occurrence(NamedTuple):
    """A word in a text that has several forms.

    Attributes:
        start: index of its first character.
        stop: index after its last character.
        others: the other forms of its lexemes, capitalized like it.
    """

    start: int
    stop: int
    others: tuple[str, ...]


class Forms:
    """A table of lexemes.

    A form may belong to several lexemes (*porte* is a noun and a verb): its other forms are those
    of all of them. Lexemes that share a form are not merged.

    Args:
        lexemes: the forms of each lexeme.
    """

    def __init__(self, lexemes: Iterable[Sequence[str]]) -> None:
        self._lexemes: dict[str, list[tuple[str, ...]]] = {}
        for lexeme in lexemes:
            for form in dict.fromkeys(lexeme):
                self._lexemes.setdefault(form, []).append(tuple(lexeme))

    def __len__(self) -> int:
        """Number of different forms."""
        return len(self._lexemes)

    def others(self, word: str) -> tuple[str, ...]:
        """Return the other forms of the lexemes of a word; none if it is not in the table.

        A word that is not in the table is looked up in lower case if it is capitalized or in
        capitals, and the other forms are written likewise.
        """
        if found := self._lexemes.get(word):
            return tuple(dict.fromkeys(form for one in found for form in one if form != word))
        first = word[:1].lower() + word[1:]
        if first != word and first in self._lexemes:
            return tuple(map(capitalized, self.others(first)))
        if word.isupper() and word.lower() in self._lexemes:
            return tuple(form.upper() for form in self.others(word.lower()))
        return ()

    def occurrences(self, text: str) -> list[Occurrence]:
        """Return the words of a text that have several forms, in order; the longest ones."""
        found = []
        parts = split_parts(text)
        i = 0
        while i < len(parts):
            for j in range(min(len(parts), i + LONGEST), i, -1):
                start, stop = parts[i][0], parts[j - 1][1]
                joined = all(parts[k][1] == parts[k + 1][0] for k in range(i, j - 1))
                if joined and (others := self.others(text[start:stop])):
                    found.append(Occurrence(start, stop, others))
                    i = j
                    break
            else:
                i += 1
        return found


def capitalized(word: str) -> str:
    """Return a word with its first letter in upper case."""
    return word[:1].upper() + word[1:]


def split_parts(text: str) -> list[tuple[int, int]]:
    """Return start and end of each run of letters and digits, and of each other character."""
    parts: list[tuple[int, int]] = []
    for kind, run in groupby(range(len(text)), key=lambda i: character_kind(text[i])):
        places = list(run)
        if kind == "word":
            parts.append((places[0], places[-1] + 1))
        elif kind == "symbol":
            parts += [(place, place + 1) for place in places]
    return parts


def character_kind(character: str) -> str:
    """Return "word" for letters, their marks, digits and `_`; "space" or "symbol" for others."""
    if character.isalnum() or character == "_" or unicodedata.category(character)[0] == "M":
        return "word"
    return "space" if character.isspace() else "symbol"


def read_forms(path: Path) -> Forms:
    """Read a table of forms; empty lines and lines that begin with `#` are skipped.

    Raises:
        UserError: the file cannot be read, has no lexeme of several forms, or repeats a form in a
            line; the message names file and line.
    """
    lexemes = []
    for number, line in enumerate(read_lines(path), 1):
        forms = line.split()
        if not forms or line.startswith("#"):
            continue
        repeated = next((form for form in forms if forms.count(form) > 1), None)
        if repeated is not None:
            raise UserError(f"{path}, line {number}: the form {repeated!r} is given twice")
        lexemes.append(forms)
    if not any(len(forms) > 1 for forms in lexemes):
        raise UserError(
            f"{path} has no lexeme of several forms: give one lexeme a line, its forms separated "
            "by spaces or tabs"
        )
    return Forms(lexemes)
