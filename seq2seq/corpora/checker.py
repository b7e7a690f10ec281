"""Read a whole corpus without training and say what is odd in it, with file and line.

What would end a training is found by the very readers that a training uses, told to go on. The
rest are remarks. Pairs are looked at in batches, so that memory does not grow with the corpus, but
for the hashes that `overlap` remembers.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seq2seq.corpora.base import Corpus, refuse_tagged
from seq2seq.corpora.cache import chunks, counted
from seq2seq.corpora.lines import Defect, Place
from seq2seq.corpora.overlap import Hashes, HashSet, Shared, both, same_as_training
from seq2seq.corpora.shift import ShiftFinder
from seq2seq.corpora.text import Pair
from seq2seq.errors import UserError
from seq2seq.text.markup import KINDS, SAMPLE, kinds

FIRST = 4  # places that are kept of each kind in each file
RATIO = 4  # how many times longer than usual, beside the other side, is odd
SHORT = 20  # characters added to both sides before that: short lines may differ more
PIECE = 16  # characters, the most that SentencePiece puts into one piece
FARTHEST = 20_000  # lines by which files may differ for a shift of so many to be looked for

ODD = {
    "carriage return": re.compile("\r"),
    "line separator": re.compile("[\v\f\x1c-\x1e\x85\u2028\u2029]"),
    "byte-order mark": re.compile("\ufeff"),
    "control character": re.compile("[\0-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f]"),
}
ANY_ODD = re.compile("|".join(pattern.pattern for pattern in ODD.values()))

# The kinds of findings, in the order of a report, with what each means for a training.
MEANINGS = {
    "unreadable": "what comes after, or the whole split, cannot be read",
    "no pairs": "there is nothing to read",
    "unequal counts": "line i of one file must be the translation of line i of the other",
    "other segment": "the two sides do not have the same documents and segments",
    "not UTF-8": "bytes that are no text in UTF-8",
    "too few columns": "the columns asked for are not there",
    "not JSON": "the line is not a JSON object",
    "quotes": "a quoted cell is not closed, or has text after its closing quote",
    "no such text": "the fields asked for are not there, or hold something else than text",
    "no plain text": "all lines are of an n-best list, the output of a program, or tagged",
    "training text": "a test set must have pairs that are not trained on",
    "nothing left": "no pair is left to train on",
    "several references": "the first translation of a document is read, the others are not",
    "other languages": "left out: the unit lacks one of the two languages",
    "shifted": "from about here on, lines look like translations of others nearby",
    "empty side": "left out of training, never out of a test set",
    "too long": "left out of training: over data.max_length words, each a piece at least (or over "
    f"{PIECE} times as many characters); others may prove too long once there are pieces",
    "length ratio": f"one side is over {RATIO} times longer than usual beside the other",
    "identical sides": "source and target are the same: not translated?",
    "duplicate": "the same pair as an earlier one",
    "carriage return": "dropped at the end of a line, text elsewhere; it never breaks a line",
    "line separator": "U+2028 and its kin: text here, the end of a line to some other tools",
    "byte-order mark": "dropped at the beginning of a file, text elsewhere",
    "control character": "invisible, but text",
    "null": "a field without a value: read as an empty side",
    "blank line": "no record: skipped",
    "other columns": "not as many columns as in the first line: a delimiter that is text? In CSV a "
    "training would be refused",
    "line end in a cell": "a quoted cell goes on in the next line (an unclosed quote?); the line "
    "end is read as a space",
    "quoted cell": "quotes as CSV writes them, which are text here: data=csv data.delimiter=tab "
    "reads them",
    **{kind.name: kind.advice for kind in KINDS},
    "pair in": "a score on what was trained on tells of memory, not of translating",
    "source in": "the same source, translated otherwise",
}


@dataclass
class Finding:
    """All that is odd in one way in one split."""

    kind: str
    count: int = 0
    places: list[Place] = field(default_factory=list)  # the first FIRST in each file
    refusal: UserError | None = None  # what a training says of the first
    note: str = ""

    def add(self, place: Place | None, refusal: UserError | None = None) -> None:
        """Count one more."""
        self.count += 1
        self.refusal = self.refusal or refusal
        if place and sum(place.file == known.file for known in self.places) < FIRST:
            self.places.append(place)


class Remembered(NamedTuple):
    """Rows of a held-out split with the hashes of their pairs and of their sources."""

    rows: NDArray[np.intp]
    pairs: Hashes
    sources: Hashes

    @classmethod
    def joined(cls, parts: list["Remembered"]) -> "Remembered":
        """All of them as one."""
        none = cls(np.zeros(0, np.intp), np.zeros(0, np.int64), np.zeros(0, np.int64))
        return cls(*map(np.concatenate, zip(none, *parts, strict=True)))


class Findings:
    """What was found in one split, by kind."""

    def __init__(self, split: str) -> None:
        self.split, self.pairs = split, 0
        self.kinds: dict[str, Finding] = {}

    def add(
        self, kind: str, place: Place | None, refusal: UserError | None = None, note: str = ""
    ) -> None:
        """One more of a kind."""
        finding = self.kinds.setdefault(kind, Finding(kind, note=note))
        finding.add(place, refusal)

    def count(self, *kinds: str) -> int:
        """How many of these kinds were found."""
        return sum(self.kinds[kind].count for kind in kinds if kind in self.kinds)

    @property
    def refusals(self) -> list[UserError]:
        """What a training would say, one sentence a kind."""
        return [found.refusal for found in self.kinds.values() if found.refusal]


def check(corpus: Corpus) -> list[Findings]:
    """Read every split to its end, and say what was found in it.

    The training text, usually the longest, is read last: what it shares with the held-out splits
    is noticed while it goes by.
    """
    checkers: list[SplitChecker] = []
    for split in reversed(corpus.splits):
        checkers.append(SplitChecker(corpus, split, heldout=[*checkers]))
        checkers[-1].run()
    for checker in checkers:
        checker.report_shared()
        checker.refuse_training_text(checkers[-1].findings.pairs)
    return [checker.findings for checker in reversed(checkers)]


class SplitChecker:
    """Reads one split batch by batch.

    Args:
        corpus: what is read.
        split: the name of the split.
        heldout: the checkers of splits read before, which want to know what this one shares.
    """

    def __init__(self, corpus: Corpus, split: str, heldout: list["SplitChecker"]) -> None:
        self.corpus, self.split, self.heldout = corpus, split, heldout
        self.findings = Findings(split)
        self.seen, self.shift = HashSet(), ShiftFinder()
        self.first: list[Pair] = []  # pairs that show whether the split is plain text
        self.spoilt: set[int] = set()  # rows that a training would refuse, until their batch ends
        self.remembered: list[Remembered] = []  # of a held-out split
        self.shared: dict[str, Shared] = {}  # by the other split

    def run(self) -> None:
        """Read to the end, or as far as can be."""
        for other in self.heldout:
            other.begin_sharing(self.split)
        for pairs in counted(chunks(self.pairs()), f"checking {self.split}", total=None):
            self.look(self.findings.pairs - len(pairs), pairs)
        self.conclude()

    def pairs(self) -> Iterator[Pair]:
        """The pairs, counted; what ends the reading is a finding."""
        try:
            for pair in self.corpus.scan(self.split, self.hear):
                self.findings.pairs += 1
                yield pair
        except UserError as error:
            self.findings.add("unreadable", None, error)

    def hear(self, defect: Defect) -> None:
        """Note what the reader says of the pair that it is about to give."""
        if defect.refusal:
            self.spoilt.add(self.findings.pairs)
        self.findings.add(*defect)

    def look(self, first: int, pairs: list[Pair]) -> None:
        """Look at a batch, whose first pair is row `first`."""
        self.first += pairs[: SAMPLE - len(self.first)]
        whole = []  # rows with text on both sides
        for row, pair in enumerate(pairs, first):
            if row in self.spoilt:
                continue
            for side, text in enumerate(pair):
                if not text.isprintable() and ANY_ODD.search(text):
                    self.note_odd(row, side, text)
                for kind in kinds(text):
                    self.findings.add(kind.name, self.place(row, side))
            empty = [not text or text.isspace() for text in pair]
            if any(empty):
                self.findings.add("empty side", self.place(row, empty.index(True)))
                continue
            whole.append(row)
            for side, text in enumerate(pair):
                if self.too_long(text):
                    self.findings.add("too long", self.place(row, side))
                    break
            if pair.source == pair.target and any(map(str.isalpha, pair.source)):
                self.findings.add("identical sides", self.place(row))
        self.spoilt.clear()
        self.shift.add(pairs)
        if whole:
            self.compare(np.array(whole), [pairs[row - first] for row in whole])

    def compare(self, rows: NDArray[np.intp], pairs: list[Pair]) -> None:
        """Look at pairs with text on both sides beside each other, and beside other splits."""
        lengths = np.array([(len(source), len(target)) for source, target in pairs]) + SHORT
        ratios = np.log(lengths[:, 0] / lengths[:, 1])
        odd = np.abs(ratios - np.median(ratios)) > math.log(RATIO)
        keys = both(pairs)
        for kind, found in (("length ratio", odd), ("duplicate", self.seen.repeated(keys[0]))):
            for row in rows[found].tolist():
                self.findings.add(kind, self.place(row))
        for other in self.heldout:
            other.shared[self.split].meet(*keys)
        if self.split != "train":
            self.remembered.append(Remembered(rows, *keys))

    def conclude(self) -> None:
        """Say what only the whole split can tell."""
        found, pairs = self.findings, self.findings.pairs
        if not pairs and not found.refusals:
            found.add("no pairs", None, self.corpus.without_lines(self.split))
        try:
            if self.first:
                refuse_tagged(self.first, self.corpus.where(self.split))
        except UserError as error:
            found.add("no plain text", None, error)
        lost, long = found.count("empty side"), found.count("too long")
        if self.split == "train" and pairs and lost + long == pairs:
            sentence = (
                f"no training pair is left of {pairs:,}: {lost:,} have an empty side, {long:,} are "
                f"longer than data.max_length={self.corpus.max_length} pieces"
            )
            found.add("nothing left", None, UserError(sentence))
        if not self.shift.found and "unequal counts" in found.kinds:
            self.shift = self.look_far(found.kinds["unequal counts"].places[0])
        if shift := self.shift.found:
            theirs = self.place(shift.row + shift.by, 1)
            note = f"which looks like {theirs.file} {theirs.line}"
            found.add("shifted", self.place(shift.row), note=note)

    def look_far(self, last: Place) -> ShiftFinder:
        """Read again, looking for a shift by as many lines as one file has more."""
        by = last.line - self.findings.pairs
        if last.file == self.place(0).file:
            by = -by
        finder = ShiftFinder([by])
        if abs(by) <= FARTHEST:
            pairs = self.corpus.scan(self.split, lambda defect: None)
            for batch in counted(chunks(pairs), f"looking for what {self.split} lacks", total=None):
                finder.add(batch)
        return finder

    def begin_sharing(self, other: str) -> None:
        """Want to know of each pair whether the other split has it too."""
        if len(self.remembered) != 1:
            self.remembered = [Remembered.joined(self.remembered)]
        self.shared[other] = Shared(*self.remembered[0][1:])

    def report_shared(self) -> None:
        """Say what the splits read later had in common with this one."""
        for other, shared in reversed(self.shared.items()):
            for what, found in (("pair", shared.pairs), ("source", shared.sources)):
                for row in np.sort(self.remembered[0].rows[found]).tolist():
                    self.findings.add(f"{what} in {other}", self.place(row))

    def refuse_training_text(self, trained: int) -> None:
        """Refuse a test set that has as many pairs as the training text, all of them trained on."""
        pairs, shared = self.findings.pairs, self.findings.count("pair in train")
        if self.split not in ("train", "validation") and pairs == trained == shared > 0:
            self.findings.add("training text", None, same_as_training(self.split))

    def note_odd(self, row: int, side: int, text: str) -> None:
        """Name the characters that nobody wants in a text."""
        for kind, pattern in ODD.items():
            if pattern.search(text):
                self.findings.add(kind, self.place(row, side))

    def too_long(self, text: str) -> bool:
        """Whether a text surely has more pieces than are trained on, whatever the vocabulary."""
        most = self.corpus.max_length
        return len(text) > most and (len(text.split()) > most or len(text) > PIECE * most)

    def place(self, row: int, side: int = 0) -> Place:
        """Where one side of a row lies."""
        return self.corpus.place(self.split, row, side)
