"""Streams of training pairs: order, shares of processes, positions, failures."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
import yaml
from dataset_server import Datasets, serving_datasets

from seq2seq.corpora import streams
from seq2seq.corpora.hub import Hub
from seq2seq.corpora.hub_stream import FileStream, Part, Share
from seq2seq.corpora.mixed_stream import MixedStream, StoredStream
from seq2seq.corpora.text import Pair
from seq2seq.errors import UserError
from seq2seq.package_data import data_folder

PAIRS = [Pair(f"source {row}", f"target {row}") for row in range(100)]
SPLITS = {"train": PAIRS, "validation": PAIRS[:5], "test": PAIRS[5:10]}


def write(folder, kind, splits=SPLITS):
    """Write each split in one file, the training split in three."""
    folder.mkdir()
    for split, pairs in splits.items():
        rows = [{"en": pair.source, "de": pair.target} for pair in pairs]
        for number, first in enumerate(range(0, len(rows), 34)):
            part, path = rows[first : first + 34], folder / f"{split}-{number}.{kind}"
            if kind == "parquet":
                nested = [{"translation": row} for row in part]
                pa.parquet.write_table(pa.Table.from_pylist(nested), path, row_group_size=10)
            else:
                path.write_text("".join(json.dumps(row) + "\n" for row in part))
    return folder


def hub(folder, **changes):
    values = yaml.safe_load((data_folder("configs") / "data/hub.yaml").read_text())
    values |= {"source": "en", "target": "de", "path": str(folder), "streaming": True} | changes
    values.pop("name")
    return Hub(**values)


@pytest.fixture(params=["parquet", "jsonl"])
def folder(tmp_path, request):
    return write(tmp_path / "hub", request.param)


def passes(stream, count, size):
    """The pairs of some passes, each read in blocks."""
    found = []
    for _ in range(count):
        before, pairs = stream.passes, []
        while stream.passes == before:
            pairs += stream.take(size)
        found.append(pairs)
    return found


@pytest.mark.parametrize("size", [7, 10, 100, 1000])
def test_every_pass_has_all_pairs_in_order(folder, size):
    corpus = hub(folder)
    assert passes(corpus.training_stream(), 2, size) == [PAIRS, PAIRS]
    assert [*corpus.read("train")] == PAIRS
    assert [*corpus.text("validation")] == PAIRS[:5]


@pytest.mark.parametrize("ranks", [2, 3, 5])
def test_processes_read_disjoint_parts_that_are_complete(folder, ranks):
    parts = [passes(hub(folder).training_stream(rank, ranks), 2, 9) for rank in range(ranks)]
    for number in range(2):
        assert sorted(pair for part in parts for pair in part[number]) == sorted(PAIRS)


@pytest.mark.parametrize(("rank", "ranks"), [(0, 1), (1, 2), (2, 3)])
def test_a_stream_continues_at_any_position(folder, rank, ranks):
    whole, size = hub(folder).training_stream(rank, ranks), 9
    blocks, states = [], []
    for _ in range(20):
        states.append(json.dumps(whole.state_dict()))
        blocks.append(whole.take(size))
    for number in (0, 1, 3, 11, 12, 19):
        resumed = hub(folder).training_stream(rank, ranks)
        resumed.load_state_dict(json.loads(states[number]))
        assert [resumed.take(size) for _ in range(number, 20)] == blocks[number:]


def test_slices_by_number_of_rows(folder):
    corpus = hub(folder, train="train[30:90]", validation="train[:10]", tests=["train[10:30]"])
    assert passes(corpus.training_stream(), 1, 1000) == [PAIRS[30:90]]
    assert [*corpus.text("validation")] == PAIRS[:10]
    assert [*corpus.text("train[10:30]")] == PAIRS[10:30]
    stream = corpus.training_stream(1, 2)
    stream.take(11)
    resumed = corpus.training_stream(1, 2)
    resumed.load_state_dict(stream.state_dict())
    assert stream.take(100) == resumed.take(100)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": "trian"}, r"has no split 'trian'; did you mean 'train'\?"),
        ({"train": "train[:50%]"}, "'train\\[:50%\\]' needs the number of its rows"),
        ({"train": "train+test"}, "needs the number of its rows"),
        ({"train": "train[9:9]"}, "is empty"),
        ({"source_column": "eng"}, "eng"),
    ],
)
def test_a_split_or_column_that_cannot_be_streamed_is_refused(folder, changes, message):
    with pytest.raises(UserError, match=message):
        hub(folder, **changes).training_stream().take(1)


@pytest.mark.parametrize("key", ["buffer", "sample"])
def test_keys_of_streaming_are_refused_without_it(tmp_path, key):
    with pytest.raises(UserError, match=rf"data\.{key}=3 has no effect"):
        hub(tmp_path, streaming=False, **{key: 3})


def test_nothing_is_stored_but_the_sample_and_the_held_out_splits(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("SEQ2SEQ_CACHE", str(tmp_path / "cache"))
    corpus = hub(folder, sample=1)
    monkeypatch.setattr(corpus, "sample", 1 / (1 << 20))  # less than one pair
    monkeypatch.setattr("seq2seq.corpora.hub.Hub._first", lambda self: iter(PAIRS[:3]))
    assert [*corpus.text("train")] == PAIRS[:3]
    corpus.text("validation")
    assert {path.name for path in (tmp_path / "cache").iterdir()} <= {"text", "known"}
    stored = sum(
        path.stat().st_size for path in (tmp_path / "cache/text").rglob("*") if path.is_file()
    )
    assert stored < 1000


def test_the_sample_ends_after_its_size(folder, monkeypatch):
    corpus = hub(folder)
    monkeypatch.setattr(corpus, "sample", 0)
    assert [*corpus._first()] == PAIRS[:1]


def test_the_fingerprint_is_that_of_files_and_text(folder, tmp_path):
    first = hub(folder).fingerprint()
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert hub(copy).fingerprint() == first
    assert hub(copy, train="train[1:]").fingerprint() != first
    last = max(copy.glob("train*"))
    last.rename(copy / f"train-9{last.suffix}")
    assert hub(copy).fingerprint() != first


class Flaky(FileStream):
    """Fails before some pairs, once each."""

    failures = ()

    def open(self, place):
        for pair in super().open(place):
            if pair in self.failures:
                self.failures = [one for one in self.failures if one != pair]
                raise ConnectionError("reset by peer")
            yield pair


def flaky(failures, *, remote):
    stream = Flaky(
        "name", [("a", Path("a"))], Part("train", 0, 100), lambda *_: iter(PAIRS), Share()
    )
    stream.failures, stream.remote = failures, remote
    return stream


def test_a_remote_stream_is_read_again_from_where_it_broke(monkeypatch):
    waited = []
    monkeypatch.setattr(streams.time, "sleep", waited.append)
    assert passes(flaky([PAIRS[0], PAIRS[15], PAIRS[16]], remote=True), 1, 10) == [PAIRS]
    assert waited == [1, 1, 4]


def test_a_stream_that_stays_broken_is_one_sentence(monkeypatch):
    monkeypatch.setattr(streams.time, "sleep", lambda seconds: None)
    stream = flaky([PAIRS[15]] * 9, remote=False)
    stream.take(10)
    with pytest.raises(UserError, match=r"name failed after 15 pairs: reset by peer; .*resumed"):
        stream.take(10)


def mixed(rank=0, ranks=1):
    read = [
        StoredStream(name, PAIRS[first:last], 1, rank, ranks)
        for name, first, last in (("a", 0, 10), ("b", 10, 100))
    ]
    return MixedStream({"a": read[0], "b": read[1]}, [0.25, 0.75])


@pytest.mark.parametrize("size", [1, 7, 40])
def test_a_mixture_of_streams_has_its_shares_and_continues_anywhere(size):
    stream, seen, states = mixed(), [], []
    for _ in range(20):
        states.append(json.dumps(stream.state_dict()))
        seen.append(stream.take(size))
        rows = [pair for block in seen for pair in block]
        own = sum(pair in PAIRS[:10] for pair in rows)
        assert own == stream.drawn()["a"] == round(len(rows) / 4)
    for number in (1, 8, 19):
        resumed = mixed()
        resumed.load_state_dict(json.loads(states[number]))
        assert [resumed.take(size) for _ in range(number, 20)] == seen[number:]


def test_a_stored_part_gives_each_process_its_own_pairs():
    text = PAIRS[:10]
    for number in range(3):
        parts = [StoredStream("a", text, 1, rank, 2) for rank in (0, 1)]
        for part in parts:
            part.load_state_dict({"passes": number, "count": 0, "place": None})
        assert sorted(pair for part in parts for pair in part.take(10)) == text


def test_a_part_without_pairs_is_refused():
    stream = MixedStream({"a": StoredStream("a", [], 1, 0, 1)}, [1.0])
    with pytest.raises(UserError, match=r"data\.parts\.a: there are no pairs"):
        stream.take(1)


@pytest.fixture
def remote(tmp_path, monkeypatch):
    """A dataset on a local server, in place of the hub, for processes that are started."""
    write(tmp_path / "hub", "parquet", {"train": PAIRS, "validation": PAIRS[:5], "test": PAIRS[:9]})
    files = {path.name: path.read_bytes() for path in (tmp_path / "hub").iterdir()}
    lines = {"train.jsonl": b'{"en": "a", "de": "b"}\n'}
    with serving_datasets(Datasets({"me/pairs": files, "me/lines": lines})) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        yield server


CHECK = (
    "import sys, json; from seq2seq.corpora.hub import Hub; from seq2seq.errors import UserError\n"
    "values = json.loads(sys.argv[1])\n"
    "for _ in range(2):\n"
    "    corpus = Hub(**values); stream = corpus.training_stream(); pairs = stream.take(60)\n"
    "    state = json.dumps(stream.state_dict())\n"
    "    stream = corpus.training_stream(); stream.load_state_dict(json.loads(state))\n"
    "    pairs += stream.take(1000)\n"
    "    print(json.dumps([pairs, list(corpus.text('validation'))]))\n"
    "try: Hub(**values | {'path': 'me/lines'}).training_stream()\n"
    "except UserError as error: print(json.dumps(str(error)))\n"
)


def test_a_dataset_on_the_hub_is_read_without_storing_it(remote, tmp_path):
    values = yaml.safe_load((data_folder("configs") / "data/hub.yaml").read_text())
    values |= {"source": "en", "target": "de", "path": "me/pairs", "streaming": True}
    values.pop("name")
    words = [sys.executable, "-c", CHECK, json.dumps(values)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    *found, refusal = map(json.loads, done.stdout.splitlines())
    whole = [[list(pair) for pair in pairs] for pairs in (PAIRS, PAIRS[:5])]
    assert found == [whole, whole]
    assert "data.revision=refs/convert/parquet" in refusal
    assert [*(tmp_path / "hf").rglob("*.parquet"), *(tmp_path / "hf").rglob("*.arrow")] == []
    assert not any(path.startswith("test") for path in remote.sent)
