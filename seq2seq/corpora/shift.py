"""Detect a line shift: from some line on, the sides are misaligned because a line is missing.

Source line i is compared with target line i + d for small d. The score of d combines how well the
lengths fit (Gale and Church 1993) and how many words and numbers both lines share. For each d, the
advantage over d = 0 is accumulated by CUSUM (Page 1954), which resets negative sums to zero. A sum
above THRESHOLD is a shift that began where the sum was last zero.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seq2seq.corpora.text import Pair

NEAR = [by for by in range(-5, 6) if by]  # default shifts to search for, in lines
THRESHOLD = 60.0  # nats: about a hundred lines if sentences are short and share no words
DRIFT = 0.3  # nats per line subtracted from each score, so that random advantages do not add up
BOUND = 3.0  # nats, maximum contribution of the lengths of one line
WORTH = 1.5  # nats per shared word or number
WORDS = 3  # maximum number of shared words counted per line
SHORTEST = 5  # characters added to every length: differences of short lines are not informative

# Often the same in two languages: numbers, longer words (names), and the final punctuation mark.
ANCHOR = re.compile(r"\d+|[^\W\d_]{4,}|[?!:](?=\W*$)")


class Shift(NamedTuple):
    """From about this row on, source row i corresponds to target row i + by."""

    row: int
    by: int


class ShiftFinder:
    """Finds the first shift in pairs that are added batch by batch.

    Only one batch is held in memory; lengths are compared using the median ratio of the batch.

    Args:
        offsets: the shifts to search for.
    """

    def __init__(self, offsets: Iterable[int] = NEAR) -> None:
        self.found: Shift | None = None
        self._row = 0  # row of the first pending pair
        self._pending: list[tuple[int, int, frozenset[str], frozenset[str]]] = []
        self._sums = dict.fromkeys(offsets, (0.0, 0))  # with the row where each was last zero
        self._reach = max(map(abs, self._sums))

    def add(self, pairs: Sequence[Pair]) -> None:
        """Add the next pairs."""
        if self.found:
            return
        self._pending += [
            (len(s), len(t), frozenset(ANCHOR.findall(s)), frozenset(ANCHOR.findall(t)))
            for s, t in pairs
        ]
        if len(self._pending) > 4 * self._reach:
            self._update()

    def _update(self) -> None:
        """Score all rows that have enough neighbors on both sides; the others stay pending."""
        sources, targets, left, right = zip(*self._pending, strict=True)
        source, target = (np.log(np.array(n) + SHORTEST) for n in (sources, targets))
        median = np.median(source - target)
        inner = slice(self._reach, len(source) - self._reach)
        misfit = {
            by: np.abs(source[inner] - target[inner.start + by : inner.stop + by] - median)
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
            if len(over) and stop < crossed:  # the correct shift crosses the threshold first
                self.found, crossed = Shift(began, by), stop
        self._row += inner.stop - self._reach
        self._pending = self._pending[inner.stop - self._reach :]


def _shared(
    left: Sequence[frozenset[str]], right: Sequence[frozenset[str]], by: int, rows: slice
) -> NDArray[np.float64]:
    """Count the anchors that source row i and target row i + by share, at most WORDS."""
    return np.fromiter(
        (
            min(len(left[row] & right[row + by]), WORDS) if left[row] else 0
            for row in range(rows.start, rows.stop)
        ),
        np.float64,
        rows.stop - rows.start,
    )
