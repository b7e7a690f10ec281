"""Dropout keys, initialization, word dropout, R-Drop and the moving average of the weights."""

import json
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from seq2seq.errors import UserError
from seq2seq.layers.dropout import Dropout
from seq2seq.models.base import Seq2Seq
from seq2seq.runs.weights import read_tensors, read_weights
from seq2seq.settings.config_files import model_settings
from seq2seq.settings.plugins import build
from seq2seq.text.batching import Batch, collate
from seq2seq.text.special_ids import SpecialIds
from seq2seq.text.word_dropout import drop_words
from seq2seq.training.moving_average import MovingAverage

SPECIAL = SpecialIds()
PAD, BOS, EOS, UNK = SPECIAL.pieces
SIZES = {"dim": 16, "heads": 2, "feed_forward": 20, "embedding": 12, "align_dim": 8}
SIZES |= {"readout_dim": 12, "encoder_layers": 1, "decoder_layers": 1, "layers": 1}
BY_GRADIENTS = ["transformer", "decoder_only", "bahdanau", "luong", "rnn", "lstm"]


def made(name: str, shared: bool = False, **keys: object) -> Seq2Seq:
    section = model_settings(name)
    section |= {key: size for key, size in SIZES.items() if key in section} | keys
    torch.manual_seed(0)
    return build("model", section, source_vocab=13, target_vocab=13, shared_vocab=shared)


def batch() -> Batch:
    return collate([([5, 6, 7, 8], [9, 10, 11]), ([4, 3], [12]), ([9], [3, 4, 5, 6, 7])], SPECIAL)


def weights(run: Path) -> dict[str, torch.Tensor]:
    return read_weights(run / "model.safetensors")


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    assert first.keys() == second.keys()
    return all(torch.equal(first[name], second[name]) for name in first)


# --- dropout -------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.001, 0.1, 0.999])
def test_every_probability_of_dropout_has_an_effect(p):
    """Also one that is 0 or 1 in 256ths, the unit of the fast masks."""
    torch.manual_seed(0)
    layer, x = Dropout(p), torch.ones(100_000)
    assert (layer(x) == 0).float().mean().item() == pytest.approx(p, abs=0.003)
    assert torch.equal(layer.eval()(x), x)


@pytest.mark.parametrize(
    ("model", "keys"),
    [
        ("transformer", ("embedding_dropout", "activation_dropout")),
        ("decoder_only", ("embedding_dropout", "activation_dropout")),
        ("encoder_only", ("embedding_dropout", "activation_dropout")),
        ("transformer_modern", ("embedding_dropout", "activation_dropout")),
        ("bahdanau", ("embedding_dropout", "readout_dropout")),
        ("rnn", ("embedding_dropout", "readout_dropout")),
        ("elman", ("embedding_dropout", "readout_dropout")),
    ],
)
def test_null_is_the_same_as_the_value_of_dropout(model, keys):
    """And each key changes the loss, so that none is without effect."""

    def loss(**given: float | None) -> float:
        model_ = made(model, dropout=0.3, **given)
        torch.manual_seed(1)
        return model_.loss(batch()).item()

    plain = loss(**dict.fromkeys(keys))
    assert loss(**dict.fromkeys(keys, 0.3)) == plain
    for key in keys:
        assert loss(**{key: 0.0}) != plain


def test_dropout_of_the_context_is_that_of_the_encoder_states():
    model = made("bahdanau", dropout=0.0, context_dropout=0.5)
    torch.manual_seed(1)
    states = model.encode(batch().src, batch().src_mask).states
    assert 0.2 < (states == 0).float().mean() < 0.9
    plain = made("bahdanau", dropout=0.0).encode(batch().src, batch().src_mask).states
    assert (plain[batch().src_mask] == 0).sum() == 0


@pytest.mark.parametrize("name", ["elman", "lstm", "gru", "rnn", "luong", "bahdanau"])
def test_dropout_between_recurrent_layers_is_in_the_decoder_too(name):
    others = model_settings(name).keys() & {"embedding_dropout", "readout_dropout"}
    model = made(name, layers=2, dropout=0.5, **dict.fromkeys(others, 0.0))
    memory = model.eval().encode_batch(batch())
    first, second = (model.train().hidden(batch().tgt_in, memory).states for _ in range(2))
    assert not torch.equal(first, second)


def test_all_dropouts_off_are_the_evaluation_mode():
    off = dict.fromkeys(("dropout", "attention_dropout"), 0.0)
    model = made("transformer", **off)
    assert model.loss(batch()).item() == model.eval().loss(batch()).item()


# --- initialization and normalization ------------------------------------------------------------


@pytest.mark.parametrize("model", ["transformer", "decoder_only", "encoder_only"])
@pytest.mark.parametrize("attention", ["multi_head", "grouped_query", "latent"])
def test_initializations_of_attention(model, attention):
    keys = {"dim": 64, "attention": attention} if model != "encoder_only" else {"dim": 64}
    keys |= {"key_value_heads": 1} if keys.get("attention") == "grouped_query" else {}
    default = dict(made(model, **keys).named_parameters())
    xavier = dict(made(model, **keys, attention_init="xavier").named_parameters())
    joint = dict(made(model, **keys, attention_init="joint").named_parameters())
    small = dict(made(model, **keys, attention_init="small").named_parameters())
    assert all(torch.equal(default[name], joint[name]) for name in default)
    changed = 0
    for name, weight in xavier.items():
        matrix = weight.dim() == 2 and "norm" not in name
        inside = matrix and any(part in name for part in (".query", ".key", ".value", ".latent."))
        if inside:
            torch.testing.assert_close(joint[name], weight * math.sqrt(0.5))
            changed += 1
        else:
            assert torch.equal(joint[name], weight), name
        if matrix and (inside or name.endswith("out.weight")):
            assert small[name].std().item() == pytest.approx(math.sqrt(2 / (5 * 64)), rel=0.15)
    assert changed >= 3


@pytest.mark.parametrize("model", ["rnn", "elman", "lstm", "gru", "bahdanau"])
def test_initializations_of_recurrent_models(model):
    """`init` draws all matrices but the recurrent ones and, for `bahdanau`, the alignment model."""
    keys = {"embedding": 64, "dim": 64, "readout_dim": 64}
    default = dict(made(model, **keys).named_parameters())
    paper = dict(made(model, **keys, init="paper").named_parameters())
    changed = 0
    for name, weight in made(model, **keys, init="xavier").named_parameters():
        assert torch.equal(default[name], weight)
        if weight.dim() == 1:
            assert not weight.any()
        elif "_hh" in name or "recurrent" in name or name.startswith("score."):
            assert torch.equal(paper[name], weight), name
        else:
            fan = sum(weight.shape)  # Glorot and Bengio 2010: a variance of 2 / (inputs + outputs)
            deviation = 64**-0.5 if name in ("source.weight", "target.weight") else (2 / fan) ** 0.5
            assert weight.std().item() == pytest.approx(deviation, rel=0.1), name
            assert paper[name].std().item() == pytest.approx(0.01, rel=0.1), name
            changed += 1
    assert changed >= 6


def test_scale_norm_has_one_weight_and_fixes_the_length():
    """The output has the length g = sqrt(dim) at first (Nguyen and Salazar 2019, equation 4)."""
    model = made("transformer", normalization="scale")
    norms = {n: p for n, p in model.named_parameters() if n.endswith("norm.weight") or "norms" in n}
    assert {p.numel() for p in norms.values()} == {1}
    layer = model.norms[0]
    x = torch.randn(2, 3, 16)
    torch.testing.assert_close(layer(x).norm(dim=-1), torch.full((2, 3), 4.0))
    torch.testing.assert_close(layer(x), 4 * x / x.norm(dim=-1, keepdim=True))
    assert torch.isfinite(layer(torch.zeros(1, 1, 16))).all()
    assert layer(x.bfloat16()).dtype == torch.bfloat16


FIXED = [("transformer", {}), ("encoder_only", {})]
FIXED += [("decoder_only", {"loss_on": "both", "source_mask": "causal"})]


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("model", "keys"), FIXED)
def test_fix_norm_is_the_plain_model_with_vectors_of_length_one(model, keys, shared):
    """The loss, and a step of the search; the lengths of the stored vectors have no effect."""
    plain = made(model, shared, **keys, dropout=0.0, attention_dropout=0.0)
    fixed = made(model, shared, **keys, dropout=0.0, attention_dropout=0.0, fix_norm=True)
    assert same(dict(plain.state_dict()), dict(fixed.state_dict()))
    torch.manual_seed(1)
    before = fixed.loss(batch(), 0.1)
    with torch.no_grad():
        for one, other in ((plain.source, fixed.source), (plain.target, fixed.target)):
            one.weight.copy_(F.normalize(one.weight, dim=-1))
            other.weight.mul_(torch.linspace(0.5, 2.0, len(other.weight)).unsqueeze(1))
    torch.manual_seed(1)
    after = fixed.loss(batch(), 0.1)
    torch.testing.assert_close(after, before)
    torch.manual_seed(1)
    torch.testing.assert_close(plain.loss(batch(), 0.1), after)
    torch.testing.assert_close(fixed.eval()(batch()).logits, plain.eval()(batch()).logits)


@pytest.mark.parametrize(("model", "keys"), FIXED)
def test_the_gradient_of_fix_norm_does_not_change_the_length(model, keys):
    """It is orthogonal to each vector, since the loss does not depend on the length."""
    fixed = made(model, True, **keys, fix_norm=True)
    fixed.loss(batch()).backward()
    table = fixed.target.weight
    product = (table * table.grad).sum(1)
    assert table.grad.norm() > 0.1
    torch.testing.assert_close(product, torch.zeros(len(table)), atol=1e-5, rtol=0)


@pytest.mark.parametrize("model", ["bahdanau", "rnn", "word_for_word"])
def test_fix_norm_is_a_key_of_transformers_only(command, model):
    command("check", f"model={model}", "model.fix_norm=true").must_refuse("model.fix_norm")


# --- word dropout --------------------------------------------------------------------------------


def test_word_dropout_replaces_tokens_but_not_special_ones():
    torch.manual_seed(0)
    given = collate([(list(range(4, 40)), list(range(40, 90)))] * 50 + [([5], [6])], SPECIAL)
    found = drop_words(given, SPECIAL, source=0.1, target=0.3)
    for before, after, share in ((given.src, found.src, 0.1), (given.tgt_in, found.tgt_in, 0.3)):
        special = (before == PAD) | (before == BOS) | (before == EOS)
        assert torch.equal(before[special], after[special])
        assert set(after[before != after].tolist()) == {UNK}
        assert (before != after)[~special].float().mean().item() == pytest.approx(share, abs=0.03)
    assert torch.equal(found.tgt_out, given.tgt_out) and found.num_tokens == given.num_tokens


def test_word_dropout_that_is_off_draws_no_random_numbers():
    state = torch.get_rng_state()
    given = batch()
    assert drop_words(given, SPECIAL, source=0.0, target=0.0) is given
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("model", BY_GRADIENTS)
def test_word_dropout_changes_no_token_that_is_predicted(model, monkeypatch):
    """With loss_on=both the source is predicted, too, by the model that reads it."""
    from seq2seq.models import base

    targets, clean = [], base.cross_entropy

    def listening(states, weight, bias, ids, *more):
        targets.append(ids)
        return clean(states, weight, bias, ids, *more)

    monkeypatch.setattr(base, "cross_entropy", listening)
    keys = {"loss_on": "both", "source_mask": "causal"} if model == "decoder_only" else {}
    model_, given = made(model, **keys), collate([([5, 6, 7, 8], [9, 10]), ([4], [7])], SPECIAL)
    dropped = drop_words(given, SPECIAL, source=0.9, target=0.9)
    assert (dropped.src == UNK).any()
    for given in (dropped, dropped.to(torch.device("cpu")), dropped.twice()):
        model_.loss(given)
    assert len(targets) == (6 if model == "decoder_only" else 3)
    assert all(UNK not in ids for ids in targets)


@pytest.mark.parametrize("precision", ["bf16-mixed", "64-true"])
def test_all_of_it_in_other_precisions(fit, precision):
    more = ["model.loss_on=both", "model.source_mask=causal", "model.normalization=scale"]
    more.append("model.fix_norm=true")
    run = fit("decoder_only", *NEW, *more, "model.dropout=0.3", f"trainer.precision={precision}")
    assert json.loads((run / "run.json").read_text("utf-8"))["status"] == "finished"


# --- R-Drop --------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", BY_GRADIENTS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_r_drop_is_that_of_two_passes_with_these_masks(model, smoothing):
    """Value and gradients are those of the formula of the paper on all logits (equation 4)."""
    alpha, twice = 5.0, batch().twice()

    def chunked(model_: Seq2Seq) -> torch.Tensor:
        return model_.loss(twice, smoothing, alpha)

    def naive(model_: Seq2Seq) -> torch.Tensor:
        logits = model_(twice).logits
        loss = F.cross_entropy(
            logits.mT, twice.tgt_out, ignore_index=PAD, reduction="sum", label_smoothing=smoothing
        )
        first, second = logits.log_softmax(-1).chunk(2)
        real = batch().tgt_out != PAD
        for p, q in ((first[real], second[real]), (second[real], first[real])):
            loss = loss + alpha / 2 * F.kl_div(q, p, reduction="sum", log_target=True)
        return loss

    results = []
    for function in (chunked, naive):
        model_ = made(model, dropout=0.4)
        torch.manual_seed(3)
        loss = function(model_)
        loss.backward()
        results.append(
            [loss.detach(), *(p.grad for p in model_.parameters() if p.grad is not None)]
        )
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-5)


def test_without_dropout_r_drop_would_add_nothing():
    model = made("transformer", dropout=0.0, attention_dropout=0.0)
    found = model.loss(batch().twice(), 0.1, 5.0) / 2
    torch.testing.assert_close(found, model.loss(batch(), 0.1))


# --- moving average ------------------------------------------------------------------------------


def test_the_moving_average_is_that_of_its_definition():
    model = torch.nn.Linear(2, 1)
    average, expected = MovingAverage(model, 0.5), model.weight.detach().clone()
    for step in range(1, 6):
        with torch.no_grad():
            model.weight.add_(step)
        average.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * model.weight.detach()
    now = model.weight.detach().clone()
    with average.installed():
        torch.testing.assert_close(model.weight.detach(), expected)
    assert torch.equal(model.weight, now)


# --- training ------------------------------------------------------------------------------------

LONG = ["train.max_steps=12", "train.validate_every=4", "model.dropout=0.3"]
NEW = [
    "train.r_drop=3",
    "train.source_word_dropout=0.2",
    "train.target_word_dropout=0.1",
    "train.ema=0.9",
    "tokenizer.sampling=0.2",
    "train.accumulate=2",
]


@pytest.mark.parametrize("model", ["transformer", "bahdanau"])
def test_a_resumed_training_is_the_same_as_an_uninterrupted_one(fit, model):
    whole = fit(model, *LONG, *NEW, name="whole")
    fit(model, *LONG, *NEW, "train.max_steps=5", name="parts")
    parts = fit(model, *LONG, *NEW, name="parts")
    assert same(weights(whole), weights(parts))
    tensors = [read_tensors(max((run / "state").iterdir()))[0] for run in (whole, parts)]
    assert any(name.startswith("average.") for name in tensors[0])
    assert same(*tensors)


def test_the_moving_average_is_validated_and_kept_and_changes_no_update(fit):
    plain, averaged = fit("rnn", *LONG, name="plain"), fit("rnn", *LONG, "train.ema=0.9")
    tensors = [read_tensors(max((run / "state").iterdir()))[0] for run in (plain, averaged)]
    own = {name: t for name, t in tensors[1].items() if not name.startswith("average.")}
    assert same(tensors[0], own)
    assert not same(weights(plain), weights(averaged))
    newest = max((averaged / "checkpoints").iterdir())
    average = {n.removeprefix("average."): t for n, t in tensors[1].items() if n not in own}
    assert same(read_weights(newest), average)


@pytest.mark.parametrize(
    "key",
    [
        "train.r_drop=2",
        "train.source_word_dropout=0.3",
        "train.target_word_dropout=0.3",
        "train.label_smoothing=0.2",
        "train.weight_decay=0.1",
        "train.betas=[0.5,0.9]",
        "train.eps=1e-3",
        "train.clip_norm=0.01",
    ],
)
def test_each_changes_the_weights(fit, key):
    assert not same(weights(fit("rnn", *LONG, name="plain")), weights(fit("rnn", *LONG, key)))


@pytest.mark.parametrize(
    ("model", "words", "message"),
    [
        ("encoder_only", ["train.r_drop=1"], r"train\.r_drop=1\.0 has no effect on EncoderOnly"),
        ("encoder_only", ["train.target_word_dropout=0.1"], "target_word_dropout=0.1 has no eff"),
        ("transformer", ["train.r_drop=1"], "without dropout.*set model.dropout"),
        ("bahdanau", ["train.r_drop=1"], "without dropout"),
        *(
            (name, ["model.bidirectional=true", "model.reverse=true"], "model.reverse=true has no")
            for name in ("rnn", "lstm", "luong")
        ),
        ("rnn", ["train.ema=0.9", "train.average=3"], "both average the weights"),
        ("rnn", ["train.ema=1"], "train.ema=1.* must be below 1"),
        ("rnn", ["train.r_drop=-1"], "train.r_drop=-1.* must be at least 0"),
        ("rnn", ["train.source_word_dropout=1"], "must be below 1"),
    ],
)
def test_what_has_no_effect_is_refused(fit, model, words, message):
    with pytest.raises(UserError, match=message):
        fit(model, *words)


@pytest.mark.parametrize("key", ["r_drop=1", "ema=0.9", "source_word_dropout=0.1"])
def test_a_model_that_fits_itself_refuses_them(command, tiny, key):
    command("train", *tiny("word_for_word")[:4], "model=word_for_word", f"train.{key}").must_refuse(
        f"train.{key.partition('=')[0]} has no effect on model=word_for_word"
    )


@pytest.mark.parametrize(
    ("word", "need", "met"),
    [
        ("train.plateau_factor=0.3", "train.schedule=plateau", "train.schedule=plateau"),
        ("train.average_of=best", "train.average above 1", "train.average=2"),
    ],
)
def test_a_key_that_needs_another_is_refused_without_it(command, word, need, met):
    command("train", word).must_refuse(f"{word} has no effect without {need}")
    assert command("train", word, met, "--cfg", "job").status == 0


def test_a_sweep_refuses_them_before_it_trains(command, tiny, tmp_path):
    words = [word for word in tiny("transformer") if not word.startswith("model")]
    words += ["-m", f"runs_dir={tmp_path / 'sweep'}", "model.dropout=0"]
    for more, part in (
        (["model=transformer,encoder_only", "train.target_word_dropout=0.1"], "has no effect on"),
        (["model=rnn", "train.r_drop=0,1"], "has no effect without dropout"),
        (["model=rnn", "trainer.compile=true,false"], "trainer.compile=true is not supported"),
    ):
        command("train", *words, *more).must_refuse("cannot be trained", part)
    assert not (tmp_path / "sweep").exists()


def test_dropout_inside_a_recurrent_network_is_enough_for_r_drop(fit):
    words = ["model.layers=2", "model.dropout=0.2", "model.embedding_dropout=0"]
    run = fit("rnn", *words, "model.readout_dropout=0", "train.r_drop=1")
    assert json.loads((run / "run.json").read_text("utf-8"))["status"] == "finished"
