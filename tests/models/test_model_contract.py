"""Every YAML in configs/model must keep the promises made in seq2seq/models/base.py."""

import copy
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from seq2seq.errors import UserError
from seq2seq.interpret.ablation import edited
from seq2seq.layers.cached_attention import CachedAttention
from seq2seq.layers.transformer import SelfAttentionLayer
from seq2seq.models.base import Autoregressive, MaskedLM, Seq2Seq, select
from seq2seq.models.recurrent_source import RecurrentSource
from seq2seq.models.results import Maps
from seq2seq.runs.weights import read_weights, save_weights, set_weights
from seq2seq.search import Beam, MaskPredict, Sample, Search
from seq2seq.settings.config_files import search_settings
from seq2seq.settings.plugins import build, fits, locate
from seq2seq.text.batching import Batch, collate
from seq2seq.text.special_ids import SpecialIds

SPECIAL = SpecialIds()
PAD = SPECIAL.pad

MODELS = sorted((Path(__file__).parents[2] / "configs" / "model").glob("*.yaml"))
VOCAB = 13
SMALL = {
    "dim": 16,
    "embedding": 12,
    "align_dim": 10,
    "readout_dim": 14,
    "feed_forward": 32,
    "layers": 2,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "heads": 2,
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "words": 8,
    "pieces": 4,
}
# The vocabulary of both sides, and pairs, for models that fit themselves
PIECES = ["<pad>", "<s>", "</s>", "<unk>", "▁a", "▁b", "▁c", "d", "▁e", "▁f", "▁g", "h", "▁i"]
FITTED = [([5, 6, 7, 8], [9, 10, 11]), ([4], [12]), ([9, 12], [3, 4, 5]), ([5, 8], [9, 8])]
PAIRS = [([5, 6, 7, 8], [9, 10, 11]), ([4, 3], [12]), ([9], [3, 4, 5, 6, 7])]
# The same vocabulary in another order: where each id is in it, and its special ids
MOVED = [7, 3, 0, 5, 12, 1, 2, 4, 6, 8, 9, 10, 11]
OTHER = SpecialIds(*MOVED[:4], mask=VOCAB)
# What the YAMLs leave unchosen but promise to work, for every variant that has the key.
CHOICES = [
    {},
    {"cell": "lstm"},
    {"cell": "tanh"},
    # With a cell, so that elman, lstm and gru are tested once each: they are rnn with its cells.
    {"cell": "gru", "context": "start", "reverse": True},
    {"cell": "gru", "bidirectional": True},
    {"cell": "gru", "readout": "tanh"},
    {"encoder_dim": 10},
    {"score": "dot", "reverse": True},
    {"score": "concat", "input_feeding": False},
    {"cell": "lstm", "bidirectional": True, "input_feeding": False},
    {"norm": "post"},
    {"attention": "multi_query", "positions": "alibi", "bias": False},
    {"attention": "grouped_query", "key_value_heads": 2, "heads": 4, "positions": "rope"},
    {"attention": "latent", "positions": "sinusoidal"},
    {"attention": "latent", "positions": "rope", "query_latent_dim": 6, "norm": "post"},
    {"positions": "learned", "max_positions": 12, "normalization": "rms"},
    {"positions": "none", "feed_forward_kind": "gelu", "attention": "multi_head"},
    {"target_positions": "continue", "positions": "rope"},
    {"target_positions": "continue", "positions": "learned", "max_positions": 12},
    {"feed_forward_kind": "swiglu", "cross_attention_cache": "source"},
    {"target_prefix": [2, 9], "positions": "fairseq"},
    {"target_prefix": [7], "attention": "latent", "positions": "rope"},
    {"target_prefix": [2], "positions": "alibi", "cross_attention_cache": "source"},
    {"source_mask": "causal", "loss_on": "both"},
    {"target_positions": "continue"},
]


def sections() -> list[Any]:
    """Every YAML with every choice that it has; a preset of earlier keys as it is."""
    found, tested = [], {}
    for path, choice in product(MODELS, CHOICES):
        section = yaml.safe_load(path.read_text())
        first = tested.setdefault(frozenset(section), path)
        if choice.keys() <= section.keys() and (path == first or not choice):
            section |= {key: value for key, value in SMALL.items() if key in section} | choice
            name = "-".join([path.stem, *map(str, choice.values())])
            found.append(pytest.param(section, id=name))
    return found


def make(section: dict[str, Any], **changes: Any) -> Seq2Seq:
    """A small model whose weights are large enough for every mistake to show."""
    torch.manual_seed(0)
    sizes = {"source_vocab": VOCAB, "target_vocab": VOCAB, "shared_vocab": True}
    model = build("model", section | changes, **sizes).eval()
    if model.fits:
        next(model.fit(FITTED, PIECES, PIECES))
        return model
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


def needs_gradients(section: dict[str, Any]) -> None:
    if fits(section):
        pytest.skip("this variant fits itself")


@pytest.fixture(params=sections())
def section(request: pytest.FixtureRequest) -> dict[str, Any]:
    return request.param


@pytest.fixture
def model(section: dict[str, Any]) -> Seq2Seq:
    return make(section)


@pytest.fixture(
    params=[
        one
        for one in sections()
        if issubclass(locate("model", one.values[0]["name"]), Autoregressive)
    ]
)
def autoregressive(request: pytest.FixtureRequest) -> Autoregressive:
    """A model of those that promise `step`."""
    return make(request.param)


@pytest.fixture
def batch() -> Batch:
    return collate(PAIRS, SPECIAL)


def attention_of(model: Seq2Seq, batch: Batch) -> torch.Tensor:
    weights = model(batch).attention
    if weights is None:
        pytest.skip("this variant has no attention")
    return weights


@torch.no_grad()
def log_probabilities(model: Seq2Seq, batch: Batch) -> torch.Tensor:
    memory = model.encode(batch.src, batch.src_mask)
    states = model.hidden(batch.tgt_in, memory, weights=False).states
    return model.log_probability(states, batch, memory)


def test_encode_is_embedding_then_encoding(model, batch):
    embedded = model.embed_source(batch.src)
    assert embedded.shape[:2] == batch.src.shape
    memory = model.encode_embedded(embedded, batch.src_mask)
    torch.testing.assert_close(
        model.decode(batch.tgt_in, memory).logits, model(batch).logits, rtol=0, atol=0
    )


def test_source_vectors_are_in_the_order_of_the_source(model, batch):
    """A changed token changes its own vector and no other."""
    changed = batch.src.clone()
    changed[0, 1] = 12
    moved = model.embed_source(changed) != model.embed_source(batch.src)
    assert moved.any(-1).nonzero().tolist() == [[0, 1]]


def test_step_by_step_equals_all_at_once(autoregressive, batch):
    model = autoregressive
    memory = model.encode(batch.src, batch.src_mask)
    whole, state = model.decode(batch.tgt_in, memory), model.start(memory)
    for t, token in enumerate(batch.tgt_in.unbind(1)):
        logits, attention, state = model.step(token, memory, state)
        torch.testing.assert_close(logits, whole.logits[:, t])
        assert (attention is None) == (whole.attention is None)
        if whole.attention is not None:
            torch.testing.assert_close(attention, whole.attention[:, :, :, t])


@pytest.mark.parametrize("prepared", [False, True])
def test_the_rows_of_a_beam_share_their_sentence(autoregressive, batch, prepared):
    model = autoregressive
    memory = model.encode(batch.src, batch.src_mask)
    rows = torch.arange(3).repeat_interleave(2)
    own, shared = select(memory, rows), model.share(memory) if prepared else memory
    states = [select(model.start(memory), rows) for _ in range(2)]
    for token in torch.randint(3, VOCAB, (4, 6)):
        apart, together = (
            model.step(token, read, state)
            for read, state in zip((own, shared), states, strict=True)
        )
        torch.testing.assert_close(together[:2], apart[:2])
        states = [apart.state, together.state]


def test_a_step_without_weights_is_the_same(autoregressive, batch):
    model = autoregressive
    memory, token = model.encode(batch.src, batch.src_mask), torch.tensor([5, 6, 7])
    asked, unasked = (
        model.step(token, memory, model.start(memory), weights=w) for w in (True, False)
    )
    torch.testing.assert_close(unasked.logits, asked.logits)


def test_padding_changes_nothing(model, batch):
    wider = torch.nn.functional.pad(batch.src, (0, 3), value=PAD)
    padded = replace(batch, src=wider)
    torch.testing.assert_close(model(padded).logits, model(batch).logits)
    torch.testing.assert_close(model.loss(padded), model.loss(batch))


def test_a_batch_equals_its_sentences_one_by_one(model, batch):
    together, total = model(batch), 0.0
    for i in range(3):
        n, m = int(batch.src_mask[i].sum()), int((batch.tgt_out[i] != PAD).sum())
        one = slice(i, i + 1)
        alone = Batch(batch.src[one, :n], batch.tgt_in[one, :m], batch.tgt_out[one, :m], m, PAD)
        output = model(alone)
        torch.testing.assert_close(output.logits[0], together.logits[i, :m])
        if together.attention is not None:
            torch.testing.assert_close(output.attention[0], together.attention[i, :, :, :m, :n])
        total += model.loss(alone)
    torch.testing.assert_close(model.loss(batch), total)


def test_the_future_is_hidden(autoregressive, batch):
    model = autoregressive
    changed = batch.tgt_in.clone()
    changed[:, 2:] = 4
    other = replace(batch, tgt_in=changed)
    torch.testing.assert_close(model(other).logits[:, :2], model(batch).logits[:, :2])
    assert not torch.allclose(model(other).logits[:, 2:], model(batch).logits[:, 2:])


def test_the_source_matters_to_its_last_word(model, batch):
    for position in range(4):
        changed = batch.src.clone()
        changed[0, position] = 12
        other = replace(batch, src=changed)
        assert not torch.allclose(model(other).logits[0], model(batch).logits[0], atol=1e-6)


def test_attention_is_a_distribution_over_real_source_tokens(model, batch):
    weights = attention_of(model, batch)
    assert weights.dim() == 5
    assert weights.shape[0] == 3
    assert weights.shape[3:] == (batch.tgt_in.size(1), batch.src.size(1))
    torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))
    hidden = (~batch.src_mask)[:, None, None, None].expand_as(weights)
    assert (weights[hidden] == 0).all()


def maps_of(model: Seq2Seq, batch: Batch) -> tuple[Maps, torch.Tensor, torch.Tensor]:
    """The maps, with which rows and columns of source and target are no padding."""
    return model.maps(batch), batch.src_mask, batch.tgt_out != PAD


def test_which_maps_a_model_has(model, section, batch):
    maps, attention = model.maps(batch), model(batch).attention
    assert (maps.source is None) == (attention is None)
    transformer = any(isinstance(layer, SelfAttentionLayer) for layer in model.modules())
    assert (maps.target is not None, maps.encoder is not None) == (transformer, transformer)
    layers = section.get("encoder_layers", section.get("layers"))
    batch_size, src, tgt = 3, batch.src.size(1), batch.tgt_in.size(1)
    if transformer:
        heads = section["heads"]
        assert maps.encoder.shape == (batch_size, layers, heads, src, src)
        decoder = section.get("decoder_layers", layers)
        assert maps.target.shape == (batch_size, decoder, heads, tgt, tgt)
        assert maps.source.shape == (batch_size, decoder, heads, tgt, src)


def test_the_map_of_the_source_is_the_returned_attention(model, batch):
    own = model.maps(batch).source
    if own is None:
        pytest.skip("this variant has no attention")
    if model.joint_attention:
        own = own / own.sum(-1, keepdim=True)
    torch.testing.assert_close(own, model(batch).attention)


def test_rows_of_maps_sum_to_one(model, batch):
    maps, source, target = maps_of(model, batch)
    parts = [(maps.source, target), (maps.target, target), (maps.encoder, source)]
    if model.joint_attention:
        parts[:2] = [(torch.cat([maps.source, maps.target], dim=-1), target)]
        assert (maps.source.sum(-1) < 1).any()
    for weights, rows in parts:
        if weights is not None:
            sums = weights.sum(-1)
            sums = sums[rows[:, None, None].expand_as(sums)]
            torch.testing.assert_close(sums, torch.ones_like(sums))


def test_maps_give_padding_no_weight(model, batch):
    maps, source, target = maps_of(model, batch)
    for weights, rows, columns in (
        (maps.source, target, source),
        (maps.target, target, target),
        (maps.encoder, source, source),
    ):
        if weights is not None:
            to_padding = (rows[:, :, None] & ~columns[:, None])[:, None, None]
            assert (weights[to_padding.expand_as(weights)] == 0).all()


def test_maps_of_a_decoder_do_not_go_to_the_future(autoregressive, section, batch):
    maps = autoregressive.maps(batch)
    if maps.target is not None:
        assert torch.equal(maps.target, maps.target.tril())
        assert (maps.target.diagonal(dim1=-2, dim2=-1) > 0).all()


def test_maps_of_a_causal_source_do_not_go_to_later_words(model, section, batch):
    if section.get("source_mask") != "causal":
        pytest.skip("the source of this variant is not causal")
    encoder = model.maps(batch).encoder
    assert torch.equal(encoder, encoder.tril())


def test_maps_of_a_batch_are_those_of_its_sentences(model, batch):
    maps, source, target = maps_of(model, batch)
    for i in range(3):
        n, m = int(source[i].sum()), int(target[i].sum())
        one = slice(i, i + 1)
        alone = Batch(batch.src[one, :n], batch.tgt_in[one, :m], batch.tgt_out[one, :m], m, PAD)
        for own, all_maps, size in zip(
            model.maps(alone), maps, ((m, n), (m, m), (n, n)), strict=True
        ):
            assert (own is None) == (all_maps is None)
            if own is not None:
                torch.testing.assert_close(own[0], all_maps[i, :, :, : size[0], : size[1]])


def test_attention_is_taken_before_dropout(section, batch):
    rates = {key: 0.5 for key in ("dropout", "attention_dropout") if key in section}
    model = make(section, **rates).train()
    weights = attention_of(model, batch)
    torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))


def test_with_and_without_weights_are_equal(model, batch):
    memory = model.encode(batch.src, batch.src_mask)
    asked, unasked = (model.hidden(batch.tgt_in, memory, weights=w) for w in (True, False))
    torch.testing.assert_close(asked.states, unasked.states)
    assert unasked.attention is None


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_cross_entropy_over_real_tokens(autoregressive, batch, smoothing):
    model = autoregressive
    log_p, expected = model(batch).logits.log_softmax(-1), 0.0
    for i, row in enumerate(batch.tgt_out.tolist()):
        for t, word in enumerate(row):
            if word != PAD:
                own, all_words = log_p[i, t, word], log_p[i, t].mean()
                expected -= (1 - smoothing) * own + smoothing * all_words
    torch.testing.assert_close(model.loss(batch, smoothing), expected)


def test_the_loss_in_evaluation_is_the_negative_log_probability(model, batch):
    log_probability = log_probabilities(model, batch)
    assert log_probability.shape == (3,)
    torch.testing.assert_close(model.loss(batch), -log_probability.sum())


def test_search_returns_the_score_that_the_model_gives(autoregressive, batch):
    model = autoregressive
    search = Beam(beam=3, length_penalty=0.0, max_length=6, length_ratio=2.0, length_extra=2)
    found = search(model, batch.src, batch.src_mask, n_best=3, attention=True)
    for i, hypotheses in enumerate(found):
        assert hypotheses
        for hypothesis in hypotheses:
            words = batch.src[i][batch.src_mask[i]][:-1].tolist()
            forced = collate([(words, hypothesis.tokens)], SPECIAL)
            score = -model.loss(forced).item()
            assert score == pytest.approx(hypothesis.log_probability, abs=1e-4)
            attention = model(forced).attention
            assert (hypothesis.attention is None) == (attention is None)
            if attention is not None:
                torch.testing.assert_close(
                    hypothesis.attention, attention[0], rtol=1e-4, atol=1e-4
                )  # as accurate as the score: a recurrence amplifies rounding errors


def test_save_and_load_change_nothing(section, model, batch, tmp_path):
    save_weights(model, tmp_path / "model.safetensors")
    other = make(section)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    set_weights(other, read_weights(tmp_path / "model.safetensors"), tmp_path)
    assert torch.equal(other(batch).logits, model(batch).logits)


def guided(section: dict[str, Any]) -> tuple[Seq2Seq, int, int]:
    """A model that guided attention supports, with the number of its layers and heads."""
    needs_gradients(section)
    model = make(section)
    if not (model.attention_shape[0] and model.teacher_forced):
        pytest.skip("guided attention does not support this variant")
    return model, *model.attention_shape


def linked(batch: Batch) -> Batch:
    """The batch with random distributions at some of its target tokens."""
    real = batch.src_mask.unsqueeze(1) & (batch.tgt_out != PAD).unsqueeze(2)
    links = torch.rand(real.shape, generator=torch.Generator().manual_seed(1)) * real
    links = links / links.sum(-1, keepdim=True).clamp_min(1e-9)
    links[:, 1] = 0
    return replace(batch, links=links, num_linked=int(links.any(-1).sum()))


def test_the_shape_of_the_attention_is_known(model, batch):
    weights = model(batch).attention
    assert model.attention_shape == ((0, 0) if weights is None else weights.shape[1:3])


def test_guided_attention_is_the_cross_entropy_of_one_head(section, batch):
    """The loss of the translation is the same number as without it."""
    model, layers, heads = guided(section)
    batch = linked(batch)
    weights = model(batch).attention
    for layer, head in product(range(layers), range(heads)):
        loss, found = model.guided_loss(batch, layer, head, 0.1)
        logs = weights[:, layer, head].clamp_min(1e-38).log()
        torch.testing.assert_close(found, -(batch.links * logs).sum())
        assert torch.equal(loss, model.loss(batch, 0.1))


def test_guided_attention_of_a_batch_is_that_of_its_sentences(section, batch):
    model, layers, heads = guided(section)
    batch, total = linked(batch), 0.0
    for i in range(3):
        n, m = int(batch.src_mask[i].sum()), int((batch.tgt_out[i] != PAD).sum())
        one = slice(i, i + 1)
        sides = batch.src[one, :n], batch.tgt_in[one, :m], batch.tgt_out[one, :m]
        alone = Batch(*sides, m, PAD, links=batch.links[one, :m, :n])
        total += model.guided_loss(alone, layers - 1, heads - 1).guided
    wider = replace(
        batch,
        src=torch.nn.functional.pad(batch.src, (0, 3), value=PAD),
        links=torch.nn.functional.pad(batch.links, (0, 3)),
    )
    for given in (batch, wider):
        found = model.guided_loss(given, layers - 1, heads - 1).guided
        torch.testing.assert_close(found, total)
    twice = model.guided_loss(batch.twice(), layers - 1, heads - 1).guided
    torch.testing.assert_close(twice, 2 * total)


def test_guided_attention_is_that_before_dropout(section, batch):
    """Weights after dropout do not sum to one, and some are zero."""
    dropouts = {key: 0.5 for key in section if key.endswith("attention_dropout")}
    if not dropouts:
        pytest.skip("this variant has no dropout of attention weights")
    guided(section)
    model = make(section, **dropouts).train()
    memory = model.encode(batch.src, batch.src_mask)
    _, weights = model.hidden_of_layer(batch.tgt_in, memory, 0)
    torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))


# --- heads switched off ---------------------------------------------------------------------------


def attention_maps(model: Seq2Seq, batch: Batch) -> dict[str, torch.Tensor]:
    """Each map that has edits; with one softmax for source and target, both of them in one."""
    maps = model.maps(batch)
    if model.joint_attention:
        return {"source": torch.cat([maps.source, maps.target], dim=-1)}
    return {name: getattr(maps, name) for name in model.attention_edits()}


def real_rows(name: str, batch: Batch) -> torch.Tensor:
    return batch.src_mask if name == "encoder" else batch.tgt_out != PAD


def test_a_uniform_head_attends_equally_and_the_others_do_as_before(section, batch):
    needs_gradients(section)
    plain = make(section)
    if not plain.attention_edits():
        pytest.skip("this variant has no attention layers")
    before, logits = attention_maps(plain, batch), plain(batch).logits
    for name, layers in plain.attention_edits().items():
        layer, own = len(layers) - 1, layers[-1]
        biased = section.get("positions") == "alibi" and (name != "source" or plain.joint_attention)
        assert before[name].shape[1:3] == (len(layers), own.heads)
        assert (own.uniform is None) == biased
        if biased:
            with pytest.raises(UserError, match="ALiBi"):
                edited(plain, name, "uniform", layer, [0])
            continue
        head, others = own.heads - 1, slice(own.heads - 1)
        model = edited(plain, name, "uniform", layer, [head])
        found, rows = attention_maps(model, batch)[name][:, layer], real_rows(name, batch)
        old = before[name][:, layer]
        columns = (old > 0).float()
        if name == "target":  # the first column is that of BOS and the prefix
            columns[..., 0] *= 1 + len(section.get("target_prefix") or [])
        equal = columns / columns.sum(-1, keepdim=True).clamp_min(1)
        torch.testing.assert_close(found[:, head][rows], equal[:, head][rows])
        for row, keep in enumerate(rows):
            torch.testing.assert_close(found[row, others][:, keep], old[row, others][:, keep])
    assert torch.equal(plain(batch).logits, logits)  # only copies were changed


def layers_of(model: Seq2Seq, name: str) -> list[CachedAttention]:
    """The attention layers of a map, found by their names."""
    part = {"source": "to_source", "target": "to_target", "encoder": "attention"}[name]
    stack = (
        model.layers
        if model.joint_attention
        else getattr(model, "encoder" if name == "encoder" else "decoder")
    )
    return [layer.attention if model.joint_attention else getattr(layer, part) for layer in stack]


def test_a_removed_head_adds_nothing(section, batch, monkeypatch):
    """As if its context vector, in the forward pass, were zero."""
    needs_gradients(section)
    plain = make(section)
    if not plain.attention_edits():
        pytest.skip("this variant has no attention layers")
    logits = plain(batch).logits
    for name, layers in plain.attention_edits().items():
        layer, head = len(layers) - 1, layers[-1].heads - 1
        found = edited(plain, name, "zero", layer, [head])(batch).logits
        assert not torch.allclose(found, logits)
        recurrent = isinstance(plain, RecurrentSource)
        owner = sys.modules[type(plain).__module__] if recurrent else layers_of(plain, name)[layer]
        clean = owner.attend

        def without(*given: Any, clean: Any = clean, part: Any = ... if recurrent else head) -> Any:
            context, weights = clean(*given)
            context = context.clone()
            context[:, part] = 0
            return context, weights

        with monkeypatch.context() as patch:
            patch.setattr(owner, "attend", without)
            torch.testing.assert_close(found, plain(batch).logits)
        assert torch.equal(plain(batch).logits, logits)


def test_every_parameter_learns(section, batch):
    needs_gradients(section)
    model = make(section).train()
    model.loss(batch).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_the_seed_decides_the_initial_weights(section):
    needs_gradients(section)
    sizes = {"source_vocab": VOCAB, "target_vocab": VOCAB, "shared_vocab": False}
    models = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        models.append(build("model", section, **sizes))
    first, same, other = (torch.cat([p.flatten() for p in m.parameters()]) for m in models)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_it_learns_to_reverse(section):
    needs_gradients(section)
    torch.manual_seed(1)
    sizes = {"source_vocab": VOCAB, "target_vocab": VOCAB, "shared_vocab": True}
    wide = {"dim": 32, "embedding": 24, "layers": 1, "readout_dim": 24, "align_dim": 16}
    if (
        section.get("positions") == "alibi"
    ):  # one layer cannot tell two tokens before from two after
        wide["layers"] = 2
    wide |= {"encoder_layers": 1, "decoder_layers": 1}
    model = build("model", section | {k: v for k, v in wide.items() if k in section}, **sizes)
    pairs = [([a, b, c], [c, b, a]) for a, b, c in ((4, 5, 6), (7, 8, 9), (10, 11, 12), (6, 4, 12))]
    # A masked language model learns from a part of each target at a time.
    rate, steps = (1e-2, 200) if isinstance(model, Autoregressive) else (5e-3, 400)
    batch, optimizer = collate(pairs, SPECIAL), torch.optim.Adam(model.parameters(), lr=rate)
    for _ in range(steps):
        loss = model.loss(batch) / batch.num_tokens
        if isinstance(model, Autoregressive) and loss.item() < 0.02:
            break  # it has learned
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    limits = {"max_length": 8, "length_ratio": 2.0, "length_extra": 2}
    search = build("search", search_settings(model.natural_search) | limits)
    found = search.greedy()(model.eval(), batch.src, batch.src_mask)
    assert [group[0].tokens for group in found] == [target for _, target in pairs]


def moved(pairs: list[tuple[list[int], list[int]]]) -> list[tuple[list[int], list[int]]]:
    return [([MOVED[i] for i in source], [MOVED[i] for i in target]) for source, target in pairs]


def with_other_ids(section: dict[str, Any]) -> Seq2Seq:
    """The model of `make` with the vocabulary in another order."""
    other = copy.deepcopy(make(section))
    other.special = OTHER
    if section.get("target_prefix"):
        other.prefix = torch.tensor([MOVED[i] for i in section["target_prefix"]])
    if other.fits:
        pieces = [PIECES[MOVED.index(i)] for i in range(VOCAB)]
        next(other.fit(moved(FITTED), pieces, pieces))
        return other
    rows = (VOCAB, VOCAB + 1) if isinstance(other, MaskedLM) else (VOCAB,)  # + 1: the mask
    with torch.no_grad():
        for parameter in other.parameters():
            if len(parameter) in rows:
                parameter[MOVED] = parameter[:VOCAB].clone()
    return other


class SameDraws(Sample):
    """Sampling with random numbers that do not depend on the ids of the source."""

    def uniform(self, src, mask, n_best, steps):
        return torch.rand(len(src) * n_best, steps, generator=torch.Generator().manual_seed(1))


LIMITS = {"max_length": 6, "length_ratio": 2.0, "length_extra": 2}


def searches(model: Seq2Seq) -> list[Search]:
    """Searches of each kind that decodes the model."""
    if isinstance(model, MaskedLM):
        return [MaskPredict(rounds=3, lengths=2, **LIMITS)]
    beams = [Beam(beam=beam, length_penalty=1.0, **LIMITS) for beam in (1, 3)]
    if model.fits:  # many pieces have exactly the same probability, so draws depend on their order
        return beams
    return [*beams, SameDraws(temperature=1.0, top_k=0, top_p=0.9, seed=1, **LIMITS)]


def test_the_special_ids_may_be_others(section, batch):
    """Output and loss are the same if the vocabulary has another order."""
    model, other = make(section), with_other_ids(section)
    others = collate(moved(PAIRS), OTHER)
    with torch.no_grad():
        expected, found = model(batch), other(others)
    torch.testing.assert_close(found.logits[..., MOVED], expected.logits)
    torch.testing.assert_close(found.attention, expected.attention)
    torch.testing.assert_close(tuple(other.maps(others)), tuple(model.maps(batch)))
    torch.testing.assert_close(log_probabilities(other, others), log_probabilities(model, batch))
    passes = [one.training_pass(own) for one, own in ((model, batch), (other, others))]
    torch.testing.assert_close(passes[1][..., MOVED], passes[0])
    for training in (False, True):
        losses = []
        for one, own in ((model, batch), (other, others)):
            torch.manual_seed(1)  # of the masks in the training of a masked language model
            losses.append(one.train(training).loss(own, 0.1))
        torch.testing.assert_close(losses[1], losses[0])


def test_translations_are_the_same_with_other_special_ids(section, batch):
    model, other = make(section), with_other_ids(section)
    others = collate(moved(PAIRS), OTHER)
    for search in searches(model):
        expected = search(model, batch.src, batch.src_mask)
        found = search(other, others.src, others.src_mask)
        for [one], [own] in zip(found, expected, strict=True):
            assert one.tokens == [MOVED[i] for i in own.tokens]
            assert one.score == pytest.approx(own.score, abs=1e-4)
