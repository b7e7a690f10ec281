"""The benchmark measures every variant; how fast they are is nobody's test."""

import pytest
from rich.console import Console

from seq2seq import bench
from seq2seq.compose import variants
from seq2seq.errors import UserError


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {
        "VOCAB": 50,
        "BATCH_TOKENS": 256,
        "WINDOWS": 1,
        "UPDATES": 1,
        "SENTENCES": 2,
        "FORCED": 3,
    }
    for name, size in sizes.items():
        monkeypatch.setattr(bench, name, size)


def test_every_variant_is_measured():
    found = bench.bench([])
    assert list(found["models"]) == variants()
    for entry in found["models"].values():
        low, high = entry["spread"]
        assert 0 < low <= entry["target_tokens_per_second"] <= high
        assert min(entry["sentences_per_second"].values()) > 0
    assert min(found["gflops"].values()) > 0
    console = Console(width=100)
    with console.capture() as printed:
        console.print(bench.bench_table(found))
    assert all(name in printed.get() for name in variants())


def test_the_same_seed_makes_the_same_work():
    first, again, other = (bench.random_pairs(seed)[1] for seed in (1, 1, 2))
    assert first == again != other


def test_the_lengths_are_those_of_multi30k():
    lengths, pairs = bench.random_pairs(1)
    assert lengths[:, 0].mean() == pytest.approx(14.3, abs=0.2)
    assert (lengths[:, 1] - lengths[:, 0]).mean() == pytest.approx(0.5, abs=0.2)
    assert [len(side) for side in pairs[0]] == lengths[0].tolist()


def test_an_unknown_variant_is_refused():
    with pytest.raises(UserError, match="did you mean 'bahdanau'"):
        bench.bench(["bahdanu"])
