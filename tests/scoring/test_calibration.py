"""Calibration: bins, the expected calibration error, and which tokens of an output are right."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.scoring.calibration import BINS, calibration, paired


def test_the_error_is_that_of_the_formula() -> None:
    """Guo et al. 2017, equation 3: 2 of 5 tokens at a distance of .35, 3 at one of .1 / 3."""
    p = np.array([0.62, 0.68, 1.0, 0.95, 0.95])
    right = np.array([True, False, True, True, True])
    found = calibration(p, right)
    assert found is not None
    assert [one["to"] for one in found["bins"]] == [0.7, 1.0]
    assert [one["tokens"] for one in found["bins"]] == [2, 3]
    assert found["score"] == pytest.approx((2 * 15 + 3 * 10 / 3) / 5)
    assert found["confidence"] == pytest.approx(84)
    assert found["accuracy"] == pytest.approx(80)
    assert found["tokens"] == 5


def test_a_calibrated_model_has_no_error() -> None:
    right = np.array([True, True, True, False] * 5)
    found = calibration(np.full(20, 0.75), right)
    assert found is not None and found["score"] == pytest.approx(0)


@pytest.mark.parametrize(
    ("probability", "to"),
    [
        (0.0, 0.1),
        (1e-30, 0.1),
        (0.1, 0.1),
        (0.1001, 0.2),
        (0.5, 0.5),
        (1.0, 1.0),
        (1.0 + 1e-7, 1.0),
    ],
)
def test_bins_contain_their_upper_end(probability: float, to: float) -> None:
    found = calibration(np.array([probability]), np.array([True]))
    assert found is not None and [one["to"] for one in found["bins"]] == [to]


def test_without_tokens_there_is_none() -> None:
    assert calibration(np.empty(0), np.empty(0, dtype=bool)) is None


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=200))
def test_the_error_is_between_the_bias_and_one(tokens: list[tuple[float, bool]]) -> None:
    p, right = map(np.array, zip(*tokens, strict=True))
    found = calibration(p.astype(float), right)
    assert found is not None
    assert sum(one["tokens"] for one in found["bins"]) == len(tokens)
    assert len(found["bins"]) <= BINS
    bias = abs(found["confidence"] - found["accuracy"])
    assert bias - 1e-6 <= found["score"] <= 100


@pytest.mark.parametrize(
    ("output", "reference", "right"),
    [
        ("a b c", "a b c", "111"),
        ("a x c", "a b c", "101"),
        ("a b c d", "a b d", "1101"),
        ("b a", "a b", "10"),
        ("a a a", "a", "001"),
        ("", "a b", ""),
        ("a b", "", "00"),
        ("x y", "a b c", "00"),
    ],
)
def test_tokens_are_right_if_the_fewest_edits_pair_them(output, reference, right) -> None:
    ids = [[ord(word) for word in side.split()] for side in (output, reference)]
    assert "".join("01"[one] for one in paired(*ids).tolist()) == right


@given(st.lists(st.integers(0, 3), max_size=12), st.lists(st.integers(0, 3), max_size=12))
def test_the_pairs_are_of_an_alignment_with_the_fewest_edits(ours, theirs) -> None:
    """The edits besides the pairs are at least as many as the distance allows."""
    table = [[max(i, j) for j in range(len(theirs) + 1)] for i in range(len(ours) + 1)]
    for i, one in enumerate(ours, 1):
        for j, other in enumerate(theirs, 1):
            table[i][j] = min(
                table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (one != other)
            )
    pairs = int(paired(ours, theirs).sum())
    assert max(len(ours), len(theirs)) - pairs <= table[-1][-1]
    assert table[-1][-1] <= len(ours) + len(theirs) - 2 * pairs
