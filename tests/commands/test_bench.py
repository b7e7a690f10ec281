"""The benchmark measures what a training would do; how fast that is, is nobody's test."""

import io
import json
import os
import runpy
from pathlib import Path

import pytest
from rich.console import Console

from seq2seq.commands import bench
from seq2seq.errors import UserError
from seq2seq.settings import config_files, train_arguments
from seq2seq.settings.plugins import build, fits
from seq2seq.training import learner
from seq2seq.training.flops import multiply_adds

SPEEDS = ("target_tokens_per_second", "share_of_products", "epoch_minutes", "training_minutes")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {
        "WINDOWS": 2,
        "SECONDS": 0.01,
        "SENTENCES": 3,
        "MEASURED_TOGETHER": 2,
        "FORCED": 3,
        "PAIRS": 30,
    }
    for name, size in sizes.items():
        monkeypatch.setattr(bench, name, size)
    monkeypatch.setitem(bench.SQUARE, "cpu", 64)


@pytest.fixture
def words(tiny) -> list[str]:
    """A corpus and a training of a few pairs."""
    unused = ("model", *bench.NO_EFFECT)
    return [word for word in tiny("rnn") if not word.startswith(unused)]


@pytest.mark.parametrize(
    "word",
    [
        *("train.learning_rate=9", "train.schedule=constant", "train.patience=1"),
        *("train.keep_every=5", "search=sample", "search.max_length=3"),
    ],
)
def test_what_no_measurement_depends_on_is_refused(command, word):
    command("bench", "rnn", word).must_refuse(word)


def test_every_variant_that_learns_by_gradients_is_measured(words):
    found = bench.bench([], ["model.dim=16", *words])
    names = [n for n in config_files.model_names() if not fits(config_files.model_settings(n))]
    assert list(found["models"]) == names
    for entry in found["models"].values():
        low, high = entry["spread"]
        assert 0 < low <= entry["target_tokens_per_second"] <= high
        assert all(entry[speed] > 0 for speed in SPEEDS)
        assert entry["peak_memory"] is None or entry["peak_memory"] > 2**20
        assert list(entry["decoding"]) == ["1", "5"]
    for name, entry in found["models"].items():
        for speed in entry["decoding"].values():
            length = speed["tokens_per_second"] / speed["sentences_per_second"]
            if name in ("rnn", "bahdanau", "transformer"):  # they do not predict an end here
                assert length == pytest.approx(3)
            else:
                assert 0 < length <= 3 * (1 + 1e-6)
    assert found["preparation"]["pairs"] == 30
    assert min(found["gflops"].values()) > 0
    console = Console(width=150)
    with console.capture() as printed:
        console.print(bench.bench_table(found))
    assert all(name in printed.get() for name in names)


def test_the_share_is_of_the_products_of_the_same_window(words, monkeypatch):
    monkeypatch.setattr(bench, "matrix_products", lambda fabric: 2.0)
    monkeypatch.setattr(learner, "multiply_adds", lambda model, source, target: 1e6)
    (entry,) = bench.bench(["rnn"], ["model.dim=16", *words])["models"].values()
    share = entry["target_tokens_per_second"] * 6e6 / 2e9
    assert entry["share_of_products"] == pytest.approx(share)


def test_the_time_of_a_training_is_that_of_its_updates(words):
    epoch = {"minutes": 2.0, "batches": 10}
    limits = {
        "train.max_steps=40": 8.0,
        "train.max_steps=40 train.accumulate=2": 16.0,
        "train.max_steps=40 train.max_epochs=3": 6.0,
        "train.max_steps=40 train.max_minutes=5": 5.0,
    }
    for limit, minutes in limits.items():
        config = train_arguments.config(["name=x", "model=rnn", *words, *limit.split()])
        assert bench.whole(config, epoch["minutes"], epoch["batches"]) == minutes


def test_the_reference_sizes_are_those_of_the_published_comparison():
    """14.2 and 52 million operations a target token trained, the output layer the largest part."""
    found = {}
    for name in ("transformer", "bahdanau", "rnn"):
        config = train_arguments.config(["name=x", *bench.sizes(name, own=False)])
        sizes = {"source_vocab": 8000, "target_vocab": 8000, "shared_vocab": True}
        model = build("model", config.model, **sizes)
        found[name] = bench.TRAINED * multiply_adds(model, 15, 16) / 1e6
        assert (config.tokenizer.vocab_size, config.train.batch_tokens) == (8000, 4096)
        assert config.train.label_smoothing == pytest.approx(0.1)
    assert found["transformer"] == pytest.approx(14.2, rel=0.05)
    assert found["bahdanau"] == pytest.approx(52, rel=0.1)
    assert found["rnn"] < found["bahdanau"]


def test_own_sizes_are_those_of_the_yaml():
    assert bench.sizes("bahdanau", own=True) == ["model=bahdanau"]


def test_the_command_writes_its_numbers_and_leaves_the_cache_alone(command, words, tmp_path):
    out, cache = tmp_path / "speed.json", os.environ["SEQ2SEQ_CACHE"]
    told = command("bench", "rnn", "model.dim=16", *words, "--json", out)
    assert told.status == 0, told
    assert "rnn" in told.out
    assert f"wrote {out}" in told.err
    assert json.loads(out.read_text("utf-8"))["models"]["rnn"]["parameters"] > 0
    assert os.environ["SEQ2SEQ_CACHE"] == cache


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_the_table_is_whole_at_any_width(width):
    entry = {
        "parameters": 12_345_678,
        "threads": 16,
        "target_tokens_per_second": 123_456.0,
        "spread": [120_000.0, 130_000.0],
        "share_of_products": 0.45,
        "peak_memory": 2**31,
        "epoch_minutes": 12.3,
        "training_minutes": 345.0,
        "decoding": {str(beam): {"sentences_per_second": 98.0} for beam in bench.BEAMS},
    }
    found = {"gflops": {1: 50.0}, "preparation": {"lines_per_second": 1e5}}
    found["models"] = {"bahdanau": entry, "transformer": entry}
    file = io.StringIO()
    Console(file=file, width=width).print(bench.bench_table(found))
    text = file.getvalue()
    assert "…" not in text and all(len(line.rstrip()) <= width for line in text.splitlines())
    values = ["12,345,678", "123,456", "120,000-130,000", "45%", "2.00", "12.3", "98"]
    assert [value for value in values if text.count(value) < 2] == []
    assert "bahdanau" in text and "transformer" in text


def test_what_cannot_be_measured_is_refused(command, words):
    command("bench", "bahdanu").must_refuse("no model 'bahdanu'", "did you mean 'bahdanau'")
    command("bench", "train.batch_token=5").must_refuse("did you mean 'train.batch_tokens'")
    with pytest.raises(UserError, match=r"one device, not trainer\.devices=2"):
        bench.bench(["rnn"], [*words, "trainer.devices=2"])


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ("model=rnn", ["model=rnn", "without `model=`"]),
        ("name=mine", ["name=mine", "no run folder"]),
        ("resume=force", ["resume=force", "no run folder"]),
        ("++fresh=true", ["++fresh=true", "no run folder"]),
        ("seed=1,2", ["seed=1,2 has several values: give one"]),
    ],
)
def test_a_key_without_effect_on_the_measurement_is_refused(command, given, parts):
    answer = command("bench", "rnn", given)
    answer.must_refuse(*parts)
    assert "-m" not in answer.err.split()  # bench has no -m


def test_every_trick_is_measured_against_its_plain_form(words, tmp_path, monkeypatch):
    place = Path(__file__).parents[2] / "experiments" / "speed" / "tricks.py"
    tricks = runpy.run_path(str(place))
    monkeypatch.setitem(tricks["main"].__globals__, "ROUNDS", 1)
    tricks["main"](tmp_path, words)
    table = (tmp_path / "tricks.md").read_text("utf-8").splitlines()[2:]
    wanted = [
        f"| {trick.name} | {name} | {trick.work} | "
        for trick in tricks["TRICKS"]
        for name in trick.models
    ]
    assert all(line.startswith(begin) for line, begin in zip(table, wanted, strict=True))
