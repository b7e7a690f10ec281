"""From attention over pieces to links of words."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.alignment.rule import Rule, pool, shares, words
from seq2seq.errors import UserError
from seq2seq.translation.translation import END

PIECES = st.lists(st.sampled_from(["▁", "▁a", "b", "火", "▁▁", "😀"]), max_size=12)


def weights(*rows: list[float]) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


# --- words and tokens -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["</s>"], []),
        (["▁Mar", "ie", "▁ran", "!", "</s>"], ["Marie", "ran!"]),
        (["▁", "我", "喜欢", "▁", "猫", "</s>"], ["我喜欢", "猫"]),
        (["我", "喜欢", "</s>"], ["我喜欢"]),
        (["▁a", "😀", "</s>"], ["a😀"]),
        (["▁", "</s>"], []),
        (["▁a", "</", "s", ">", "</s>"], ["a</s>"]),
    ],
)
def test_pieces_spell_words(pieces, expected):
    assert words(pieces) == expected


@given(PIECES)
def test_words_lose_no_letter(pieces):
    assert "".join(words([*pieces, END])) == "".join(pieces).replace("▁", "")


def test_a_piece_counts_in_each_token_by_the_share_of_its_characters():
    found = shares(["▁do", "n't", "▁go", END], ["do", "n", "'t", "go"])
    np.testing.assert_allclose(
        found,
        [[1, 0, 0, 0, 0], [0, 1 / 3, 2 / 3, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]],
        rtol=1e-6,
    )


def test_a_token_may_hold_several_pieces_and_spaces():
    found = shares(["▁New", "▁Y", "ork", "▁", "火", END], ["New York", "火"])
    np.testing.assert_array_equal(found.argmax(1), [0, 0, 0, 1, 1, 2])
    np.testing.assert_array_equal(found.sum(1), 1)


@given(PIECES)
def test_the_words_of_pieces_hold_all_of_them_but_marks_at_the_end(pieces):
    pieces = [*pieces, END]
    found = shares(pieces, words(pieces))
    last = max((i for i, piece in enumerate(pieces[:-1]) if piece.strip("▁")), default=-1)
    np.testing.assert_allclose(found[: last + 1].sum(1), 1)
    assert (found.sum(0) > 0).all()


def test_a_token_with_other_characters_has_no_pieces_and_its_neighbours_keep_theirs():
    found = shares(['▁"', "hello", '"', "▁he", "▁said", END], ["``", "hello", "''", "he", "said"])
    np.testing.assert_array_equal(found.any(0), [False, True, False, True, True, True])
    np.testing.assert_array_equal(found.argmax(1)[[1, 3, 4]], [1, 3, 4])
    assert not found[[0, 2]].any()


def test_a_token_that_is_there_in_part_only_is_not_found():
    found = shares(["▁color", "▁bar", END], ["colour", "bar"])
    np.testing.assert_array_equal(found.any(0), [False, True, True])


def test_source_pieces_are_summed_and_target_pieces_averaged():
    source = shares(["▁a", "b", "▁c", END], ["ab", "c"])
    target = shares(["▁x", "y", END], ["xy"])
    pieces = weights([0.1, 0.2, 0.3, 0.4], [0.3, 0.3, 0.2, 0.2], [0.0, 0.1, 0.0, 0.9])
    np.testing.assert_allclose(
        pool(pieces, source, target), [[0.45, 0.25, 0.3], [0.1, 0.0, 0.9]], rtol=1e-6
    )
    np.testing.assert_allclose(pool(pieces[:2], source, target), [[0.45, 0.25, 0.3]], rtol=1e-6)


def test_a_token_without_pieces_has_no_weight():
    source = shares(["▁a", "▁b", END], ["a", "B"])
    target = shares(["▁x", "▁y", END], ["X", "y"])
    found = pool(weights([0.2, 0.3, 0.5], [0.6, 0.3, 0.1], [0, 0, 1]), source, target)
    np.testing.assert_allclose(found, [[0, 0, 0], [0.6, 0, 0.1], [0, 0, 1]], rtol=1e-6)


@given(PIECES, PIECES, st.integers(0, 100))
def test_pooled_rows_still_sum_to_one(source, target, seed):
    source, target = [*source, "a", END], [*target, "a", END]
    chance = np.random.default_rng(seed).dirichlet(np.ones(len(source)), size=(2, len(target)))
    found = pool(chance, shares(source, words(source)), shares(target, words(target)))
    assert found.shape == (2, len(words(target)) + 1, len(words(source)) + 1)
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-5)


# --- which matrix, which row ----------------------------------------------------------------------


@pytest.mark.parametrize(("layers", "layer"), [(1, 1), (2, 1), (3, 2), (6, 5)])
def test_the_layer_before_the_last_and_all_heads_are_read_unless_told(layers, layer):
    attention = torch.rand(layers, 4, 3, 5)
    expected = attention[layer - 1].mean(0).numpy()
    np.testing.assert_allclose(Rule().read(attention), expected, rtol=1e-6)
    assert Rule().resolve(layers, 4) == Rule(layer, "mean", shift=False)


def test_the_only_layer_and_the_only_head_are_their_own_mean():
    assert Rule("mean", "mean").resolve(1, 1) == Rule(1, 1) == Rule().resolve(1, 1)


@pytest.mark.parametrize("layer", [1, 3, "mean"])
@pytest.mark.parametrize("head", [1, 4, "mean"])
def test_a_chosen_layer_and_head_are_read(layer, head):
    attention = torch.rand(3, 4, 3, 5)
    layers = slice(None) if layer == "mean" else slice(layer - 1, layer)
    heads = slice(None) if head == "mean" else slice(head - 1, head)
    expected = attention[layers, heads].mean((0, 1)).numpy()
    np.testing.assert_allclose(Rule(layer, head).read(attention), expected, rtol=1e-5)


def test_a_shift_reads_the_row_at_which_a_piece_is_fed_in():
    attention = torch.rand(1, 1, 4, 5)
    np.testing.assert_array_equal(Rule(shift=True).read(attention), attention[0, 0, 1:])


@pytest.mark.parametrize("number", [-1, 0, 5])
@pytest.mark.parametrize(("what", "count"), [("layer", 3), ("head", 4)])
def test_a_layer_or_head_that_is_not_there_is_refused(what, count, number):
    reason = f"this model has {count}" if number > 0 else f"{what}s are counted from 1"
    with pytest.raises(UserError, match=f"there is no {what} {number}: {reason}"):
        Rule(**{what: number}).read(torch.rand(3, 4, 3, 5))


@pytest.mark.parametrize("shift", [False, True])
def test_a_planted_monotone_alignment_is_read_by_the_right_row_only(shift):
    """Six words, each planted where its row would be; an offset of one misses all but one."""
    attention = torch.zeros(1, 1, 7, 7)
    for word in range(6):
        attention[0, 0, word + shift, word] = 1
    attention[0, 0, 6 if not shift else 0, 6] = 1
    pieces = [*(f"▁w{i}" for i in range(6)), END]
    cut = shares(pieces, words(pieces))

    def read(rule: Rule) -> frozenset[tuple[int, int]]:
        return rule.links(pool(rule.read(attention), cut, cut)[:6])

    diagonal = {(i, i) for i in range(6)}
    assert read(Rule(shift=shift)) == diagonal
    assert not read(Rule(shift=not shift)) & diagonal


# --- from weights to links ------------------------------------------------------------------------

LOOKED = weights([0.5, 0.3, 0.2], [0.1, 0.3, 0.6], [0.0, 0.05, 0.95], [0.0, 0.0, 0.0])


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Rule(), {(0, 0), (1, 1), (1, 2)}),
        (Rule(end="keep"), {(0, 0)}),
        (Rule(end="renormalise"), {(0, 0), (1, 1), (1, 2)}),
        (Rule(threshold=0.3), {(0, 0), (1, 0), (1, 1)}),
        (Rule(threshold=0.3, end="keep"), {(0, 0), (1, 0), (1, 1)}),
        (Rule(threshold=0.7, end="renormalise"), {(1, 1), (1, 2)}),
        (Rule(threshold=0.9), set()),
    ],
)
def test_links_are_the_largest_weights_or_all_above_a_threshold(rule, expected):
    assert rule.links(LOOKED) == expected


@pytest.mark.parametrize("rule", [Rule(), Rule(end="keep"), Rule(threshold=0.1)])
def test_nothing_is_linked_to_no_words(rule):
    assert rule.links(weights([1.0])) == rule.links(np.zeros((0, 3), dtype=np.float32)) == set()
