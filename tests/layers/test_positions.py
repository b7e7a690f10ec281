"""Position encodings: by their formulas, in loops, and by the invariances they promise."""

import math

import pytest
import torch

from seq2seq.errors import UserError
from seq2seq.layers.positions import (
    LearnedPositions,
    alibi,
    alibi_slopes,
    rotate,
    rotation,
    sinusoidal,
)


def places(start: int, length: int) -> torch.Tensor:
    return torch.arange(start, start + length)


def test_sinusoids_are_the_papers_formula():
    found = sinusoidal(places(0, 50), 8)
    for place in range(50):
        for i in range(4):
            angle = place / 10_000 ** (2 * i / 8)
            assert found[place, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-5)
            assert found[place, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-5)


def test_sinusoids_may_begin_anywhere_and_differ_by_row():
    whole = sinusoidal(places(0, 12), 8)
    torch.testing.assert_close(sinusoidal(places(7, 5), 8), whole[7:])
    rows = torch.stack([places(0, 5), places(3, 5)])
    torch.testing.assert_close(sinusoidal(rows, 8), torch.stack([whole[:5], whole[3:8]]))


def test_the_product_of_two_sinusoids_depends_on_their_distance():
    products = sinusoidal(places(0, 20), 8) @ sinusoidal(places(0, 20), 8).T
    for distance in range(20):
        diagonal = products.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal))


def test_a_rotation_is_the_papers_formula():
    x = torch.randn(2, 5, 3, 6)
    found = rotate(x, rotation(places(4, 5).unsqueeze(0), 6))
    for t in range(5):
        for i in range(3):
            angle = (4 + t) / 10_000 ** (2 * i / 6)
            turn = torch.tensor(
                [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
            )
            pair = slice(2 * i, 2 * i + 2)
            torch.testing.assert_close(found[:, t, :, pair], x[:, t, :, pair] @ turn.T)


def test_rotated_scores_are_invariant_under_a_common_shift():
    query, key = torch.randn(2, 4, 3, 8), torch.randn(2, 6, 3, 8)

    def scores(shift: int) -> torch.Tensor:
        turned = [
            rotate(x, rotation(places(start + shift, x.size(1)).unsqueeze(0), 8))
            for x, start in ((query, 5), (key, 0))
        ]
        return torch.einsum("bqhw,bkhw->bhqk", *turned)

    torch.testing.assert_close(scores(0), scores(31), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(scores(0), torch.einsum("bqhw,bkhw->bhqk", query, key), atol=1e-3)


def test_rows_may_have_places_of_their_own():
    x, rows = torch.randn(2, 5, 3, 8), torch.stack([places(0, 5), places(3, 5)])
    found = rotate(x, rotation(rows, 8))
    for row in range(2):
        one = slice(row, row + 1)
        torch.testing.assert_close(found[one], rotate(x[one], rotation(rows[one], 8)))
    bias = alibi(rows, rows, 4)
    torch.testing.assert_close(bias[0], bias[1])  # distances alone count


@pytest.mark.parametrize("heads", [1, 2, 4, 8])
def test_alibi_is_a_double_loop(heads):
    found = alibi(places(3, 2).unsqueeze(0), places(0, 5).unsqueeze(0), heads)
    assert found.shape == (1, heads, 2, 5)
    for head in range(heads):
        for i, query in enumerate((3, 4)):
            for key in range(5):
                expected = -(2 ** (-8 * (head + 1) / heads)) * abs(query - key)
                assert found[0, head, i, key].item() == pytest.approx(expected)


def test_the_slopes_of_other_numbers_of_heads_are_those_of_the_published_code():
    def slopes(heads):
        return alibi_slopes(heads, torch.device("cpu")).tolist()

    assert slopes(8) == [2**-i for i in range(1, 9)]
    halves = [2**-0.5, 2**-1.5, 2**-2.5, 2**-3.5]
    assert slopes(12) == pytest.approx([2**-i for i in range(1, 9)] + halves)
    assert slopes(3) == [2**-4, 2**-8, 2**-2]


def test_learned_positions_end_where_learning_ended():
    learned = LearnedPositions(6, 4)
    torch.testing.assert_close(learned(2, 4), learned.table.weight[2:6])
    with pytest.raises(UserError, match=r"7 tokens is longer than model\.max_positions=6"):
        learned(2, 5)
