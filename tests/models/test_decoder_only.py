"""The decoder alone as a translator: one sequence of source and target."""

from typing import Any

import pytest
import torch

from seq2seq.errors import UserError
from seq2seq.layers.transformer import SelfAttentionInputs
from seq2seq.models.decoder_only import DecoderOnly
from seq2seq.settings.config_files import model_settings
from seq2seq.settings.plugins import build
from seq2seq.text.batching import collate
from seq2seq.text.special_ids import SpecialIds

SPECIAL = SpecialIds()

SIZES = {"source_vocab": 13, "target_vocab": 13, "shared_vocab": True}
SMALL = {"dim": 16, "heads": 2, "layers": 2, "feed_forward": 24, "dropout": 0.0}
PAIRS = [([5, 6, 7, 8], [9, 10, 11]), ([4, 3], [12]), ([9], [3, 4, 5, 6, 7])]


def make(**changes: Any) -> DecoderOnly:
    torch.manual_seed(1)
    section = model_settings("decoder_only") | SMALL | {"attention_dropout": 0.0} | changes
    return build("model", section, **SIZES).eval()


def one_pass(
    model: DecoderOnly, source: list[int], target: list[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """The target's logits from one pass over the whole sequence, without any cache.

    The second result is the attention between all positions of the sequence.
    """
    n, m = len(source), len(target)
    visible = torch.ones(n + m, n + m, dtype=torch.bool).tril()
    if not model.causal_source:
        visible[:n, :n] = True
    first = 0 if model.restart else n
    places = torch.tensor([[*range(n), *range(first, first + m)]])
    src, tgt = torch.tensor([source]), torch.tensor([target])
    after = model.embed(model.target, model.segment, tgt, places[:, n:], n + m)
    x = torch.cat([model.embed_source(src), after], dim=1)
    width = model.stack[0].attention.rotary_width
    inputs = SelfAttentionInputs.make(model.parts, width, visible[None], places, places)
    attentions = []
    for layer in model.stack:
        (x, attention), _ = layer(x, None, inputs, weights=True)
        attentions.append(attention[0])
    return model.project(model.norm(x))[0, n:], torch.stack(attentions)


every_kind = pytest.mark.parametrize(
    "changes",
    [
        {},
        {"source_mask": "causal"},
        {"target_positions": "continue"},
        {"target_positions": "continue", "positions": "rope"},
        {"positions": "alibi", "attention": "multi_query"},
        {"target_positions": "continue", "positions": "learned", "max_positions": 20},
        {"positions": "rope", "attention": "latent"},
    ],
    ids=str,
)


@every_kind
def test_a_cached_source_equals_one_pass(changes):
    model, batch = make(**changes), collate(PAIRS, SPECIAL)
    logits = model(batch).logits
    for i, (source, target) in enumerate(PAIRS):
        whole, _ = one_pass(model, [*source, 2], [1, *target])
        torch.testing.assert_close(logits[i, : len(target) + 1], whole)


@every_kind
def test_maps_are_the_parts_of_the_attention_of_one_pass(changes):
    model, batch = make(**changes), collate(PAIRS, SPECIAL)
    maps = model.maps(batch)
    for i, (source, target) in enumerate(PAIRS):
        n, m = len(source) + 1, len(target) + 1
        _, whole = one_pass(model, [*source, 2], [1, *target])
        torch.testing.assert_close(maps.encoder[i, :, :, :n, :n], whole[..., :n, :n])
        torch.testing.assert_close(maps.source[i, :, :, :m, :n], whole[..., n:, :n])
        torch.testing.assert_close(maps.target[i, :, :, :m, :m], whole[..., n:, n:])


@pytest.mark.parametrize("mask", ["full", "causal"])
def test_only_a_full_mask_shows_later_source_tokens(mask):
    model = make(source_mask=mask)
    real = torch.ones(1, 4, dtype=torch.bool)
    first, second = (
        model.encode(torch.tensor([[5, 6, last, 2]]), real).source[-1][0][:, :2] for last in (7, 8)
    )
    assert torch.allclose(first, second) is (mask == "causal")


def test_the_loss_on_both_adds_that_of_the_source_in_training_only():
    both, target = (make(source_mask="causal", loss_on=on) for on in ("both", "target"))
    batch = collate(PAIRS, SPECIAL)
    torch.testing.assert_close(both.loss(batch), target.loss(batch))
    expected = target.loss(batch)
    for source, _ in PAIRS:
        ids = torch.tensor([[*source, 2]])
        states, *_ = target.read_source(target.embed_source(ids), ids > 0)
        log_p = (states[0] @ target.source.weight.T).log_softmax(-1)
        expected -= sum(log_p[t, word] for t, word in enumerate(ids[0, 1:].tolist()))
    torch.testing.assert_close(both.train().loss(batch), expected)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"loss_on": "both"}, "model.loss_on=both needs model.source_mask=causal"),
        ({"positions": "none", "target_positions": "continue"}, "target_positions=continue"),
        ({"heads": 3}, "model.dim=16 must be a multiple of model.heads=3"),
        ({"key_value_heads": 2}, "no effect with model.attention=multi_head"),
    ],
)
def test_what_does_not_fit_together_is_one_sentence(changes, part):
    with pytest.raises(UserError, match=part):
        make(**changes)


def test_padding_needs_no_learned_positions():
    model = make(positions="learned", max_positions=7, target_positions="continue")
    pairs = [([5, 6, 7, 8], [9]), ([4], [12, 3, 4])]  # the sum of the padded lengths is 9
    alone = [model(collate([pair], SPECIAL)).logits[0] for pair in pairs]
    for together, one in zip(model(collate(pairs, SPECIAL)).logits, alone, strict=True):
        torch.testing.assert_close(together[: len(one)], one)


def test_a_sequence_longer_than_its_positions_is_one_sentence():
    model = make(positions="learned", max_positions=6, target_positions="continue")
    with pytest.raises(UserError, match=r"model\.max_positions=6"):
        model(collate(PAIRS, SPECIAL))
