"""Check a corpus without training and report its defects with file and line.

Errors that would stop training are detected by the same readers that training uses, set to
continue after an error. All other findings are remarks. Pairs are processed in batches, so memory
use does not grow with the corpus, except for the hashes stored by `overlap`.
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
from seq2seq.corpora.overlap import Hashes, HashSet, SharedPairs, same_as_training, side_hashes
from seq2seq.corpora.shift import ShiftFinder
from seq2seq.corpora.text import Pair
from seq2seq.errors import UserError
from seq2seq.text.markup import KINDS, SAMPLE, kinds

FIRST = 4  # places stored per kind and file
RATIO = 4  # a length ratio this many times above or below the median is reported
SHORT = 20  # characters added to both lengths first: the ratio of short lines varies more
PIECE = 16  # characters, SentencePiece's maximum length of a piece
FARTHEST = 20_000  # lines, the largest difference between files that is searched as a shift

ODD = {
    "carriage return": re.compile("\r"),
    "line separator": re.compile("[\v\f\x1c-\x1e\x85\u2028\u2029]"),
    "byte-order mark": re.compile("\ufeff"),
    "control character": re.compile("[\0-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f]"),
}
ANY_ODD = re.compile("|".join(pattern.pattern for pattern in ODD.values()))

# The kinds of findings, in the order of the report, and their effect on training.
MEANINGS = {
    "unreadable": "the rest of the split, or all of it, cannot be read",
    "no pairs": "the split is empty",
    "unequal counts": "line i of one file must be the translation of line i of the other",
    "other segment": "the two sides do not have the same documents and segments",
    "not UTF-8": "the line has bytes that are not valid UTF-8",
    "too few columns": "the line does not have the configured columns",
    "not JSON": "the line is not a JSON object",
    "quotes": "a quoted cell is not closed, or has text after its closing quote",
    "no such text": "a configured field is missing or is not text",
    "not plain text": "all lines are an n-best list, the output of a program, or tagged",
    "training text": "a test set must have pairs that are not in the training set",
    "nothing left": "no training pair is left",
    "several references": "only the first reference of each document is read",
    "other languages": "skipped: the unit lacks one of the two languages",
    "shifted": "from about this line on, lines look like translations of other lines nearby",
    "empty side": "skipped in training, kept in test sets",
    "too long": "skipped in training: more than data.max_length words, each at least one piece (or "
    f"more than {PIECE} times that many characters); more pairs may be too long after tokenization",
    "length ratio": f"one side is over {RATIO} times longer than usual relative to the other",
    "identical sides": "source and target are the same: not translated?",
    "duplicate": "same as an earlier pair",
    "carriage return": "dropped at the end of a line, text elsewhere; not a line break",
    "line separator": "U+2028 or similar: text here, but some other tools break lines at it",
    "byte-order mark": "dropped at the beginning of a file, text elsewhere",
    "control character": "invisible, but read as text",
    "null": "a field without a value: read as an empty side",
    "blank line": "skipped",
    "other columns": "the number of columns differs from the first line: a delimiter in the text? "
    "In CSV, training stops with an error",
    "line end in a cell": "a quoted cell continues on the next line (an unclosed quote?); the line "
    "end is read as a space",
    "quoted cell": "CSV quotes, which are read as text here: data=csv data.delimiter=tab "
    "interprets them",
    **{kind.name: kind.advice for kind in KINDS},
    "pair in": "a score on training pairs measures memorization, not translation",
    "source in": "same source, different translation",
}


@dataclass
class Finding:
    """All findings of one kind in one split."""

    kind: str
    count: int = 0
    places: list[Place] = field(default_factory=list)  # the first FIRST in each file
    refusal: UserError | None = None  # the error that training raises for the first of them
    note: str = ""

    def add(self, place: Place | None, refusal: UserError | None = None) -> None:
        """Count one more finding and store its place."""
        self.count += 1
        self.refusal = self.refusal or refusal
        if place and sum(place.file == known.file for known in self.places) < FIRST:
            self.places.append(place)


class HeldOutHashes(NamedTuple):
    """Rows of a held-out split with the hashes of their pairs and of their sources."""

    rows: NDArray[np.intp]
    pairs: Hashes
    sources: Hashes

    @classmethod
    def joined(cls, parts: list["HeldOutHashes"]) -> "HeldOutHashes":
        """Concatenate several batches."""
        empty = cls(np.zeros(0, np.intp), np.zeros(0, np.int64), np.zeros(0, np.int64))
        return cls(*map(np.concatenate, zip(empty, *parts, strict=True)))


class Findings:
    """The findings in one split, by kind."""

    def __init__(self, split: str) -> None:
        self.split, self.pairs = split, 0
        self.kinds: dict[str, Finding] = {}

    def add(
        self, kind: str, place: Place | None, refusal: UserError | None = None, note: str = ""
    ) -> None:
        """Add a finding of a kind."""
        finding = self.kinds.setdefault(kind, Finding(kind, note=note))
        finding.add(place, refusal)

    def count(self, *kinds: str) -> int:
        """Return the number of findings of these kinds."""
        return sum(self.kinds[kind].count for kind in kinds if kind in self.kinds)

    @property
    def refusals(self) -> list[UserError]:
        """The errors that would stop training, one per kind."""
        return [found.refusal for found in self.kinds.values() if found.refusal]


def check(corpus: Corpus) -> list[Findings]:
    """Read every split to the end and return the findings of each.

    The training split, usually the longest, is read last, so that its overlap with the held-out
    splits is found without storing its hashes.
    """
    checkers: list[SplitChecker] = []
    for split in reversed(corpus.splits):
        checkers.append(SplitChecker(corpus, split, heldout=[*checkers]))
        checkers[-1].run()
    for checker in checkers:
        checker.report_overlap()
        checker.refuse_training_text(checkers[-1].findings.pairs)
    return [checker.findings for checker in reversed(checkers)]


class SplitChecker:
    """Checks one split batch by batch.

    Args:
        corpus: the corpus.
        split: name of the split.
        heldout: checkers of the splits read before, whose overlap with this one is recorded.
    """

    def __init__(self, corpus: Corpus, split: str, heldout: list["SplitChecker"]) -> None:
        self.corpus, self.split, self.heldout = corpus, split, heldout
        self.findings = Findings(split)
        self.seen, self.shift = HashSet(), ShiftFinder()
        self.first: list[Pair] = []  # the first pairs, to decide whether the split is plain text
        self.rejected: set[int] = set()  # rows of the current batch that would stop training
        self.hashes: list[HeldOutHashes] = []  # only of a held-out split
        self.shared: dict[str, SharedPairs] = {}  # by the other split

    def run(self) -> None:
        """Read to the end, or up to the first error that cannot be skipped."""
        for other in self.heldout:
            other.record_overlap(self.split)
        for pairs in counted(chunks(self.pairs()), f"checking {self.split}", total=None):
            self.check_batch(self.findings.pairs - len(pairs), pairs)
        self.finish()

    def pairs(self) -> Iterator[Pair]:
        """Yield and count the pairs; an error that ends reading is recorded as a finding."""
        try:
            for pair in self.corpus.scan(self.split, self.add_defect):
                self.findings.pairs += 1
                yield pair
        except UserError as error:
            self.findings.add("unreadable", None, error)

    def add_defect(self, defect: Defect) -> None:
        """Record a defect that the reader reports for the pair it yields next."""
        if defect.refusal:
            self.rejected.add(self.findings.pairs)
        self.findings.add(*defect)

    def check_batch(self, first: int, pairs: list[Pair]) -> None:
        """Check a batch whose first pair is row `first`."""
        self.first += pairs[: SAMPLE - len(self.first)]
        whole = []  # rows with text on both sides
        for row, pair in enumerate(pairs, first):
            if row in self.rejected:
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
        self.rejected.clear()
        self.shift.add(pairs)
        if whole:
            self.compare(np.array(whole), [pairs[row - first] for row in whole])

    def compare(self, rows: NDArray[np.intp], pairs: list[Pair]) -> None:
        """Compare pairs with text on both sides with each other and with other splits."""
        lengths = np.array([(len(source), len(target)) for source, target in pairs]) + SHORT
        ratios = np.log(lengths[:, 0] / lengths[:, 1])
        odd = np.abs(ratios - np.median(ratios)) > math.log(RATIO)
        keys = side_hashes(pairs)
        for kind, found in (("length ratio", odd), ("duplicate", self.seen.repeated(keys[0]))):
            for row in rows[found].tolist():
                self.findings.add(kind, self.place(row))
        for other in self.heldout:
            other.shared[self.split].update(*keys)
        if self.split != "train":
            self.hashes.append(HeldOutHashes(rows, *keys))

    def finish(self) -> None:
        """Add the findings that depend on the whole split."""
        found, pairs = self.findings, self.findings.pairs
        if not pairs and not found.refusals:
            found.add("no pairs", None, self.corpus.without_lines(self.split))
        try:
            if self.first:
                refuse_tagged(self.first, self.corpus.where(self.split))
        except UserError as error:
            found.add("not plain text", None, error)
        empty, long = found.count("empty side"), found.count("too long")
        if self.split == "train" and pairs and empty + long == pairs:
            sentence = (
                f"no training pair is left of {pairs:,}: {empty:,} have an empty side, {long:,} "
                f"are longer than data.max_length={self.corpus.max_length} pieces"
            )
            found.add("nothing left", None, UserError(sentence))
        if not self.shift.found and "unequal counts" in found.kinds:
            self.shift = self.find_large_shift(found.kinds["unequal counts"].places[0])
        if shift := self.shift.found:
            match = self.place(shift.row + shift.by, 1)
            note = f"which looks like {match.file} {match.line}"
            found.add("shifted", self.place(shift.row), note=note)

    def find_large_shift(self, last: Place) -> ShiftFinder:
        """Read again and search for a shift equal to the difference in line counts."""
        by = last.line - self.findings.pairs
        if last.file == self.place(0).file:
            by = -by
        finder = ShiftFinder([by])
        if abs(by) <= FARTHEST:
            pairs = self.corpus.scan(self.split, lambda defect: None)
            for batch in counted(chunks(pairs), f"aligning {self.split}", total=None):
                finder.add(batch)
        return finder

    def record_overlap(self, other: str) -> None:
        """Start recording which pairs also occur in another split."""
        if len(self.hashes) != 1:
            self.hashes = [HeldOutHashes.joined(self.hashes)]
        self.shared[other] = SharedPairs(*self.hashes[0][1:])

    def report_overlap(self) -> None:
        """Add the pairs and sources that also occur in splits read later."""
        for other, shared in reversed(self.shared.items()):
            for what, found in (("pair", shared.pairs), ("source", shared.sources)):
                for row in np.sort(self.hashes[0].rows[found]).tolist():
                    self.findings.add(f"{what} in {other}", self.place(row))

    def refuse_training_text(self, trained: int) -> None:
        """Reject a test set that has the same pairs as the training set.

        Args:
            trained: number of training pairs.
        """
        pairs, shared = self.findings.pairs, self.findings.count("pair in train")
        if self.split not in ("train", "validation") and pairs == trained == shared > 0:
            self.findings.add("training text", None, same_as_training(self.split))

    def note_odd(self, row: int, side: int, text: str) -> None:
        """Add the control and separator characters of a text."""
        for kind, pattern in ODD.items():
            if pattern.search(text):
                self.findings.add(kind, self.place(row, side))

    def too_long(self, text: str) -> bool:
        """Whether a text has more than `max_length` pieces with any vocabulary."""
        limit = self.corpus.max_length
        return len(text) > limit and (len(text.split()) > limit or len(text) > PIECE * limit)

    def place(self, row: int, side: int = 0) -> Place:
        """Return file and line of one side of a row."""
        return self.corpus.place(self.split, row, side)
