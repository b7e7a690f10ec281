"""What a training begins with: learned, compared and encoded once, then found in the cache."""

import pytest
import torch

from seq2seq.corpora import Text, overlaps
from seq2seq.corpora.files import Files
from seq2seq.settings.config import TokenizerConfig
from seq2seq.text.sampler import TokenBatches
from seq2seq.text.tokenizer import Tokenizers
from seq2seq.training import examples

SETTINGS = {
    "kind": "bpe",
    "vocab_size": 60,
    "shared": True,
    "character_coverage": 1.0,
    "normalization": "identity",
    "sampling": 0.0,
}


@pytest.fixture
def corpus(phrases):
    return Files(
        source="en",
        target="de",
        root=str(phrases),
        train="train",
        validation="validation",
        tests=["test", "heart"],
        max_length=100,
        tokenized=False,
    )


@pytest.fixture
def learned(monkeypatch):
    """The numbers of source and target lines that vocabularies were learned from."""
    found, train = [], Tokenizers.train

    def noted(sources, targets, **settings):
        sources, targets = list(sources), list(targets)
        found.append((len(sources), len(targets)))
        return train(sources, targets, **settings)

    monkeypatch.setattr(Tokenizers, "train", noted)
    return found


def settings(**changes):
    return TokenizerConfig(**SETTINGS | changes)


def models(tokenizers):
    return tokenizers.source.model, tokenizers.target.model


@pytest.mark.parametrize("shared", [True, False])
def test_a_vocabulary_is_learned_once(corpus, learned, shared):
    first = examples.learn_tokenizers(corpus, settings(shared=shared))
    again = examples.learn_tokenizers(corpus, settings(shared=shared, sampling=0.1))
    assert models(again) == models(first)
    assert again.shared is first.shared is shared
    assert learned == [(176, 176)]


def test_another_text_or_another_setting_learns_another_vocabulary(corpus, learned, phrases):
    examples.learn_tokenizers(corpus, settings())
    for changes in ({"vocab_size": 61}, {"kind": "unigram"}, {"normalization": "nfkc"}):
        examples.learn_tokenizers(corpus, settings(**changes))
    turned = {"source": "de", "target": "en", "tests": ["test"], "tokenized": False}
    other = Files(
        root=str(phrases), train="train", validation="validation", max_length=100, **turned
    )
    examples.learn_tokenizers(other, settings())
    assert learned == [(176, 176)] * 5


def test_of_a_large_text_a_vocabulary_sees_evenly_spaced_lines(corpus, learned, monkeypatch):
    monkeypatch.setitem(examples.SAMPLE, "bpe", corpus.text("train").size // 4 + 1)
    examples.learn_tokenizers(corpus, settings())
    assert learned == [(44, 44)]


def test_texts_are_compared_once(corpus, monkeypatch):
    train = corpus.text("train")
    texts = {name: corpus.text(name) for name in ("heart", "test")}
    first = overlaps(train, texts)
    assert [(found.split, found.pairs) for found in first] == [("heart", 6)]
    with monkeypatch.context() as patch:
        patch.setattr(Text, "batches", None)
        assert overlaps(train, texts) == first
    assert overlaps(texts["test"], {"heart": texts["heart"]}) == []


def test_sampling_keeps_the_budget_of_every_batch(corpus):
    """Sampled pairs are longer than those that batches were cut by; none is lost or too long."""
    tokenizers = examples.learn_tokenizers(corpus, settings(vocab_size=90))
    prepared = examples.Examples.prepare(corpus, tokenizers, sampling=0.5, seed=1)
    budget = 60
    batches = TokenBatches(
        prepared.usable.rows, *prepared.lengths(budget, prepared.growth), budget=budget, seed=1
    )
    divided, seen = 0, []
    for place, rows in zip(range(len(batches)), batches, strict=False):
        parts = prepared.batches(rows, (0, place, 0), budget)
        again = prepared.batches(rows, (0, place, 0), budget)
        for (one, batch), (other, same) in zip(parts, again, strict=True):
            assert max(batch.src.numel(), batch.tgt_out.numel()) <= budget
            assert one.tolist() == other.tolist() and torch.equal(batch.src, same.src)
        divided += len(parts) > 1
        seen += [row for one, _ in parts for row in one.tolist()]
    assert sorted(seen) == prepared.usable.rows.tolist()
    assert divided, "no batch had to be divided"
