"""The parts of the Transformer in combination: one pass against steps, sizes, and refusals."""

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
import torch

from seq2seq.errors import UserError
from seq2seq.layers.cache import SourceCache, nbytes
from seq2seq.models.base import select
from seq2seq.models.transformer_encoder_decoder import TransformerEncoderDecoder
from seq2seq.settings.config_files import model_settings
from seq2seq.settings.plugins import build
from seq2seq.text.batching import Batch, collate
from seq2seq.text.special_ids import SpecialIds

SPECIAL = SpecialIds()
PAD = SPECIAL.pad

WIDTH, HEADS, LAYERS, GROUPS, LATENT, ROTARY = 6, 4, 2, 2, 5, 4
SMALL = {
    "dim": WIDTH * HEADS,
    "heads": HEADS,
    "encoder_layers": 1,
    "decoder_layers": LAYERS,
    "feed_forward": 20,
    "dropout": 0.0,
    "attention_dropout": 0.0,
}
KINDS = {
    "multi_head": {},
    "multi_query": {},
    "grouped_query": {"key_value_heads": GROUPS},
    "latent": {"latent_dim": LATENT},
}
POSITIONS = ["sinusoidal", "learned", "rope", "alibi", "none"]


def make(**keys: Any) -> TransformerEncoderDecoder:
    """A small model whose weights are large enough for every mistake to show."""
    torch.manual_seed(0)
    section = model_settings("transformer") | SMALL | keys
    model = build("model", section, source_vocab=13, target_vocab=13, shared_vocab=False).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


def combination(kind: str, positions: str) -> dict[str, Any]:
    keys = {"attention": kind, "positions": positions, **KINDS[kind]}
    keys |= {"max_positions": 9} if positions == "learned" else {}
    return keys | ({"rotary_dim": ROTARY} if (kind, positions) == ("latent", "rope") else {})


@pytest.fixture
def batch() -> Batch:
    return collate([([5, 6, 7, 8], [9, 10, 11]), ([4, 3], [12]), ([9], [3, 4, 5, 6, 7])], SPECIAL)


@pytest.mark.parametrize(("kind", "positions"), [*product(KINDS, POSITIONS)])
def test_cached_steps_equal_one_pass(kind, positions, batch):
    """And the caches grow by the number of elements that the papers give."""
    model = make(**combination(kind, positions))
    memory = model.encode(batch.src, batch.src_mask)
    whole, state = model.decode(batch.tgt_in, memory), model.start(memory)
    assert nbytes(state) == 0
    elements = {
        "multi_head": 2 * HEADS * WIDTH,
        "grouped_query": 2 * GROUPS * WIDTH,
        "multi_query": 2 * WIDTH,
        "latent": LATENT,
    }[kind]
    assert nbytes(memory.source) == 4 * batch.src.numel() * LAYERS * elements
    elements += ROTARY if (kind, positions) == ("latent", "rope") else 0
    for t, token in enumerate(batch.tgt_in.unbind(1)):
        logits, attention, state = model.step(token, memory, state)
        torch.testing.assert_close(logits, whole.logits[:, t], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(attention, whole.attention[:, :, :, t])
        assert nbytes(state) == 4 * len(token) * (t + 1) * LAYERS * elements


@pytest.mark.parametrize(("kind", "positions"), [*product(KINDS, POSITIONS)])
@pytest.mark.parametrize("mixed", [False, True])
def test_half_precision_trains_and_decodes(kind, positions, mixed, batch, recwarn):
    """In bfloat16 alone, and under autocast, where every cache is in bfloat16."""
    model = make(**combination(kind, positions), normalization="rms")
    model = model if mixed else model.bfloat16()
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        model.loss(batch).backward()
        with torch.no_grad():
            memory = model.encode(batch.src, batch.src_mask)
            whole, state = model.decode(batch.tgt_in, memory), model.start(memory)
            for t, token in enumerate(batch.tgt_in.unbind(1)):
                logits, _, state = model.step(token, memory, state)
                torch.testing.assert_close(logits, whole.logits[:, t], atol=0.3, rtol=0.05)
    assert {part.dtype for cache in (*state, *memory.source) for part in cache} == {torch.bfloat16}
    assert not recwarn.list


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "latent"])
def test_one_source_for_all_layers_changes_no_number(kind, batch):
    """With a beam, with padding, and after the search has dropped a sentence."""
    model, token = make(attention=kind, **KINDS[kind]), torch.tensor([5, 6, 7, 8])
    beam, kept, logits = torch.arange(3).repeat_interleave(2), torch.tensor([0, 2]), []
    for cache in ("keys", "source"):
        model.cross_attention_cache = cache
        memory = model.encode(batch.src, batch.src_mask)
        _, _, state = model.step(beam + 3, memory, select(model.start(memory), beam))
        memory, state = select(memory, kept), select(state, torch.tensor([0, 0, 4, 5]))
        logits.append(model.step(token, memory, state))
    (source,) = memory.source
    assert isinstance(source, SourceCache)
    assert nbytes(source) == 4 * 2 * batch.src.size(1) * WIDTH * HEADS
    torch.testing.assert_close(logits[0][:2], logits[1][:2], atol=1e-4, rtol=1e-4)


def test_the_weights_are_the_same_for_both_caches():
    models = [make(cross_attention_cache=cache) for cache in ("keys", "source")]
    assert [*models[0].state_dict()] == [*models[1].state_dict()]
    assert all(map(torch.equal, *(model.parameters() for model in models)))


def test_without_positions_the_encoder_ignores_the_order(batch):
    for positions in POSITIONS:
        model = make(**combination("multi_head", positions))
        logits = [
            model(replace(batch, src=src)).logits[0]
            for src in (batch.src, batch.src[:, [3, 1, 0, 2, 4]])
        ]
        assert torch.allclose(*logits, atol=1e-4) == (positions == "none")


def test_no_bias_is_none_anywhere():
    names = [name for name, _ in make(bias=False).named_parameters()]
    assert [name for name in names if "bias" in name] == []
    assert "bias" not in make(bias=False).state_dict()
    assert len(names) < len([*make().parameters()])


def test_the_presets_have_about_as_many_parameters():
    counts = []
    for name in ("transformer", "transformer_modern"):
        sizes = {"source_vocab": 8000, "target_vocab": 8000, "shared_vocab": True}
        counts.append(build("model", model_settings(name), **sizes).parameter_count)
    assert counts[1] == pytest.approx(counts[0], rel=0.02)


def test_a_sequence_beyond_the_learned_positions_is_refused(batch):
    model = make(positions="learned", max_positions=5)
    memory = model.encode(batch.src, batch.src_mask)
    with pytest.raises(UserError, match=r"6 tokens is longer than model\.max_positions=5"):
        model.decode(batch.tgt_in, memory)
    state = model.start(memory)
    for _ in range(5):
        state = model.step(torch.tensor([4, 5, 6]), memory, state).state
    with pytest.raises(UserError, match="6 tokens"):
        model.step(torch.tensor([4, 5, 6]), memory, state)
    with pytest.raises(UserError, match="7 tokens"):
        model.encode(torch.full((1, 7), 5), torch.ones(1, 7, dtype=torch.bool))
    assert PAD not in batch.src[0]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"heads": 5}, "model.dim=24 must be a multiple of model.heads=5"),
        ({"attention": "grouped_query"}, "needs model.key_value_heads, a divisor of model.heads=4"),
        (
            {"attention": "grouped_query", "key_value_heads": 3},
            "model.heads=4 must be a multiple of model.key_value_heads=3",
        ),
        (
            {"attention": "grouped_query", "key_value_heads": 8},
            "model.heads=4 must be a multiple of model.key_value_heads=8",
        ),
        ({"key_value_heads": 2}, "key_value_heads=2 has no effect with model.attention=multi_head"),
        (
            {"attention": "multi_query", "key_value_heads": 1},
            "key_value_heads=1 has no effect with model.attention=multi_query",
        ),
        ({"latent_dim": 8}, "model.latent_dim=8 has no effect with model.attention=multi_head"),
        ({"query_latent_dim": 8}, "query_latent_dim=8 has no effect"),
        ({"positions": "rope", "rotary_dim": 2}, "no effect with model.attention=multi_head"),
        (
            {"attention": "latent", "rotary_dim": 2},
            "no effect with model.positions=sinusoidal: remove it, or set model.positions=rope",
        ),
        (
            {"attention": "latent", "positions": "rope", "rotary_dim": 3},
            "model.rotary_dim=3 must be even",
        ),
        ({"max_positions": 8}, "no effect with model.positions=sinusoidal"),
        ({"positions": "learned"}, "needs model.max_positions"),
        ({"positions": "rope", "heads": 8}, "even width, but model.dim=24 / model.heads=8 is 3"),
        ({"dim": 25, "heads": 5}, "model.dim=25 must be even"),
        (
            {"target_prefix": [2, 99]},
            "target_prefix has the id 99",
        ),
        ({"target_prefix": [2] * 17}, "target_prefix must have at most 16 ids"),
        (
            {"positions": "fairseq", "dim": 2, "heads": 1},
            "dim=2 must be even and at least 4",
        ),
        (
            {"attention": "latent", "cross_attention_cache": "source"},
            "cross_attention_cache=source cannot be combined with model.attention=latent",
        ),
        ({"attention": "multihead"}, "did you mean 'multi_head'"),
        ({"positions": "rotary"}, "model.positions=rotary is unknown"),
    ],
)
def test_keys_that_do_not_fit_are_refused_in_one_sentence(keys, message):
    with pytest.raises(UserError) as refused:
        make(**keys)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("positions", ["learned", "rope", "alibi", "none"])
def test_an_odd_width_is_refused_for_sines_and_cosines_alone(positions):
    keys = {"max_positions": 9} if positions == "learned" else {}
    if positions == "rope":
        keys = {"heads": 1, "dim": 26}
    make(**{"dim": 25, "heads": 5, "positions": positions} | keys)
