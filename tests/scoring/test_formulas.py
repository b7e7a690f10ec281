"""Formulas over arrays, against sacreBLEU's own on the same sums, one by one."""

from collections.abc import Callable

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from seq2seq.scoring import formulas

METRICS: dict[str, tuple[object, Callable, int]] = {
    "bleu": (BLEU(force=True), formulas.bleu, 10),
    "chrf": (CHRF(), formulas.chrf, 18),
    "ter": (TER(), formulas.ter, 2),
}


def sums(metric: str, count: int, dtype: type) -> np.ndarray:
    """Random counts that could be, small ones and zeros among them."""
    chance = np.random.default_rng(1)
    rows = []
    for size in chance.integers(0, 400, count).tolist():
        if metric == "bleu":
            totals = [max(0, size - n) for n in range(4)]
            matches = [int(chance.integers(0, total + 1)) for total in totals]
            matches = [min(matches[: n + 1]) * (chance.random() > 0.1) for n in range(4)]
            rows.append([size, int(chance.integers(0, 400)), *matches, *totals])
        elif metric == "chrf":
            ours = [max(0, size - n) for n in range(6)]
            theirs = [max(0, int(chance.integers(0, 400)) - n) for n in range(6)]
            pairs = zip(ours, theirs, strict=True)
            orders = [(*pair, int(chance.integers(0, min(pair) + 1))) for pair in pairs]
            rows.append([number for order in orders for number in order])
        else:
            rows.append([size, int(chance.integers(0, 3)) * size])
    return np.array(rows, dtype)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_score_is_that_of_sacrebleu(metric: str, dtype: type) -> None:
    theirs, ours, _ = METRICS[metric]
    rows = sums(metric, 300, dtype)
    expected = [theirs._compute_score_from_stats(row.copy()).score for row in rows]
    np.testing.assert_allclose(ours(rows), expected, rtol=1e-12 if dtype is np.float64 else 1e-6)


@pytest.mark.parametrize("metric", METRICS)
def test_leading_axes_change_nothing(metric: str) -> None:
    _, ours, width = METRICS[metric]
    rows = sums(metric, 12, np.float64)
    np.testing.assert_array_equal(ours(rows.reshape(3, 4, width)).ravel(), ours(rows))
