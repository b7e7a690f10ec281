"""The scores of words beside the translations: what is written is read, and nothing else is."""

import json
from pathlib import Path

import numpy as np
import pytest

from seq2seq.errors import UserError
from seq2seq.runs import word_scores
from seq2seq.runs.word_scores import FILE, LOWEST
from seq2seq.system.files import write_lines
from seq2seq.text.word_scores import WordScores

WORDS = [["le", "caf\N{LATIN SMALL LETTER E WITH ACUTE}"], [], ["a\u2028b", "\x85", "\N{FIRE}\r"]]


def lines(*, hidden: bool) -> list[WordScores]:
    return [
        WordScores(
            words,
            np.linspace(-3, 0, len(words)),
            np.linspace(-9, -1, len(words)) if hidden else None,
        )
        for words in WORDS
    ]


def store(folder: Path, *, hidden: bool) -> Path:
    write_lines(folder / "hypothesis.txt", ["one", "", "three"])
    assert word_scores.write(folder, lines(hidden=hidden), "unk" if hidden else None)
    return folder / FILE


@pytest.mark.parametrize("hidden", [True, False])
def test_what_is_written_is_read(tmp_path, hidden) -> None:
    """Also words with characters that end a line in other files."""
    found = word_scores.read(store(tmp_path, hidden=hidden))
    for one, other in zip(found, lines(hidden=hidden), strict=True):
        assert one.words == other.words
        np.testing.assert_allclose(one.log_p, other.log_p, atol=1e-4)
        assert (one.hidden is None) is not hidden
        if one.hidden is not None and other.hidden is not None:
            np.testing.assert_allclose(one.hidden, other.hidden, atol=1e-4)


def test_an_impossible_word_is_stored(tmp_path) -> None:
    write_lines(tmp_path / "hypothesis.txt", ["x"])
    word_scores.write(tmp_path, [WordScores(["x"], np.array([-np.inf]))], None)
    assert word_scores.read(tmp_path / FILE)[0].log_p.tolist() == [LOWEST]


def test_a_file_that_could_not_be_read_is_not_written(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(word_scores, "MAX_JSON_BYTES", 100)
    write_lines(tmp_path / "hypothesis.txt", ["one", "", "three"])
    assert not word_scores.write(tmp_path, lines(hidden=True), "unk")
    assert not (tmp_path / FILE).exists()


def test_scores_of_other_hypotheses_are_refused(tmp_path) -> None:
    file = store(tmp_path, hidden=True)
    write_lines(tmp_path / "hypothesis.txt", ["one", "", "changed"])
    with pytest.raises(UserError, match=r"does not belong to the hypothesis\.txt"):
        word_scores.read(file)


@pytest.mark.parametrize(
    ("number", "change", "reason"),
    [
        (0, {"format": 2}, "has format 2, but this version reads formats up to 1"),
        (0, {"format": "x"}, "has format x"),
        (0, {"format": None}, "has format None"),
        (0, {"hypothesis_sha256": 1}, "does not belong"),
        (1, {"words": "le"}, "line 2, .*not a list of texts"),
        (1, {"words": [1, 2]}, "not a list of texts"),
        (1, {"words": ["le"]}, "log_p is not a list of 1 numbers"),
        (1, {"log_p": [0, "x"]}, "not a number"),
        (1, {"log_p": [0, True]}, "not a number"),
        (1, {"log_p": [0, 0.1]}, "the value 0.1, which is not a log-probability"),
        (1, {"log_p": [0, float("nan")]}, "nan, which is not"),
        (1, {"log_p": [0, -float("inf")]}, "inf, which is not"),
        (3, {"hidden_log_p": [0]}, "line 4, .*hidden_log_p is not a list of 3"),
        (3, {"hidden_log_p": {}}, "hidden_log_p is not a list"),
    ],
)
def test_a_damaged_file_is_refused_in_one_sentence(tmp_path, number, change, reason) -> None:
    file = store(tmp_path, hidden=True)
    records = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    records[number] |= change
    file.write_text("".join(f"{json.dumps(one)}\n" for one in records), "utf-8")
    with pytest.raises(UserError, match=reason) as refused:
        word_scores.read(file)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", ["", "[]\n", "{", "[" * 100_000, "\xff", "{}\n"])
def test_another_file_is_refused_in_one_sentence(tmp_path, content) -> None:
    file = store(tmp_path, hidden=True)
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(UserError) as refused:
        word_scores.read(file)
    assert str(file) in str(refused.value) and "\n" not in str(refused.value)


def test_a_line_too_few_is_refused(tmp_path) -> None:
    file = store(tmp_path, hidden=True)
    file.write_text("\n".join(file.read_text("utf-8").splitlines()[:-1]), "utf-8")
    with pytest.raises(UserError, match="has 2 lines for 3 hypotheses"):
        word_scores.read(file)
