"""Scores of tokens and words on every model: laws, and values against other computations."""

import numpy as np
import pytest
import torch
from untrained_runs import GERMAN

from seq2seq.interpret import calibration
from seq2seq.interpret.methods import base
from seq2seq.interpret.token_scores import score_translations, token_scores, without_source
from seq2seq.scoring.perplexity import mean_loss
from seq2seq.settings.config_files import model_names
from seq2seq.translation.translator import Translator

PAIRS = [("a man rides", "ein Mann"), ("two dogs", "zwei Hunde laufen"), ("", ""), ("cat", "")]


def ids_of(translator: Translator) -> list[tuple[list[int], list[int]]]:
    sides = zip(*PAIRS, strict=True)
    encoded = [t.encode(side) for t, side in zip(translator.tokenizers, sides, strict=True)]
    return [(list(s), list(t)) for s, t in zip(*encoded, strict=True)]


@pytest.mark.parametrize("name", model_names())
def test_every_model_has_scores_and_is_not_changed(translators, name) -> None:
    translator = translators(name)
    model, ids = translator.model, ids_of(translator)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    random = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    scored = list(score_translations(translator, PAIRS, source_share=True))
    tokens = token_scores(translator, ids)
    for (_, text), (_, target), one, token in zip(PAIRS, ids, scored, tokens, strict=True):
        assert one.words.words == text.split()
        assert len(one.log_p) == len(target) + 1
        np.testing.assert_allclose(one.log_p, token.log_p, rtol=1e-4, atol=1e-4)
        assert one.words.hidden is not None
        for values in (one.words.log_p, one.words.hidden, token.top_log_p):
            assert np.isfinite(values).all() and (values <= 1e-5).all()
        assert all(share is None or 0 <= share <= 1 for share in one.words.shares)
        # The words have all pieces but that of </s>
        np.testing.assert_allclose(
            one.words.log_p.sum(), one.log_p[:-1].sum(), rtol=1e-4, atol=1e-4
        )
        inside = slice(None, -1 if model.pseudo_likelihood else None)
        assert (token.log_p[inside] <= token.top_log_p[inside] + 1e-5).all()
        equal = token.top_right[inside]
        np.testing.assert_allclose(
            token.log_p[inside][equal], token.top_log_p[inside][equal], atol=1e-5
        )
    loss = -sum(one.log_p.sum() for one in tokens) / sum(len(one.log_p) for one in tokens)
    assert loss == pytest.approx(mean_loss(model, ids), rel=1e-5)
    found = calibration.measure(model, scored, tokens, [target for _, target in ids])
    assert found["given"] == (
        "all other tokens" if model.pseudo_likelihood else "the tokens before"
    )
    pieces = sum(len(target) for _, target in ids)
    assert found["output"]["tokens"] == pieces
    assert found["output"]["accuracy"] == 100  # the translations are the references here
    assert found["reference"]["tokens"] == pieces + len(ids) * (not model.pseudo_likelihood)
    assert not model.training
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert torch.equal(torch.random.get_rng_state(), random[0])
    assert (np.random.get_state()[1] == random[1]).all()


@pytest.mark.parametrize("name", ["rnn", "bahdanau", "transformer", "encoder_only"])
def test_a_batch_has_the_scores_of_its_sentences_alone(translators, name, monkeypatch) -> None:
    translator = translators(name)
    together = list(score_translations(translator, PAIRS, source_share=True))
    monkeypatch.setattr(base, "BATCH_TOKENS", 4)
    for pair, one in zip(PAIRS, together, strict=True):
        (alone,) = score_translations(translator, [pair], source_share=True)
        for ours, theirs in zip(one.words[1:], alone.words[1:], strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["rnn", "bahdanau", "transformer", "decoder_only"])
def test_hiding_every_word_is_the_model_given_no_source(translators, name) -> None:
    translator = translators(name)
    (ids, *_) = ids_of(translator)
    (hidden,) = without_source(translator, [ids], "drop")
    (nothing,) = token_scores(translator, [([], ids[1])])
    np.testing.assert_allclose(hidden, nothing.log_p, rtol=1e-4, atol=1e-5)


def test_unknown_words_are_what_the_model_reads(translators) -> None:
    translator = translators("bahdanau")
    (ids, *_) = ids_of(translator)
    unk = translator.model.special.unk
    (hidden,) = without_source(translator, [ids])
    (unknown,) = token_scores(translator, [([unk] * len(ids[0]), ids[1])])
    np.testing.assert_allclose(hidden, unknown.log_p, rtol=1e-4, atol=1e-5)


def test_an_empty_source_explains_nothing(translators) -> None:
    (scored,) = score_translations(translators("rnn"), [("", GERMAN[0])], source_share=True)
    assert {share for share in scored.words.shares if share is not None} == {0.0}


def test_words_are_given_tokens(translators) -> None:
    """A piece in two tokens is divided between them, and `</s>` is a word if asked for."""
    translator = translators("rnn")
    given = [["ein", "Ma", "nn"]]
    (scored,) = score_translations(translator, PAIRS[:1], source_share=True, tokens=given, end=True)
    assert scored.words.words == [*given[0], "</s>"]
    np.testing.assert_allclose(scored.words.log_p.sum(), scored.log_p.sum(), rtol=1e-4)
