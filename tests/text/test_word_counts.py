"""How rare words are: counted by hand, kept in a run folder, whole or refused."""

from pathlib import Path

from seq2seq.text.word_counts import count, rarest, read_counts, words, write_counts

HELD_OUT = ["The dog, the cat.", "A bird!"]


def test_words_have_no_case_and_no_punctuation_around_them() -> None:
    assert words("  The «dog's» well-known U.S. -- , (tail).") == [
        *("the", "dog's", "well-known", "u.s", "tail")
    ]


def test_only_words_of_the_held_out_text_are_counted() -> None:
    counts = count(["the dog sees the house", "THE cat"], HELD_OUT)
    assert counts == {"the": 3, "dog": 1, "cat": 1, "a": 0, "bird": 0}


def test_a_line_is_as_rare_as_its_rarest_word() -> None:
    counts = count(["the dog sees the house", "the cat and a cat"], HELD_OUT)
    lines = (*HELD_OUT, "the", "unheard of", "")
    assert [rarest(line, counts) for line in lines] == [1, 0, 3, 0, 0]


def test_counts_come_back(tmp_path: Path) -> None:
    counts = {"the": 3, "dog": 1, "a\u2028b": 0}
    write_counts(tmp_path, counts)
    assert read_counts(tmp_path) == counts


def test_an_older_run_has_none(tmp_path: Path) -> None:
    assert read_counts(tmp_path) is None
