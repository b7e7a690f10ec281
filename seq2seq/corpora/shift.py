"""Where two sides stop being translations of each other line by line: a line lost on one side.

Source line i is compared with target line i + d for small d. Two things tell which d is right: how
well the lengths fit (Gale and Church 1993), and how many words and numbers both lines share. What
d tells better than 0 is summed up, sums that would be negative begin again at zero (Page 1954,
CUSUM), and a sum over THRESHOLD is a shift, which began where that sum last was zero.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seq2seq.corpora.text import Pair

NEAR = [by for by in range(-5, 6) if by]  # lines that one side may be ahead of the other
THRESHOLD = 60.0  # nats: about a hundred lines where sentences are short and share no words
DRIFT = 0.3  # nats a line that a shift must be worth, so that chance never adds up
BOUND = 3.0  # nats that one line can tell at most by its length
WORTH = 1.5  # nats for a shared word or number
WORDS = 3  # shared words that count in one line
SHORTEST = 5  # characters added to every length: what short lines differ by means little

# What often looks the same in two languages: numbers, longer words (names), and the last mark.
ANCHOR = re.compile(r"\d+|[^\W\d_]{4,}|[?!:](?=\W*$)")


class Shift(NamedTuple):
    """From about this row on, source row i belongs to target row i + by."""

    row: int
    by: int


class ShiftFinder:
    """Looks for the first shift in pairs that come batch by batch.

    Memory is that of one batch. A batch is judged by its own usual ratio of lengths.

    Args:
        offsets: the shifts to look for.
    """

    def __init__(self, offsets: Iterable[int] = NEAR) -> None:
        self.found: Shift | None = None
        self._row = 0  # of the first pair that waits
        self._waiting: list[tuple[int, int, frozenset[str], frozenset[str]]] = []
        self._sums = dict.fromkeys(offsets, (0.0, 0))  # and where each last was zero
        self._reach = max(map(abs, self._sums))

    def add(self, pairs: Sequence[Pair]) -> None:
        """Look at the next pairs."""
        if self.found:
            return
        self._waiting += [
            (len(s), len(t), frozenset(ANCHOR.findall(s)), frozenset(ANCHOR.findall(t)))
            for s, t in pairs
        ]
        if len(self._waiting) > 4 * self._reach:
            self._look()

    def _look(self) -> None:
        """Judge all rows that have neighbours enough on both sides, and keep the rest waiting."""
        sources, targets, left, right = zip(*self._waiting, strict=True)
        source, target = (np.log(np.array(n) + SHORTEST) for n in (sources, targets))
        usual = np.median(source - target)
        inner = slice(self._reach, len(source) - self._reach)
        misfit = {
            by: np.abs(source[inner] - target[inner.start + by : inner.stop + by] - usual)
            for by in (0, *self._sums)
        }
        spread = max(min(float(np.mean(m)) for m in misfit.values()), 0.05)
        own = _shared(left, right, 0, inner)
        crossed = len(misfit[0])
        for by, (total, since) in self._sums.items():
            gain = np.clip((misfit[0] - misfit[by]) / spread, -BOUND, BOUND)
            gain += WORTH * (_shared(left, right, by, inner) - own)
            sums = total + np.cumsum(gain - DRIFT)
            lowest = np.minimum.accumulate(np.minimum(sums, 0.0))
            over = np.flatnonzero(sums - lowest > THRESHOLD)
            stop = int(over[0]) if len(over) else len(sums) - 1
            zeros = np.flatnonzero(sums[: stop + 1] <= lowest[: stop + 1])
            began = self._row + inner.start + int(zeros[-1]) + 1 if len(zeros) else since
            self._sums[by] = (float(sums[stop] - lowest[stop]), began)
            if len(over) and stop < crossed:  # the right one climbs fastest
                self.found, crossed = Shift(began, by), stop
        self._row += inner.stop - self._reach
        self._waiting = self._waiting[inner.stop - self._reach :]


def _shared(
    left: Sequence[frozenset[str]], right: Sequence[frozenset[str]], by: int, rows: slice
) -> NDArray[np.float64]:
    """How many anchors source row i and target row i + by have in common, WORDS at most."""
    return np.fromiter(
        (
            min(len(left[row] & right[row + by]), WORDS) if left[row] else 0
            for row in range(rows.start, rows.stop)
        ),
        np.float64,
        rows.stop - rows.start,
    )
