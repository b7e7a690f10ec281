"""The best continuations of a beam against a sort of all of them."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2seq.search.best_paths import best_paths, group_count


@settings(max_examples=200, deadline=None)
@given(
    batch=st.integers(1, 4),
    width=st.integers(1, 6),
    vocab=st.integers(1, 70) | st.sampled_from([127, 128, 129, 1000, 8000]),
    count=st.integers(1, 14),
    impossible=st.sampled_from([0.0, 0.4, 1.0]),
    ties=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_they_are_the_best_of_all(batch, width, vocab, count, impossible, ties, seed):
    draw = torch.Generator().manual_seed(seed)
    total = torch.randn(batch, width, generator=draw)
    log_p = torch.randn(batch * width, vocab, generator=draw).log_softmax(-1)
    if ties:
        total, log_p = total.round(), log_p.round()
    log_p[torch.rand(log_p.shape, generator=draw) < impossible] = float("-inf")
    paths = (total.unsqueeze(-1) + log_p.unflatten(0, (batch, width))).flatten(1)
    found = best_paths(total, log_p, count)
    best = paths.sort(descending=True, stable=True).values[:, : min(count, width * vocab)]
    torch.testing.assert_close(found.score, best, rtol=0, atol=0)
    assert (found.parent >= 0).all() and (found.parent < width).all()
    assert (found.word >= 0).all() and (found.word < vocab).all()
    places = found.parent * vocab + found.word
    for row in range(batch):
        real = found.score[row].isfinite()
        assert torch.equal(paths[row, places[row, real]], found.score[row, real])
        assert len(set(places[row, real].tolist())) == int(real.sum())


def test_scores_that_are_nan_are_not_lost():
    log_p = torch.zeros(2, 300)
    log_p[1, 250] = math.nan
    assert best_paths(torch.zeros(1, 2), log_p, 4).score[0].isnan().any()


@pytest.mark.parametrize("vocab", [1, 2, 3, 100, 8000, 250_000])
def test_a_group_has_about_half_as_many_words_as_there_are_groups(vocab):
    groups = group_count(vocab)
    assert groups & (groups - 1) == 0
    assert 1 / math.sqrt(2) <= groups / math.sqrt(2 * vocab) <= math.sqrt(2)
