"""Token ids: what the tokenizer says, once, and which pairs are fit for training."""

import numpy as np
import pytest

from seq2seq.corpora import Encoded, Pair, Text, encode, usable
from seq2seq.corpora import cache as cache_module
from seq2seq.corpora.text import content


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQ2SEQ_CACHE", str(tmp_path / "cache"))


def text_of(*pairs):
    pairs = [Pair(*pair) for pair in pairs]
    return Text.store(content(pairs, what=""), pairs, what="")


class Tokenizer:
    """One id a word; counts how often it is asked."""

    def __init__(self, fingerprint="words"):
        self.fingerprint = fingerprint
        self.calls = 0

    def encode(self, texts):
        self.calls += 1
        return [[len(word) for word in text.split()] for text in texts]


def ids(encoded: Encoded) -> list[tuple[list[int], ...]]:
    return [tuple(side.tolist() for side in encoded[n]) for n in range(len(encoded))]


def test_encoded_is_what_the_tokenizer_says(monkeypatch):
    monkeypatch.setattr(cache_module, "BATCH", 2)
    text = text_of(("a bb", "ccc"), ("", "d"), ("e", ""), ("f", "g h"), ("ii jj k", "l"))
    encoded = encode(text, Tokenizer(), Tokenizer())
    assert ids(encoded) == [([1, 2], [3]), ([], [1]), ([1], []), ([1], [1, 1]), ([2, 2, 1], [1])]
    assert encoded.source_lengths.tolist() == [2, 0, 1, 1, 3]
    assert encoded.target_lengths.tolist() == [1, 1, 0, 2, 1]
    assert encoded.source_lengths.dtype == encoded[0][0].dtype == np.int32
    with pytest.raises(IndexError):
        encoded[5]


def test_tokenizing_is_done_once_for_text_and_tokenizers():
    text, changed = text_of(("a", "b")), text_of(("a", "b b"))
    source, target, other = Tokenizer("s"), Tokenizer("t"), Tokenizer("other")
    first = encode(text, source, target)
    again = encode(text_of(("a", "b")), source, target)
    assert (source.calls, target.calls) == (1, 1)
    assert ids(first) == ids(again) == [([1], [1])]
    assert ids(encode(changed, source, target)) == [([1], [1, 1])]
    assert (source.calls, target.calls) == (2, 2)
    encode(text, source, other)
    encode(text, target, source)
    assert (source.calls, target.calls, other.calls) == (4, 3, 1)


def test_usable_leaves_out_pairs_and_counts_them():
    bad = [("", "b"), ("a", " "), ("", ""), ("a a a", "b"), ("a", "b b b"), ("", "b b b")]
    text = text_of(("a", "b"), *bad, ("a a", "b b"))
    kept = usable(encode(text, Tokenizer(), Tokenizer()), max_length=2)
    assert kept.rows.tolist() == [0, 7]
    assert kept.rows.dtype == np.int64
    assert (kept.empty, kept.too_long) == (4, 2)
    assert len(text) == 8


def test_no_pairs_at_all_can_be_encoded():
    text = text_of()
    encoded = encode(text, Tokenizer(), Tokenizer())
    assert len(encoded) == len(text) == 0
    kept = usable(encoded, 5)
    assert (kept.rows.tolist(), kept.empty, kept.too_long) == ([], 0, 0)
