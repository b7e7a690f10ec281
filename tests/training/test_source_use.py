"""What training says of a model that does not use its source, and of the time that it takes."""

import json
import re
from pathlib import Path

import pytest
import torch

from seq2seq.models.transformer import Transformer
from seq2seq.settings.config_files import model_settings
from seq2seq.training.estimate import Pace, duration
from seq2seq.training.optimizer import Budget
from seq2seq.training.source_use import SourceUse, distance_from_mean, source_use, variation
from seq2seq.translation.translator import Translator

LEARN = ["tokenizer.vocab_size=200", "train.learning_rate=2e-2", "train.log_every=50"]
LEARN += ["train.max_steps=120", "train.validate_every=40"]
IGNORES = "the model does not use its source yet"
SAME_ROWS = "attends to the same source tokens at every target token"


def validations(run: Path) -> list[dict]:
    entries = map(json.loads, (run / "log.jsonl").read_text("utf-8").splitlines())
    return [entry for entry in entries if "validation_loss" in entry]


def test_a_model_that_translates_uses_its_source(fit, capfd):
    run = fit("transformer", *LEARN)
    entry = validations(run)[-1]
    assert entry["validation_source_gain"] > 1
    assert entry["validation_attention_variation"] > 0.1
    assert IGNORES not in capfd.readouterr().err


def test_a_model_without_access_to_its_source_is_reported_once(fit, monkeypatch, capfd):
    clean = Transformer.embed_source
    monkeypatch.setattr(Transformer, "embed_source", lambda self, src: 0 * clean(self, src))
    run = fit("transformer", *LEARN)
    assert [entry["validation_source_gain"] for entry in validations(run)] == pytest.approx(
        [0] * 3, abs=1e-5
    )
    said = " ".join(capfd.readouterr().err.split())
    assert said.count(IGNORES) == 1 and "model.attention_init" in said


def test_the_first_validation_is_too_early_for_a_remark(fit, capfd):
    fit("transformer", "train.learning_rate=0", "train.validate_every=4")
    assert IGNORES not in capfd.readouterr().err


def test_attention_that_never_changes_is_reported(fit):
    run = fit("transformer", *LEARN)
    translator = Translator(run)
    ids = [([5, 6, 7, 8], [9, 10, 11]), ([8, 6, 9], [12]), ([9], [4])]
    model = translator.model
    assert variation(model, ids) > 0.05
    with torch.no_grad():
        for layer in model.decoder_layers:
            layer.to_source.query.weight.zero_()
    assert variation(model, ids) == pytest.approx(0, abs=1e-6)
    assert SAME_ROWS in str(SourceUse(0.7, variation(model, ids)).remark(model_settings("rnn")))


def test_variation_is_the_distance_from_the_mean_row():
    attention = torch.tensor([[[[1.0, 0.0], [0.0, 1.0]], [[0.5, 0.5], [0.5, 0.5]]]])
    torch.testing.assert_close(distance_from_mean(attention), torch.tensor([[0.25, 0.25]]))


@pytest.mark.parametrize(
    ("gain", "varies", "message"),
    [
        (0.01, 0.5, IGNORES),
        (-0.2, None, IGNORES),
        (0.5, 0.001, SAME_ROWS),
        (0.5, 0.4, None),
        (0.5, None, None),
    ],
)
def test_remarks(gain, varies, message):
    remark = SourceUse(gain, varies).remark(model_settings("transformer"))
    assert remark is None if message is None else message in remark


@pytest.mark.parametrize("model", ["rnn", "bahdanau", "luong", "transformer", "encoder_only"])
def test_the_remedies_are_keys_of_the_model_with_other_values(model):
    known = model_settings(model)
    paper = {key: "paper" for key in ("init", "align_init") if key in known}
    for more in (paper, {"norm": "post", "attention_init": "small"} if "norm" in known else {}):
        remark = SourceUse(0.0, None).remark(known | more)
        for key, value in re.findall(r"model\.(\w+)=(\w+)", remark):
            assert (known | more)[key] != value
        assert all(f"model.{key}=xavier" in remark for key in more if more[key] == "paper")
    assert ("model.norm=pre" in remark) == ("norm" in known)


def test_the_remark_is_not_repeated_when_the_use_of_the_source_varies(fit, monkeypatch, capfd):
    gains = iter([0.0, 0.0, 1.0, 0.0, 0.0, 1.0])
    monkeypatch.setattr(
        "seq2seq.training.validation.source_use", lambda *_: SourceUse(next(gains), None)
    )
    fit("rnn", "train.max_steps=6", "train.validate_every=1")
    said = " ".join(capfd.readouterr().err.split())
    assert said.count(IGNORES) == 1 and "model." not in said[said.index(IGNORES) :][:300]


@pytest.mark.parametrize("model", ["rnn", "bahdanau", "decoder_only", "encoder_only"])
def test_every_kind_of_model_is_measured(fit, model):
    entry = validations(fit(model))[-1]
    assert isinstance(entry["validation_source_gain"], float)
    assert ("validation_attention_variation" in entry) == (model != "rnn")


def test_sets_that_are_too_small_or_short(fit):
    model = Translator(fit("bahdanau")).model
    assert source_use(model, [([5], [6])]) is None
    found = source_use(model, [([5], [6]), ([7], [8])])
    assert found is not None and found.variation is None


def test_word_for_word_is_not_measured(fit):
    assert all("validation_source_gain" not in entry for entry in validations(fit("word_for_word")))


# --- the time that a training takes ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("budget", "sentence"),
    [
        (
            Budget(None, 60, None),
            "about 100 min on this machine for 60 epochs, without validations",
        ),
        (Budget(400, 60, None), "about 7 min on this machine for 400 updates"),
        (Budget(4, None, None), "about 4 s on this machine for 4 updates"),
        (Budget(None, None, 20.0), "about 12.0 epochs in train.max_minutes=20 on this machine"),
        (Budget(None, 60, 20.0), "about 12.0 epochs in train.max_minutes=20"),
        (Budget(None, 1, 20.0), "about 2 min on this machine for 1 epoch,"),
        (Budget(None, 90, None), "about 2.5 h on this machine for 90 epochs"),
    ],
)
def test_the_estimate_is_that_of_the_limit_that_is_reached_first(budget, sentence):
    assert sentence in Pace(seconds=10.0, steps=10, epochs=0.1).describe(budget)


def test_an_estimate_needs_some_updates_and_seconds():
    assert not Pace(9.0, 100, 1.0).is_enough and not Pace(60.0, 4, 1.0).is_enough
    assert Pace(10.0, 5, 0.1).is_enough
    assert duration(0.001) == "1 s"


def test_training_prints_the_estimate_once(fit, monkeypatch, capfd):
    monkeypatch.setattr("seq2seq.training.estimate.SECONDS", 0.0)
    fit("rnn", "train.max_steps=12")
    assert capfd.readouterr().err.count("on this machine for 12 updates, without") == 1


def test_training_says_that_patience_ended_it(fit, capfd):
    words = ["train.learning_rate=0", "train.validate_every=2", "train.patience=3"]
    fit("rnn", *words, "train.max_steps=100")
    said = " ".join(capfd.readouterr().err.split())
    assert "3 validations in a row without a new best score (train.patience=3)" in said
    fit("rnn", *words, "train.patience=1", "train.max_steps=100", name="one")
    said = " ".join(capfd.readouterr().err.split())
    assert "1 validation in a row without a new best score (train.patience=1)" in said
    fit("rnn", name="whole")
    assert "train.patience" not in capfd.readouterr().err
