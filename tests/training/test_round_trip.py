"""The loss of the round trip is measured once for each text and vocabulary."""

import pytest

from seq2seq.corpora.cache import cache_folder
from seq2seq.corpora.files import Files
from seq2seq.text.languages import Target
from seq2seq.text.tokenizer import Tokenizers
from seq2seq.training import round_trip

SETTINGS = {"shared": True, "kind": "bpe", "character_coverage": 1.0, "normalization": "identity"}


@pytest.fixture
def texts(phrases):
    files = Files(
        source="en",
        target="de",
        root=str(phrases),
        train="train",
        validation="validation",
        tests=["test"],
        max_length=100,
        tokenized=False,
    )
    return {split: files.text(split) for split in ("train", "validation", "test")}


@pytest.fixture
def measured(monkeypatch):
    """The splits that were measured."""
    splits, measure = [], round_trip.measure

    def noted(split, *rest):
        splits.append(split)
        return measure(split, *rest)

    monkeypatch.setattr(round_trip, "measure", noted)
    return splits


def learned(texts, size):
    train = texts["train"]
    return Tokenizers.train(train.sources(), train.targets(), vocab_size=size, **SETTINGS)


def test_a_cache_that_cannot_be_written_is_no_error(texts, measured, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    tokenizers = learned(texts, 60)
    monkeypatch.setenv("SEQ2SEQ_CACHE", str(tmp_path / "file"))
    found = round_trip.by_vocabulary(texts, tokenizers, Target("de"))
    assert measured == list(found) == list(texts)


def test_it_is_measured_again_for_another_vocabulary_language_or_damaged_file(texts, measured):
    german, tokenizers = Target("de"), learned(texts, 60)
    first = round_trip.by_vocabulary(texts, tokenizers, german)
    assert measured == list(texts)
    assert round_trip.by_vocabulary(texts, tokenizers, german) == first
    assert measured == list(texts)
    round_trip.by_vocabulary(texts, learned(texts, 62), german)
    round_trip.by_vocabulary(texts, tokenizers, Target("zh"))
    assert measured == 3 * list(texts)
    for file in (cache_folder() / "round_trip").iterdir():
        file.write_bytes(file.read_bytes()[:5])
    assert round_trip.by_vocabulary(texts, tokenizers, german) == first
    assert measured == 4 * list(texts)
