"""Shards on disk: whole or not there, the same whatever interrupts them, and never in memory."""

import os
import signal
import subprocess
import sys
import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from seq2seq.corpora import Pair, Text, cache_folder, encode
from seq2seq.corpora import cache as cache_module
from seq2seq.corpora.shards import BATCHES, Rows, Shards
from seq2seq.corpora.text import content
from seq2seq.errors import UserError

PAIRS = [Pair(f"word {n} " * (n % 4), f"Wort {n} é" * (n % 3)) for n in range(3 * BATCHES * 4 + 7)]


@pytest.fixture
def small(monkeypatch):
    """Shards of a hundred pairs."""
    monkeypatch.setattr(cache_module, "BATCH", 4)


class Words:
    """A tokenizer whose ids are the lengths of words; it ends, as told, at some call."""

    fingerprint = "words"

    def __init__(self, calls=10**9):
        self.left = calls

    def encode(self, texts):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return [[len(word) for word in text.split()] for text in texts]


def store(pairs=PAIRS):
    return Text.store(content(pairs, what=""), pairs, what="reading train")


def files(folder: str) -> dict[Path, bytes]:
    """What lies in a folder of the cache, by its place."""
    found = cache_folder() / folder
    return {path.relative_to(found): path.read_bytes() for path in found.rglob("0*")}


def test_rows_come_back_by_position(tmp_path, small):
    shards = Shards(tmp_path, 230, width=2, kind=np.int32)
    rows = [np.arange(n % 7, dtype=np.int32) for n in range(460)]
    for number in range(len(shards)):
        own = rows[2 * shards.span(number).start : 2 * shards.span(number).stop]
        shards.write(number, [Rows.of(np.concatenate(own), map(len, own), len(own))])
    assert len(shards) == 3
    assert shards.missing() == []
    for pair in (229, 0, 100, 99):
        values, bounds = shards[pair]
        cut = [values[a:b].tolist() for a, b in pairwise(bounds)]
        assert cut == [rows[2 * pair].tolist(), rows[2 * pair + 1].tolist()]
    chunks = [chunk for number in range(3) for chunk in shards.chunks(number)]
    assert (
        np.concatenate([values for values, _ in chunks]).tolist() == np.concatenate(rows).tolist()
    )
    for outside in (-1, 230):
        with pytest.raises(IndexError):
            shards[outside]


def test_a_shard_of_another_length_is_not_whole(tmp_path, small):
    shards = Shards(tmp_path, 3, width=1, kind=np.uint8)
    assert shards.missing() == [0]
    shards.write(0, [Rows.of(np.zeros(5, np.uint8), [2, 0, 3], 3)])
    assert shards.missing() == []
    whole = shards.path(0).read_bytes()
    for damage in (b"", whole[:-1], whole + b"\0", whole[1:]):
        shards.path(0).write_bytes(damage)
        assert Shards(tmp_path, 3, width=1, kind=np.uint8).missing() == [0]


def test_what_was_tokenized_before_an_interruption_stays(small):
    text = store()
    with pytest.raises(KeyboardInterrupt):
        encode(text, Words(calls=2 * BATCHES + 9), Words())
    before = {path: path.stat().st_ino for path in (cache_folder() / "encoded").rglob("0*")}
    assert sorted(path.name for path in before) == ["000000", "000001"]
    words = Words()
    encoded = encode(text, words, Words())
    assert 10**9 - words.left == BATCHES + 2  # batches of the last shards alone
    assert {path: path.stat().st_ino for path in before} == before
    for n in (0, 99, 100, 250, len(PAIRS) - 1):
        assert [side.tolist() for side in encoded[n]] == [
            [len(word) for word in side.split()] for side in PAIRS[n]
        ]


KILLED = """
import os, signal, sys
from seq2seq.corpora import cache
cache.BATCH = 4
from tests.corpora.test_shards import PAIRS, Words, content, encode, Text

class Deadly(Words):
    def encode(self, texts):
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().encode(texts)

def deadly(pairs, last):
    for number, pair in enumerate(pairs):
        if number == last:
            os.kill(os.getpid(), signal.SIGKILL)
        yield pair

lines, calls = map(int, sys.argv[1:])
text = Text.store(content(PAIRS, what=""), deadly(PAIRS, lines), what="")
encode(text, Deadly(calls), Words())
"""


def test_a_killed_preparation_goes_on_to_the_same_bytes(small, tmp_path, monkeypatch):
    encode(store(), Words(), Words())
    undisturbed = files("text"), files("encoded")
    assert all(undisturbed)
    monkeypatch.setenv("SEQ2SEQ_CACHE", str(tmp_path / "killed"))
    kept = -1
    for lines, calls in ((150, 0), (290, 0), (10**9, 30), (10**9, 40), (10**9, 10**9)):
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(lines), str(calls)],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        assert done.returncode == (0 if calls == 10**9 else -signal.SIGKILL)
        now = len(files("text")) + len(files("encoded"))
        assert now > kept
        kept = now
    assert (files("text"), files("encoded")) == undisturbed


def test_a_text_that_changes_while_it_is_read_is_refused_and_not_kept(small):
    known = content(PAIRS, what="")
    for other in (PAIRS[:-1], [*PAIRS, PAIRS[0]], [PAIRS[1], PAIRS[1], *PAIRS[2:]], PAIRS[:50]):
        with pytest.raises(UserError, match=r"^reading train: the text changed while it was read"):
            Text.store(known, other, what="reading train")
        assert files("text") == {}
    assert list(store()) == PAIRS


def test_memory_does_not_grow_with_the_text(monkeypatch):
    """Beyond the index: eight bytes of lengths a pair, and as much again while they are read."""
    monkeypatch.setattr(cache_module, "BATCH", 100)
    words = " ".join(f"word{n}" for n in range(40))

    def peak(count):
        pairs = [Pair(f"{n} {words}", f"{words} {n}") for n in range(count)]
        tracemalloc.start()
        text = store(pairs)
        encoded = encode(text, Words(), Words())
        assert sum(1 for _ in text) == sum(map(len, text.batches())) == count
        assert text[count - 1] == pairs[-1]
        assert all(len(encoded[n][0]) == 41 for n in range(0, count, 7))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(2_500)  # what is imported at first use
    more, share = peak(20_000) - peak(5_000), 2 * len(words) * 15_000
    assert more < 60 * 15_000 < share / 8


def test_nothing_of_the_cache_is_mapped(small):
    text = store()
    encoded = encode(text, Words(), Words())
    assert text[5] == PAIRS[5] and len(encoded[5]) == 2
    maps = Path("/proc/self/maps")
    if not maps.is_file():
        pytest.skip("this system does not tell what is mapped")
    assert str(cache_folder()) not in maps.read_text()
