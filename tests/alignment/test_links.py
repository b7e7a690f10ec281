"""Scores of links, and two directions made one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.alignment.gold import Links
from seq2seq.alignment.links import Tally, flip, grow_diag_final_and, intersection, union

LINKS = st.frozensets(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=12)


def links(text: str) -> Links:
    return Links.parse(text)


def found(text: str) -> frozenset[tuple[int, int]]:
    return links(text).sure


# --- scores ---------------------------------------------------------------------------------------


def test_an_example_counted_by_hand():
    """Five links found: two sure, one possible, two wrong; of four sure ones two are missing."""
    tally = Tally.of(found("0-0 1-1 2-3 3-0 4-4"), links("0-0 1-1 2-2 3-3 2?3 4?5"))
    assert (tally.links, tally.sure, tally.among_sure, tally.among_possible) == (5, 4, 2, 3)
    assert tally.precision == pytest.approx(3 / 5)
    assert tally.recall == pytest.approx(2 / 4)
    assert tally.f1 == pytest.approx(2 * 0.6 * 0.5 / 1.1)
    assert tally.aer == pytest.approx(1 - (2 + 3) / (5 + 4))


def test_a_corpus_is_summed_before_anything_is_divided():
    pairs = [(found("0-0"), links("0-0")), (found("0-1 1-0 1-1"), links("0-0 1-1 2-2"))]
    one, two = (Tally.of(*pair) for pair in pairs)
    both = one + two
    assert (both.links, both.sure, both.among_sure) == (4, 4, 2)
    assert both.aer == pytest.approx(1 - 4 / 8) != pytest.approx((one.aer + two.aer) / 2)


def test_possible_links_cost_nothing_either_way():
    gold = links("0-0 1?1")
    for reading in ("0-0", "0-0 1-1"):
        tally = Tally.of(found(reading), gold)
        assert (tally.aer, tally.precision, tally.recall) == (0, 1, 1)


def test_where_there_is_nothing_nothing_is_wrong():
    assert Tally().scores() == {"aer": 0, "precision": 1, "recall": 1, "f1": 1}
    assert Tally.of(frozenset(), links("0-0")).scores() == {
        "aer": 1,
        "precision": 1,
        "recall": 0,
        "f1": 0,
    }


@given(LINKS, LINKS)
def test_with_sure_links_alone_the_error_rate_is_one_less_f1(reading, gold):
    tally = Tally.of(reading, Links(gold))
    assert tally.aer == pytest.approx(1 - tally.f1)


@given(LINKS, LINKS, LINKS)
def test_scores_lie_between_nothing_and_all(reading, sure, possible):
    tally = Tally.of(reading, Links(sure, possible - sure))
    assert all(0 <= score <= 1 for score in tally.scores().values())


# --- two directions -------------------------------------------------------------------------------


@given(LINKS, LINKS)
def test_growing_stays_between_intersection_and_union(forward, backward):
    grown = grow_diag_final_and(forward, backward)
    assert intersection(forward, backward) <= grown <= union(forward, backward)
    assert grow_diag_final_and(forward, forward) == forward


@given(LINKS, LINKS)
def test_every_word_with_a_link_in_both_final_lists_is_covered_on_one_side(forward, backward):
    grown = grow_diag_final_and(forward, backward)
    sources, targets = {i for i, _ in grown}, {j for _, j in grown}
    assert all(i in sources or j in targets for i, j in forward | backward)


@pytest.mark.parametrize(
    ("forward", "backward", "expected"),
    [
        ("0-0 1-1", "0-0", "0-0 1-1"),  # a diagonal neighbour grows, both words being free
        ("0-0 0-1", "0-0", "0-0 0-1"),  # a neighbour of a linked word grows, one word being free
        ("0-0 0-2", "0-0", "0-0"),  # no neighbour, and source 0 has a link already
        ("0-0 2-2", "0-0", "0-0 2-2"),  # no neighbour, but both words are free at the end
        ("0-0 1-1 0-1", "0-0 1-1", "0-0 1-1"),  # neither word of 0-1 is free
        ("3-3", "3-4", "3-3"),  # no intersection: the first direction takes the word
    ],
)
def test_grow_diag_final_and_by_hand(forward, backward, expected):
    assert grow_diag_final_and(found(forward), found(backward)) == found(expected)


def test_directions_are_turned():
    assert flip(found("0-2 1-1")) == found("2-0 1-1")
    assert flip(flip(found("0-2 3-1"))) == found("0-2 3-1")
