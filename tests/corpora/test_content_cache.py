"""What is remembered of files: read once while they stay as they are, and never after a change."""

import os
import time

import pytest

from seq2seq.corpora import content_cache
from seq2seq.corpora.files import Files
from seq2seq.corpora.text import Pair
from seq2seq.corpora.tsv import Tsv

COMMON = {"source": "en", "target": "de", "max_length": 100, "tokenized": False}


@pytest.fixture
def settled(monkeypatch):
    """Files are relied on as soon as they are written."""
    monkeypatch.setattr(content_cache, "SETTLED", -1.0)


@pytest.fixture
def reads(monkeypatch):
    """The splits that were read from end to end."""
    found = []
    for kind in (Files, Tsv):

        def read(self, split, real=kind.read):
            found.append(split)
            return real(self, split)

        monkeypatch.setattr(kind, "read", read)
    return found


def files(root, **changes):
    given = {"root": str(root), "train": "train", "validation": "validation", "tests": ["test"]}
    return Files(**COMMON | given | changes)


def tsv(root, **changes):
    given = {"root": str(root), "train": "train.tsv", "validation": "v.tsv", "tests": ["t.tsv"]}
    columns = {"source_column": "0", "target_column": "1", "header": False}
    return Tsv(**COMMON | given | columns | changes)


def write(path, content):
    """Write a file, of which the clock of its system can tell that it is new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.stat().st_ctime_ns if path.exists() else 0
    path.write_text(content)
    while path.stat().st_ctime_ns == before:
        time.sleep(0.001)
        path.write_text(content)


def test_a_corpus_that_stays_as_it_is_is_read_once(tmp_path, settled, reads):
    write(tmp_path / "train.en", "a\nb\n")
    write(tmp_path / "train.de", "A\nB\n")
    first = files(tmp_path).content("train")
    assert files(tmp_path, max_length=7).content("train") == first
    assert first.pairs == 2
    assert reads == ["train"]


@pytest.mark.parametrize("side", ["en", "de"])
def test_a_changed_file_is_read_again_whatever_its_size_and_time(tmp_path, settled, side):
    write(tmp_path / "train.en", "old\n")
    write(tmp_path / "train.de", "alt\n")
    old, path = files(tmp_path).content("train"), tmp_path / f"train.{side}"
    before = path.stat()
    write(path, "new\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert files(tmp_path).content("train") != old


def test_what_is_read_of_a_file_counts(tmp_path, settled):
    write(tmp_path / "train.tsv", "a\tb\tc\nd\te\tf\n")
    plain = tsv(tmp_path).content("train")
    assert tsv(tmp_path, target_column="2").content("train") != plain
    assert tsv(tmp_path, source_column="1", target_column="0").content("train") != plain
    assert tsv(tmp_path, source_column="a", target_column="b", header=True).content("train") == tsv(
        tmp_path, header=True
    ).content("train")
    assert tsv(tmp_path, header=True).content("train").pairs == 1


def test_a_file_that_changed_just_now_is_not_relied_on(tmp_path, reads):
    write(tmp_path / "train.tsv", "a\tb\n")
    for _ in range(2):
        tsv(tmp_path).content("train")
    assert reads == ["train", "train"]


def test_a_file_that_changes_while_it_is_read_is_not_relied_on(tmp_path, settled, monkeypatch):
    write(tmp_path / "train.tsv", "a\tb\n")

    def growing(self, split, real=Tsv.read):
        yield from real(self, split)
        with (tmp_path / "train.tsv").open("a") as file:
            file.write("c\td\n")

    with monkeypatch.context() as patch:
        patch.setattr(Tsv, "read", growing)
        assert tsv(tmp_path).content("train").pairs == 1
    assert tsv(tmp_path).content("train").pairs == 2
    assert list(tsv(tmp_path).text("train")) == [Pair("a", "b"), Pair("c", "d")]


def test_a_damaged_memory_is_no_memory(tmp_path, settled, reads):
    write(tmp_path / "train.tsv", "a\tb\n")
    first = tsv(tmp_path).content("train")
    (memory,) = (content_cache.cache_folder() / "known").iterdir()
    memory.write_bytes(b"{")
    assert tsv(tmp_path).content("train") == first
    assert reads == ["train", "train"]
