"""The steps of an attention give the attention that the model returns, number by number."""

import pytest
import torch
from untrained_runs import make_run, small

from seq2seq.models.base import Seq2Seq
from seq2seq.runs.folder import RunFolder
from seq2seq.runs.weights import build_model, load_model
from seq2seq.settings.config_files import model_names
from seq2seq.text.batching import collate

PAIRS = [([5, 6, 7], [8, 9]), ([10, 11, 12, 13, 5], [9, 8, 7, 6])]
CHOICES = [
    ("bahdanau", {}),
    ("bahdanau", {"layers": 2, "cell": "lstm"}),
    *(("luong", {"score": score}) for score in ("dot", "general", "concat")),
    ("luong", {"input_feeding": False}),
    ("transformer", {}),
    ("transformer", {"norm": "post"}),
    ("transformer", {"attention": "grouped_query", "key_value_heads": 1}),
    ("transformer", {"cross_attention_cache": "source"}),
    ("transformer", {"attention": "latent", "latent_dim": 4}),
]


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    folder = make_run(tmp_path_factory.mktemp("run"), "transformer")
    return load_model(RunFolder.open(folder))[1]


def built(tokenizers, model: str, more: dict) -> Seq2Seq:
    torch.manual_seed(0)
    one = build_model({**small(model), **more}, tokenizers)
    with torch.no_grad():
        for weight in one.parameters():
            weight.add_(torch.randn_like(weight) * 0.3)
    return one.eval()


@pytest.mark.parametrize(("model", "more"), CHOICES)
def test_the_steps_are_those_of_the_model(tokenizers, model, more):
    one, batch = built(tokenizers, model, more), collate(PAIRS, tokenizers.special)
    with torch.inference_mode():
        steps, attention = one.attention_steps(batch), one(batch).attention
    assert len(steps) == attention.size(1)
    for layer, step in enumerate(steps):
        torch.testing.assert_close(step.weights, attention[:, layer])
        query, keys = step.query.unsqueeze(3), step.keys.unsqueeze(2)
        if step.kind == "additive":
            scores = (query + keys).tanh() @ step.energy
        else:
            scores = (query * keys).sum(-1)
        if step.kind == "scaled_dot_product":
            scores = scores / step.query.size(-1) ** 0.5
        torch.testing.assert_close(step.scores, scores, atol=1e-5, rtol=1e-4)
        masked = scores.masked_fill(~batch.src_mask[:, None, None], float("-inf"))
        torch.testing.assert_close(step.weights, masked.softmax(-1), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(step.context, step.weights @ step.values)


@pytest.mark.parametrize("model", model_names())
def test_the_steps_of_any_model_fit_its_attention(tokenizers, model):
    one, batch = build_model(small(model), tokenizers).eval(), collate(PAIRS, tokenizers.special)
    with torch.inference_mode():
        steps, attention = one.attention_steps(batch), one(batch).attention
    without = ("rnn", "elman", "gru", "lstm", "decoder_only", "encoder_only", "word_for_word")
    assert bool(steps) == (model not in without)
    if steps:
        assert len(steps) == attention.size(1) == small(model).get("decoder_layers", 1)
    for layer, step in enumerate(steps):
        torch.testing.assert_close(step.weights, attention[:, layer])
