"""The share of words that the source explains: its ends, what is undefined, and averages."""

import numpy as np
import pytest

from seq2seq.scoring.breakdown import length_bucket
from seq2seq.scoring.source_share import summarize, sums
from seq2seq.text.word_scores import WordScores, is_invented, share


@pytest.mark.parametrize(
    ("log_p", "hidden", "expected"),
    [
        (0.0, -5.0, 1.0),  # certain with the source
        (-5.0, -5.0, 0.0),  # no more probable with it
        (-9.0, -5.0, 0.0),  # less probable with it
        (-1.0, -4.0, 0.75),
        (0.0, -0.09, None),  # almost certain without it
        (-7.0, 0.0, None),
    ],
)
def test_the_share_of_a_word(log_p, hidden, expected) -> None:
    assert share(log_p, hidden) == expected


@pytest.mark.parametrize(
    ("log_p", "hidden", "expected"),
    [
        (-1.5, -2.0, True),
        (-3.0, -2.0, True),
        (-1.0, -2.0, False),  # half is explained
        (-0.9, -0.95, False),  # it could be guessed
        (0.0, 0.0, False),
    ],
)
def test_a_word_that_may_be_invented_is_explained_by_nothing(log_p, hidden, expected) -> None:
    assert is_invented(log_p, hidden) is expected


def scores(log_p: list[float], hidden: list[float] | None) -> WordScores:
    values = None if hidden is None else np.array(hidden)
    return WordScores([f"w{i}" for i in range(len(log_p))], np.array(log_p), values)


def test_words_count_by_how_much_there_is_to_explain() -> None:
    lines = [scores([0.0, -1.0], [-9.0, -1.0]), scores([-4.0] * 6, [-4.0] * 6), scores([], [])]
    found = summarize(["a b", " ".join("x" * 11), ""], lines, "unk")
    assert found["score"] == pytest.approx(100 * 9 / 34)
    assert (found["words"], found["invented"]) == (8, 6)
    assert [(one["from"], one["to"], one["words"]) for one in found["by_length"]] == [
        (1, 10, 2),
        (11, 20, 6),
    ]
    assert [one["share"] for one in found["by_length"]] == pytest.approx([90, 0])
    assert [(one["from"], one["to"], one["words"]) for one in found["by_position"]] == [
        (1, 5, 7),
        (6, 10, 1),
    ]
    assert [one["share"] for one in found["by_position"]] == pytest.approx([30, 0])
    assert "unk" in found["signature"]


def test_without_any_word_the_share_is_zero() -> None:
    assert summarize([""], [scores([], [])], "unk")["score"] == 0


def test_shares_that_were_not_computed_are_none() -> None:
    one = scores([-1.0, -2.0], None)
    assert (one.shares, one.invented) == ([None, None], [False, False])
    with pytest.raises(ValueError, match="not computed"):
        sums(one)


def test_lengths_are_counted_in_words() -> None:
    assert [length_bucket(" ".join("x" * n)) for n in (0, 1, 10, 11, 21)] == [0, 0, 0, 1, 2]
