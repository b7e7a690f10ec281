"""How often the words of held-out sources are in the training text: which of them are rare.

    runs/NAME/source_words.tsv     a line a word: the word, a tab, its count; the rarest first

Only words that a held-out source has are counted, so that neither memory nor the file grows with
the training text. A word is what spaces set apart, in lower case and without punctuation around it.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from seq2seq.errors import UserError
from seq2seq.system.files import read_back, write_lines

FILE = "source_words.tsv"
PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~«»„“”‚‘’‹›…–—¿¡·。、，！？：；「」『』（）"  # noqa: RUF001


def words(line: str) -> list[str]:
    """The words of a line, without marks that stand alone."""
    return [word for part in line.lower().split() if (word := part.strip(PUNCTUATION))]


def count(training: Iterable[str], held_out: Iterable[str]) -> dict[str, int]:
    """How often each word of some lines is in a training text."""
    found = {word: 0 for line in held_out for word in words(line)}
    for line in training:
        for word in words(line):
            if word in found:
                found[word] += 1
    return found


def write_counts(folder: Path, counts: Mapping[str, int]) -> None:
    """Write the counts into a run folder."""
    ordered = sorted(counts.items(), key=lambda item: (item[1], item[0]))
    write_lines(folder / FILE, (f"{word}\t{number}" for word, number in ordered))


def read_counts(folder: Path) -> dict[str, int] | None:
    """The counts in a run folder; None where there are none, as in those of an older version.

    Raises:
        UserError: a line is something else; the message names it.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    found = {}
    for number, line in enumerate(read_back(path), 1):
        word, tab, times = line.partition("\t")
        if not (tab and times.isdecimal() and len(times) < 19):
            raise UserError(f"{path}, line {number}: {line!r} is not a word, a tab and its count")
        found[word] = int(times)
    return found


def rarest(line: str, counts: Mapping[str, int]) -> int:
    """The count of the rarest word of a line; that of none where it has no words."""
    return min((counts.get(word, 0) for word in words(line)), default=0)
