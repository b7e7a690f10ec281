"""Training frequencies of the words of held-out sources, to identify rare words.

    runs/NAME/source_words.tsv     one word per line: word, tab, count; the rarest first

Only words of held-out sources are counted, so that neither memory nor the file grows with the
training set. Words are separated by spaces, lowercased, and stripped of surrounding punctuation.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from seq2seq.errors import UserError
from seq2seq.system.files import read_lines_checked, write_lines

FILE = "source_words.tsv"
PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~«»„“”‚‘’‹›…–—¿¡·。、，！？：；「」『』（）"  # noqa: RUF001


def words(line: str) -> list[str]:
    """Return the words of a line, without isolated punctuation."""
    return [word for part in line.lower().split() if (word := part.strip(PUNCTUATION))]


def count(training: Iterable[str], held_out: Iterable[str]) -> dict[str, int]:
    """Count how often each word of the held-out lines occurs in the training lines."""
    counts = {word: 0 for line in held_out for word in words(line)}
    for line in training:
        for word in words(line):
            if word in counts:
                counts[word] += 1
    return counts


def write_counts(folder: Path, counts: Mapping[str, int]) -> None:
    """Write the counts to a run folder."""
    ordered = sorted(counts.items(), key=lambda item: (item[1], item[0]))
    write_lines(folder / FILE, (f"{word}\t{number}" for word, number in ordered))


def read_counts(folder: Path) -> dict[str, int] | None:
    """Read the counts in a run folder; None if there are none, as in runs of older versions.

    Raises:
        UserError: a line is malformed; the message names it.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    counts = {}
    for number, line in enumerate(read_lines_checked(path), 1):
        word, tab, times = line.partition("\t")
        if not (tab and times.isdecimal() and len(times) < 19):
            raise UserError(f"{path}, line {number}: {line!r} is not a word, a tab and its count")
        counts[word] = int(times)
    return counts


def rarest(line: str, counts: Mapping[str, int]) -> int:
    """Return the count of the rarest word of a line; 0 if the line has no words."""
    return min((counts.get(word, 0) for word in words(line)), default=0)
