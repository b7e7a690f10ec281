"""Files and the memory-mapped text: what is read is what was written, in order."""

import gzip
import hashlib
import os
import random
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seq2seq.corpora import Pair
from seq2seq.corpora import cache as cache_module
from seq2seq.corpora.cache import cache_folder, replacing
from seq2seq.corpora.files import Files
from seq2seq.corpora.jsonl import Jsonl
from seq2seq.corpora.tsv import Tsv
from seq2seq.errors import UserError
from seq2seq.system import text_lines

REAL = Path(__file__).parents[2] / "../shared/corpora"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQ2SEQ_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def files(root, **changes):
    given = {
        "source": "en",
        "target": "de",
        "root": str(root),
        "train": "train",
        "validation": "validation",
        "tests": ["test"],
        "max_length": 100,
        "tokenized": False,
    }
    return Files(**(given | changes))


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def write_pairs(root: Path, pairs, split="train"):
    write(root / f"{split}.en", "".join(f"{source}\n" for source, _ in pairs))
    write(root / f"{split}.de", "".join(f"{target}\n" for _, target in pairs))


def shards(cache: Path) -> list[Path]:
    return sorted(path for path in (cache / "text").rglob("*") if path.is_file())


# Files


def test_missing_file_suggests_a_near_one(tmp_path):
    write_pairs(tmp_path / "mine", [("a", "b")])
    with pytest.raises(UserError, match=r"no file .*trian\.en; did you mean 'train\.en'\?"):
        files(tmp_path / "mine", train="trian").text("train")
    with pytest.raises(UserError, match=r"nor a folder .*mien; did you mean 'mine'\?"):
        files(tmp_path / "mien").text("train")


def test_a_folder_in_place_of_a_file_is_refused(tmp_path):
    (tmp_path / "train.en").mkdir()
    write(tmp_path / "train.de", "a\n")
    with pytest.raises(UserError, match=r"train\.en cannot be read: Is a directory"):
        files(tmp_path).text("train")


def test_plain_and_packed_both_there_are_refused(tmp_path):
    write_pairs(tmp_path, [("a", "b")])
    write(tmp_path / "train.en.gz", gzip.compress(b"a\n"))
    with pytest.raises(UserError, match=r"both .*train\.en and train\.en\.gz"):
        files(tmp_path).text("train")


def test_splits_tests_and_their_names(tmp_path):
    corpus = files(tmp_path, tests=["news/2014", "news/2015"])
    assert corpus.tests == ("2014", "2015")
    assert corpus.splits == ("train", "validation", "2014", "2015")
    assert corpus.part("2015") == "news/2015"
    with pytest.raises(UserError, match=r"no split 'validaton'; did you mean 'validation'\?"):
        corpus.text("validaton")
    with pytest.raises(UserError, match="'a/test' and 'b/test' would both be 'test'"):
        files(tmp_path, tests=["a/test", "b/test"])
    with pytest.raises(UserError, match="cannot be called 'train'"):
        files(tmp_path, tests=["old/train"])
    assert files(tmp_path, tests=["validation"]).tests == ("validation",)
    with pytest.raises(UserError, match=r"max_length is 0"):
        files(tmp_path, max_length=0)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_an_empty_split_names_its_files(tmp_path, split):
    write_pairs(tmp_path, [], split)
    with pytest.raises(UserError, match=rf"{split} is empty.*{split}\.en and .*{split}\.de"):
        files(tmp_path).text(split)


# Text


def test_text_keeps_pairs_in_order_empties_included(tmp_path, monkeypatch):
    monkeypatch.setattr(cache_module, "BATCH", 3)
    pairs = [
        Pair(f"source {n}" if n % 4 else "", f"target {n}" if n % 5 else "") for n in range(11)
    ]
    write_pairs(tmp_path, pairs)
    text = files(tmp_path).text("train")
    assert len(text) == 11
    assert list(text) == pairs == [text[n] for n in range(11)]
    assert list(text.sources()) == [pair.source for pair in pairs]
    assert list(text.targets()) == [pair.target for pair in pairs]
    assert text[np.int64(10)] == pairs[10]
    for outside in (-1, 11):
        with pytest.raises(IndexError):
            text[outside]


# What cannot be kept is the mark at the beginning of a file and one \r before its end of line.
line = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"])).filter(
    lambda text: not text.endswith("\r") and not text.startswith("\ufeff")
)


@settings(
    deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(pairs=st.lists(st.tuples(line, line), min_size=1, max_size=20))
def test_any_unicode_comes_back_in_order(tmp_path, pairs):
    write_pairs(tmp_path, pairs)
    assert list(files(tmp_path).text("train")) == pairs


def test_fingerprint_is_of_the_pairs_not_of_the_files(tmp_path):
    write_pairs(tmp_path, [("a", "b"), ("c", "d")])
    plain = files(tmp_path).content("train").sha256
    assert plain == hashlib.sha256(b"a\nb\nc\nd\n").hexdigest()
    for side in ("en", "de"):
        content = (tmp_path / f"train.{side}").read_bytes().replace(b"\n", b"\r\n")
        write(tmp_path / "packed" / f"train.{side}.gz", gzip.compress(content))
    assert files(tmp_path / "packed").content("train").sha256 == plain
    assert files(tmp_path, source="de", target="en").content("train").sha256 != plain
    write_pairs(tmp_path, [("a", "d"), ("c", "b")])
    assert files(tmp_path).content("train").sha256 != plain


def test_new_content_is_seen_behind_the_same_name_size_and_time(tmp_path):
    write_pairs(tmp_path, [("old", "alt")])
    old = files(tmp_path).text("train")
    stamp = (tmp_path / "train.en").stat()
    write_pairs(tmp_path, [("new", "neu")])
    os.utime(tmp_path / "train.en", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    new = files(tmp_path).text("train")
    assert (old[0], new[0]) == (("old", "alt"), ("new", "neu"))
    assert old.fingerprint != new.fingerprint


def test_equal_content_is_stored_once(tmp_path, cache):
    write_pairs(tmp_path / "a", [("x", "y")])
    write_pairs(tmp_path / "b", [("x", "y")], "test")
    files(tmp_path / "a").text("train")
    (stored,) = shards(cache)
    before = stored.stat().st_mtime_ns
    files(tmp_path / "b").text("test")
    assert [path.stat().st_mtime_ns for path in shards(cache)] == [before]


def test_a_damaged_cache_is_made_again(tmp_path, cache):
    write_pairs(tmp_path, [("x", "y")] * 50)
    files(tmp_path).text("train")
    (stored,) = shards(cache)
    whole = stored.read_bytes()
    for damage in (b"", b"no pairs", whole[:-100], whole + whole):
        stored.unlink()
        stored.write_bytes(damage)
        assert list(files(tmp_path).text("train")) == [("x", "y")] * 50
        assert stored.read_bytes() == whole


def test_a_killed_writer_leaves_nothing_and_two_do_not_meet(tmp_path):
    path = tmp_path / "new" / "file"
    with pytest.raises(KeyboardInterrupt), replacing(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert not list(path.parent.iterdir())
    with replacing(path) as first, replacing(path) as second:
        first.write(b"one")
        second.write(b"two")
        assert not path.exists()
    assert path.read_bytes() == b"one"
    assert list(path.parent.iterdir()) == [path]


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path, monkeypatch):
    write_pairs(tmp_path, [("x", "y")])
    monkeypatch.setenv("SEQ2SEQ_CACHE", str(write(tmp_path / "taken", "")))
    with pytest.raises(UserError, match=r"taken.* cannot be written: .*SEQ2SEQ_CACHE"):
        files(tmp_path).text("train")


def test_cache_folder_has_a_default(monkeypatch):
    monkeypatch.delenv("SEQ2SEQ_CACHE")
    assert cache_folder() == Path.home() / ".cache/seq2seq"


def test_random_access_does_not_need_the_text_in_memory(tmp_path):
    sentence = "A group of people stand in the snow in front of a house with a red roof"
    write_pairs(tmp_path, [(f"{sentence} {n}", f"{n} {sentence}") for n in range(29_000)])
    tracemalloc.start()
    text = files(tmp_path).text("train")
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 500_000  # of 4.6 million bytes of text
    assert peak < 12_000_000  # one batch of pairs, whatever the corpus
    order = random.Random(1).sample(range(29_000), 29_000)
    pairs = [text[n] for n in order]
    assert pairs[7].source == f"{sentence} {order[7]}"


@pytest.mark.skipif(not (REAL / "news-en-fr").is_dir(), reason="needs the corpus news-en-fr")
def test_news_with_its_traps_has_the_right_count():
    corpus = files(REAL / "news-en-fr", target="fr")
    text = corpus.text("train")
    assert len(text) == 12_065
    assert sum("\u2028" in target for target in text.targets()) == 1
    assert (len(corpus.text("validation")), len(corpus.text("test"))) == (502, 3_003)


@pytest.mark.parametrize("kind", ["files", "tsv", "jsonl"])
def test_a_refused_file_is_closed_though_its_error_is_kept(tmp_path, monkeypatch, kind):
    opened, open_bytes = [], text_lines.open_bytes
    monkeypatch.setattr(
        text_lines, "open_bytes", lambda path: opened.append(open_bytes(path)) or opened[-1]
    )
    for name in ("train", "train.en", "train.de"):
        (tmp_path / name).write_bytes(b"one\n" * (2 if name == "train.de" else 9))
    usual = {"source": "en", "target": "de", "root": str(tmp_path), "max_length": 9, "tests": []}
    names = {"train": "train", "validation": "train", "tokenized": False}
    corpus = {
        "files": lambda: Files(**usual, **names),
        "tsv": lambda: Tsv(**usual, **names, source_column="0", target_column="none", header=True),
        "jsonl": lambda: Jsonl(**usual, **names, source_field="en", target_field="de"),
    }[kind]()
    with pytest.raises(UserError) as kept:
        list(corpus.text("train"))
    assert opened and all(file.closed for file in opened), kept.value
