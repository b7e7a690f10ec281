"""Batches: by law over random corpora, then against counting."""

import json
import tracemalloc
from itertools import chain, islice

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from seq2seq.errors import UserError
from seq2seq.text.batching import collate, halve_on_out_of_memory, pack, pad
from seq2seq.text.sampler import TokenBatches
from seq2seq.text.special_ids import SpecialIds

SPECIAL = SpecialIds()
BOS, EOS, PAD = SPECIAL.bos, SPECIAL.eos, SPECIAL.pad

LENGTHS = st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=1, max_size=60)
SEEDS = st.integers(0, 1000)
BUDGETS = st.integers(13, 60)


def sampler(lengths: list[tuple[int, int]], rows: list[int] | None = None, **settings: int):
    source, target = np.array(lengths).T
    chosen = np.arange(len(lengths)) if rows is None else np.array(rows)
    return TokenBatches(chosen, source, target, **{"budget": 13, "seed": 1, **settings})


def some(batches: TokenBatches, count: int) -> list[list[int]]:
    return [batch.tolist() for batch in islice(batches, count)]


def epoch(batches: TokenBatches) -> list[list[int]]:
    return some(batches, len(batches))


def padded(lengths: list[tuple[int, int]], batch: list[int]) -> tuple[int, int]:
    """Tokens of each side of a batch, padding included."""
    sides = zip(*(lengths[i] for i in batch), strict=True)
    return tuple(len(batch) * (max(side) + 1) for side in sides)


MIXED = [(n % 11 + 1, n * 7 % 12 + 1) for n in range(80)]


@given(LENGTHS, BUDGETS, SEEDS)
def test_an_epoch_has_every_row_exactly_once(lengths, budget, seed):
    batches = sampler(lengths, budget=budget, seed=seed)
    for _ in range(3):
        assert sorted(chain(*epoch(batches))) == list(range(len(lengths)))


def test_rows_that_are_not_usable_never_come():
    usable = list(range(0, 80, 3))
    assert sorted(chain(*epoch(sampler(MIXED, usable)))) == usable


@given(LENGTHS, BUDGETS, SEEDS)
def test_no_batch_exceeds_the_budget_on_either_side(lengths, budget, seed):
    batches = sampler(lengths, budget=budget, seed=seed)
    for batch in some(batches, 2 * len(batches)):
        assert max(padded(lengths, batch)) <= budget


@given(LENGTHS, BUDGETS, SEEDS)
def test_padding_is_the_share_of_tokens_that_are_not_real(lengths, budget, seed):
    batches = sampler(lengths, budget=budget, seed=seed)
    total = sum(sum(padded(lengths, batch)) for batch in epoch(batches))
    real = sum(source + target + 2 for source, target in lengths)
    assert batches.padding == pytest.approx(1 - real / total)


@given(LENGTHS, SEEDS, st.integers(0, 100), st.integers(0, 1000))
def test_a_saved_position_continues_with_the_very_next_batch(lengths, seed, gone, other_seed):
    first, second = sampler(lengths, seed=seed), sampler(lengths, seed=other_seed)
    some(first, gone)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert second.epochs == first.epochs
    assert some(second, 40) == some(first, 40)


def rounds(batches: TokenBatches, count: int) -> list[tuple[list[int], tuple[int, int]]]:
    """The next batches of a process, each with its place."""
    return [(next_one.tolist(), batches.place) for next_one in islice(batches, count)]


@given(LENGTHS, SEEDS, st.integers(1, 4), st.integers(0, 30), st.integers(1, 4))
def test_processes_take_turns_in_the_stream_of_one_process(lengths, seed, ranks, gone, later):
    """No batch is left out or comes twice, also if training continues with another number."""
    alone = sampler(lengths, seed=seed)
    assume(len(alone) >= max(ranks, later))
    first = [sampler(lengths, seed=seed, rank=rank, ranks=ranks) for rank in range(ranks)]
    shares = [rounds(one, gone) for one in first]
    state = json.loads(json.dumps(first[0].state_dict()))
    assert all(one.state_dict() == state for one in first)
    assert first[0].epochs == pytest.approx(gone * ranks / len(alone))
    again = [sampler(lengths, seed=0, rank=rank, ranks=later) for rank in range(later)]
    for one in again:
        one.load_state_dict(state)
    more = [rounds(one, gone) for one in again]
    together = [*chain(*zip(*shares, strict=True)), *chain(*zip(*more, strict=True))]
    assert together == rounds(alone, (ranks + later) * gone)


def test_the_same_seed_gives_the_same_order():
    assert some(sampler(MIXED), 100) == some(sampler(MIXED), 100)


def test_another_seed_or_epoch_gives_another_order():
    batches = sampler(MIXED)
    first, second, other = epoch(batches), epoch(batches), epoch(sampler(MIXED, seed=2))
    assert first != second
    assert first != other


@given(LENGTHS, BUDGETS, SEEDS)
def test_rows_are_ordered_by_target_then_source_then_chance(lengths, budget, seed):
    source, target = np.array(lengths).T
    chance = np.random.default_rng([seed, 0])
    shuffled = chance.permutation(len(lengths))
    order = np.lexsort((np.argsort(shuffled), source, target))
    cut = pack(order, np.maximum(source, target) + 1, budget)
    expected = [cut[i].tolist() for i in chance.permutation(len(cut))]
    assert epoch(sampler(lengths, budget=budget, seed=seed)) == expected


def test_batches_take_few_bytes_a_pair():
    """At most 48 at any time, so that ten million pairs stay under half a GiB."""
    count = 200_000
    source, target = np.random.default_rng(1).integers(1, 60, (2, count), np.int32)
    tracemalloc.start()
    batches = TokenBatches(np.arange(count), source, target, budget=4096, seed=1)
    assert 0 <= batches.padding < 0.1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 48 * count


def test_chance_decides_who_shares_a_batch():
    batches = sampler([(5, 5)] * 40, budget=24)
    first, second = ({frozenset(batch) for batch in epoch(batches)} for _ in range(2))
    assert first != second


def test_epochs_are_counted_with_the_fraction():
    batches = sampler([(5, 5)] * 8, budget=12)
    assert (len(batches), batches.epochs) == (4, 0)
    some(batches, 6)
    assert batches.epochs == 1.5


def test_a_corpus_smaller_than_a_batch_is_one_batch():
    batches = sampler(MIXED[:3], budget=10_000)
    assert len(batches) == 1
    assert [sorted(batch) for batch in some(batches, 2)] == [[0, 1, 2]] * 2


def test_a_pair_beyond_the_budget_is_refused():
    message = r"batch_tokens=12 cannot hold the longest training pair \(13 tokens\)"
    with pytest.raises(UserError, match=message):
        sampler([(3, 3), (2, 12)], budget=12)


def test_a_pair_of_exactly_the_budget_is_used():
    assert epoch(sampler([(2, 12)], budget=13)) == [[0]]


def test_a_long_pair_that_is_not_usable_is_no_hindrance():
    assert epoch(sampler([(3, 3), (2, 12)], [0], budget=12)) == [[0]]


def test_more_processes_than_batches_are_refused():
    with pytest.raises(UserError, match=r"has 1 batches of 13 tokens.*trainer\.devices=2"):
        sampler([(3, 3)], ranks=2)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=50), st.integers(1, 60))
def test_pack_cuts_an_order_as_late_as_the_budget_allows(lengths, budget):
    table, order = np.array(lengths), np.arange(len(lengths))[::-1]
    batches = pack(order, table, budget)
    assert np.concatenate(batches).tolist() == order.tolist()
    for batch, following in zip(batches, [*batches[1:], None], strict=True):
        assert len(batch) == 1 or len(batch) * table[batch].max() <= budget
        if following is not None:
            longer = [*batch, following[0]]
            assert len(longer) * table[longer].max() > budget


def test_collate_puts_the_marks_and_the_padding_in_place():
    batch = collate([([5, 6], [7]), ([8], [9, 10, 11]), ([], [])], SPECIAL)
    assert batch.src.tolist() == [[5, 6, EOS], [8, EOS, PAD], [EOS, PAD, PAD]]
    assert batch.tgt_in.tolist() == [
        [BOS, 7, PAD, PAD],
        [BOS, 9, 10, 11],
        [BOS, PAD, PAD, PAD],
    ]
    assert batch.tgt_out.tolist() == [
        [7, EOS, PAD, PAD],
        [9, 10, 11, EOS],
        [EOS, PAD, PAD, PAD],
    ]
    assert batch.num_tokens == 7 == int((batch.tgt_out != PAD).sum())
    assert batch.src_mask.sum(1).tolist() == [3, 2, 1]


def test_ids_may_come_as_arrays():
    pairs = [([5, 6], [7]), ([8], [9, 10])]
    arrays = [tuple(np.array(ids, dtype=np.int32) for ids in pair) for pair in pairs]
    found, expected = collate(arrays, SPECIAL), collate(pairs, SPECIAL)
    assert torch.equal(found.src, expected.src)
    assert torch.equal(found.tgt_out, expected.tgt_out)


def test_pad_makes_a_rectangle_of_ids():
    table = pad([[4], [5, 6, 7]], SPECIAL)
    assert table.dtype == torch.int64
    assert table.tolist() == [[4, PAD, PAD], [5, 6, 7]]


def test_a_batch_is_already_on_its_own_device():
    batch = collate([([5], [6])], SPECIAL)
    assert batch.to(torch.device("cpu")) is batch


@pytest.mark.parametrize("room", [1, 2, 3, 8])
def test_a_batch_too_large_for_the_memory_is_worked_on_in_halves(room):
    tried = []

    def work(rows):
        tried.append(len(rows))
        if len(rows) > room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return rows.sum()

    done = list(halve_on_out_of_memory(np.arange(8), work))
    assert np.concatenate([rows for rows, _ in done]).tolist() == list(range(8))
    assert all(found == rows.sum() for rows, found in done)
    assert max(len(rows) for rows, _ in done) <= room
    assert tried[0] == 8, "the whole is tried first"


def test_a_single_sentence_too_large_for_the_memory_is_said_to_be():
    def work(rows):
        raise MemoryError

    with pytest.raises(UserError, match="a single sentence: allow a shorter translation"):
        list(halve_on_out_of_memory(np.arange(8), work))


def test_another_mistake_is_not_taken_for_a_lack_of_memory():
    def work(rows):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        list(halve_on_out_of_memory(np.arange(8), work))
