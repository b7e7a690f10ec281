"""Gold alignments on disk: what is written is read, and what is wrong is named by file and line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.alignment.gold import FILES, Gold, Links, read_gold, write_gold
from seq2seq.errors import UserError
from seq2seq.text.agreement import AGREEMENT, Agreement, read_agreements
from seq2seq.text.pronoun import Places, Pronoun, read_pronouns

PAIR = Gold(["the", "cat"], ["le", "chat"], Links(frozenset({(0, 0), (1, 1)}), frozenset({(0, 1)})))
LINKS = st.frozensets(st.tuples(st.integers(0, 99), st.integers(0, 99)))


@given(LINKS, LINKS)
def test_links_survive_their_text_and_being_turned_twice(sure, possible) -> None:
    links = Links(sure, possible - sure)
    assert Links.parse(str(links)) == links
    assert links.swapped().swapped() == links
    assert links.swapped().sure == {(j, i) for i, j in sure}


def test_a_link_that_is_sure_is_not_possible_as_well() -> None:
    assert Links.parse("1?2 1-2 0?0") == Links(frozenset({(1, 2)}), frozenset({(0, 0)}))


@pytest.mark.parametrize("word", ["1", "1-", "a-b", "1:2", "1--2", "-1-2", "1-2-3", "\u0661-2"])
def test_a_word_that_is_no_link_is_named(word) -> None:
    with pytest.raises(ValueError, match=r"neither a sure link i-j nor a possible one i\?j"):
        Links.parse(f"0-0 {word}")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    agreeing = PAIR._replace(agreement=Agreement(4, "vus", ("vu", "vue")))
    write_gold(tmp_path, [PAIR, agreeing])
    assert read_gold(tmp_path) == [PAIR, PAIR]
    assert read_agreements(tmp_path) == [None, agreeing.agreement]
    assert read_pronouns(tmp_path) is None


def test_pronouns_that_are_written_are_read(tmp_path: Path) -> None:
    forms = Agreement(12, "peut pas la", ("peut pas le",))
    pronoun = Pronoun(forms, "object", Places(15, 4, 1), Places(16, 5, 1))
    write_gold(tmp_path, [PAIR, PAIR._replace(pronoun=pronoun)])
    assert read_pronouns(tmp_path) == [None, pronoun]
    assert read_agreements(tmp_path) is None


def test_a_test_set_without_gold_has_none(tmp_path: Path) -> None:
    assert read_gold(tmp_path) is None
    assert read_agreements(tmp_path) is None
    write_gold(tmp_path, [PAIR])
    assert read_agreements(tmp_path) is None


@pytest.mark.parametrize(
    ("file", "content", "parts"),
    [
        (FILES[2], "0-0\n0-2\n", ["line 2", "the link 0-2 is outside the pair of 2 and 2 tokens"]),
        (FILES[2], "0-0\n0=1\n", ["line 2", "'0=1'"]),
        (FILES[2], "0-0\n", ["2 lines", "1:"]),
        (AGREEMENT, "1\tvu\n\n", ["line 1", "not a distance, the right form and the wrong forms"]),
        (AGREEMENT, "\nx\tvu\tvue\n", ["line 2", "'x\\tvu\\tvue'"]),
    ],
)
def test_a_damaged_file_is_named_with_its_line(tmp_path: Path, file, content, parts) -> None:
    write_gold(tmp_path, [PAIR, PAIR])
    (tmp_path / file).write_text(content)
    with pytest.raises(UserError) as refused:
        read_agreements(tmp_path)
        read_gold(tmp_path)
    assert all(part in str(refused.value) for part in (str(tmp_path), *parts)), refused.value
