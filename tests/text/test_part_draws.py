"""The rows of each epoch of a mixture: proportions, each row once before any is repeated."""

from itertools import pairwise

import numpy as np
import pytest

from seq2seq.text.part_draws import PartDraws, shares_of
from seq2seq.text.sampler import TokenBatches

BOUNDS = [0, 7, 107, 108]


def test_shares_are_the_weights_or_closer_to_equal():
    assert shares_of([1.0, 3.0]) == pytest.approx([0.25, 0.75])
    assert shares_of([1.0, 16.0], temperature=4.0) == pytest.approx([1 / 3, 2 / 3])
    assert shares_of([1e-9, 1e9], temperature=1e6) == pytest.approx([0.5, 0.5], abs=1e-4)


@pytest.mark.parametrize(
    "weights", [[7.0, 100.0, 1.0], [1.0, 1.0, 1.0], [50.0, 1.0, 0.01], [1.0, 1e9, 1.0]]
)
def test_parts_are_drawn_in_proportion_after_every_epoch(weights):
    draws, seen = PartDraws(BOUNDS, shares_of(weights), seed=3), np.zeros(3)
    for epoch in range(20):
        seen += draws.counts(draws.rows(epoch))
        wanted = np.array(draws.shares) * 108 * (epoch + 1)
        assert np.abs(seen - wanted).max() <= 0.5


def test_no_row_of_a_part_is_drawn_again_before_all_are():
    draws = PartDraws(BOUNDS, shares_of([1.0, 1.0, 1.0]), seed=3)
    rows = np.concatenate([draws.rows(epoch) for epoch in range(8)])
    for part, (start, end) in enumerate(pairwise(BOUNDS)):
        own = rows[(rows >= start) & (rows < end)]
        counts = np.bincount(own - start, minlength=end - start)
        assert counts.max() - counts.min() <= 1
        whole = own[: len(own) // (end - start) * (end - start)].reshape(-1, end - start)
        assert (np.sort(whole) == np.arange(start, end)).all()
        assert len(own) == round(8 * 108 * draws.shares[part])


def test_without_weights_an_epoch_has_every_row_once():
    sizes = np.diff(BOUNDS).astype(float).tolist()
    for epoch in range(30):
        rows = PartDraws(BOUNDS, shares_of(sizes), seed=1).rows(epoch)
        assert sorted(rows.tolist()) == list(range(108))


def test_draws_depend_on_seed_and_epoch_only():
    one, same, other = (PartDraws(BOUNDS, [0.5, 0.25, 0.25], seed=seed) for seed in (1, 1, 2))
    assert (one.rows(5) == same.rows(5)).all()
    assert (one.rows(5) != other.rows(5)).any()
    assert (one.rows(5) != one.rows(6)).any()


def sampler(rank=0, ranks=1):
    lengths = np.arange(108) % 9 + 1
    draws = PartDraws(BOUNDS, shares_of([1.0, 2.0, 1.0]), seed=1)
    rows = np.arange(108)
    return TokenBatches(
        rows, lengths, lengths, budget=40, seed=1, rank=rank, ranks=ranks, draws=draws
    )


def test_batches_of_a_mixture_resume_at_any_position_with_the_same_counts():
    whole = sampler()
    stream = iter(whole)
    batches = [next(stream).tolist() for _ in range(60)]
    for stop in (0, 1, 25, 26, 27, 59):
        begun = sampler()
        first = [next(batch).tolist() for batch in [iter(begun)] for _ in range(stop)]
        resumed = sampler()
        resumed.load_state_dict(begun.state_dict())
        stream = iter(resumed)
        assert first + [next(stream).tolist() for _ in range(60 - stop)] == batches
        assert resumed.state_dict() == whole.state_dict()


def test_every_process_counts_the_pairs_of_all():
    both = [sampler(rank, 2) for rank in (0, 1)]
    drawn = [next(stream) for one in both for stream in [iter(one)] for _ in range(30)]
    counts = both[0].draws.counts(np.concatenate(drawn)).tolist()
    assert [one.seen.tolist() for one in both] == [counts, counts]


@pytest.mark.parametrize("weights", [[0.1, 0.9], [0.9, 0.1]])
def test_the_padding_of_a_mixture_is_that_of_the_rows_drawn(weights):
    lengths = np.concatenate([np.full(100, 3), np.full(8, 19)])
    draws = PartDraws([0, 100, 108], shares_of(weights), seed=1)
    batches = TokenBatches(np.arange(108), lengths, lengths, budget=40, seed=1, draws=draws)
    stream = iter(batches)
    sides = [lengths[next(stream)] + 1 for _ in range(len(batches))]
    padded = sum(int(side.max()) * len(side) for side in sides)
    assert batches.padding == pytest.approx(1 - sum(int(side.sum()) for side in sides) / padded)
