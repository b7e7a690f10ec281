"""Datasets of the hub, tried on local folders, which go through the same code."""

import contextlib
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
import yaml

from seq2seq.corpora import Pair
from seq2seq.corpora.hub import Hub
from seq2seq.errors import UserError

CONFIG = Path(__file__).parents[2] / "configs/data/hub.yaml"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQ2SEQ_CACHE", str(tmp_path / "cache"))


def made(path, **changes):
    values = yaml.safe_load(CONFIG.read_text()) | {"source": "en", "target": "de"}
    assert values.pop("name") == "hub"
    return Hub(**(values | {"path": str(path)} | changes))


RECORDS = [
    {"id": 1, "en": "a\nb", "de": "b"},
    {"id": 2, "en": None, "de": "c\u2028"},
    {"id": 3, "en": "d", "de": ""},
]
PAIRS = [Pair("a b", "b"), Pair("", "c\u2028"), Pair("d", "")]


def as_json(records, path):
    path.with_suffix(".jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))


def as_parquet(records, path):
    pa.parquet.write_table(pa.Table.from_pylist(records), path.with_suffix(".parquet"))


def nested(records):
    return [{"id": r["id"], "translation": {"en": r["en"], "de": r["de"]}} for r in records]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "hub").mkdir()
    return tmp_path / "hub"


@pytest.mark.parametrize("save", [as_json, as_parquet])
@pytest.mark.parametrize("shape", [list, nested])
def test_hub_reads_a_folder_of_any_layout(folder, save, shape):
    for split in ("train", "validation", "test"):
        save(shape(RECORDS), folder / split)
    corpus = made(folder)
    for split in corpus.splits:
        assert list(corpus.text(split)) == PAIRS
    swapped = made(folder, source="de", target="en")
    assert list(swapped.read("train")) == [(target, source) for source, target in PAIRS]


def test_hub_reads_the_translation_type_of_datasets(folder):
    from datasets import Dataset, Features, Translation

    records = [{"translation": {"en": "a", "de": "b"}}]
    features = Features({"translation": Translation(languages=["en", "de"])})
    Dataset.from_list(records, features=features).to_parquet(folder / "train.parquet")
    assert list(made(folder).text("train")) == [("a", "b")]


def test_hub_takes_slices_and_named_columns(folder):
    as_parquet(RECORDS, folder / "train")
    corpus = made(
        folder,
        source="x",
        target="y",
        source_column="de",
        target_column="en",
        train="train[1:]",
        validation="train[:1]",
        tests=["train[:2]"],
    )
    assert list(corpus.text("train")) == [("c\u2028", ""), ("", "d")]
    assert list(corpus.text("validation")) == [("b", "a b")]
    assert len(corpus.text("train[:2]")) == 2


def test_hub_sees_new_content_behind_the_same_name_size_and_time(folder):
    as_json([{"en": "old", "de": "alt"}], folder / "train")
    file = folder / "train.jsonl"
    old, stamp = made(folder).text("train"), file.stat()
    as_json([{"en": "new", "de": "neu"}], folder / "train")
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert (old[0], made(folder).text("train")[0]) == (
        ("old", "alt"),
        ("new", "neu"),
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": "trian"}, r"has no split 'trian'; did you mean 'train'\?"),
        ({"train": "train[:x]"}, r"has no split 'train\[:x\]'"),
        ({"source": "enn"}, r"has no column for 'enn'; did you mean 'en'\?"),
        ({"target_column": "dee"}, r"has no column 'dee'; did you mean 'de'\?"),
        ({"target_column": "id"}, "column 'id' .*holds int64, not text"),
        ({"subset": "defalt"}, r"has no subset 'defalt'; did you mean 'default'\?"),
        ({"train": "train[:0]"}, r"has no split 'train\[:0\]'"),
    ],
)
def test_hub_errors_name_the_nearest(folder, changes, message):
    as_parquet(RECORDS, folder / "train")
    with pytest.raises(UserError, match=message):
        made(folder, **changes).text("train")


def test_hub_refuses_what_it_cannot_read(folder):
    with pytest.raises(UserError, match="cannot be loaded"):
        made(folder).text("train")
    (folder / "train.jsonl").write_text("{")
    with pytest.raises(UserError, match=r"line 1 of .*train\.jsonl is not JSON"):
        made(folder).text("train")
    (folder / "train.jsonl").rename(folder / "train.xml")
    with pytest.raises(
        UserError, match="is stored as xml; only arrow, csv, json, parquet are supported"
    ):
        made(folder).text("train")
    with pytest.raises(UserError, match=r"the dataset '\./nowhere' cannot be loaded"):
        made("./nowhere").text("train")


def test_hub_unreachable_is_one_sentence(monkeypatch):
    import datasets

    def unplugged(*args, **kwargs):
        raise ConnectionError("Couldn't reach 'owner/name' on the Hub")

    monkeypatch.setattr(datasets, "load_dataset_builder", unplugged)
    with pytest.raises(UserError, match=r"hub cannot be reached for 'owner/name': .*data\.path"):
        made("owner/name").text("train")


def test_datasets_is_not_imported_before_it_is_needed():
    code = "import sys, seq2seq.corpora.hub; sys.exit('datasets' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("file", ["train.jsonl", "train.xml"])
def test_the_bars_and_logs_of_datasets_are_as_they_were(folder, file):
    import datasets
    import huggingface_hub.utils as hub

    def settings():
        log = logging.getLogger("huggingface_hub")
        bars = datasets.is_progress_bar_enabled(), hub.are_progress_bars_disabled()
        return *bars, datasets.logging.get_verbosity(), log.level

    before = settings()
    as_json(RECORDS, folder / file)
    with contextlib.suppress(UserError):
        list(made(folder).text("train"))
    assert settings() == before
