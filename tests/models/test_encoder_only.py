"""The encoder alone as a translator: what it sees, what it learns from, what its loss is."""

from typing import Any

import pytest
import torch

from seq2seq.errors import UserError
from seq2seq.layers.loss import cross_entropy
from seq2seq.models.encoder_only import EncoderOnly
from seq2seq.settings.config_files import model_settings
from seq2seq.settings.plugins import build
from seq2seq.text.batching import Batch, collate
from seq2seq.text.masking import random_counts, random_masks, real_tokens
from seq2seq.text.special_ids import SpecialIds

SPECIAL = SpecialIds()
EOS, PAD = SPECIAL.eos, SPECIAL.pad

SMALL = {"dim": 16, "heads": 2, "layers": 2, "feed_forward": 24, "dropout": 0.0}
SMALL |= {"attention_dropout": 0.0, "largest_offset": 3}
PAIRS = [([5, 6, 7, 8], [9, 10, 11]), ([4, 3], [12]), ([9], [3, 4, 5, 6, 7, 8, 9])]


def make(*, shared: bool = True, **changes: Any) -> EncoderOnly:
    torch.manual_seed(1)
    section = model_settings("encoder_only") | SMALL | changes
    sizes = {"source_vocab": 13 if shared else 17, "target_vocab": 13}
    model = build("model", section, **sizes, shared_vocab=shared)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.2)
    return model.eval()


@pytest.fixture
def batch() -> Batch:
    return collate(PAIRS, SPECIAL)


@pytest.mark.parametrize("target_positions", ["restart", "continue"])
@torch.no_grad()
def test_a_masked_position_sees_both_sides_and_the_source(target_positions):
    model = make(target_positions=target_positions)
    src = torch.tensor([[5, 6, EOS]])
    memory = model.encode(src, src != PAD)
    tgt = torch.tensor([[9, model.special.mask, 11, EOS]])
    base = model.fill(tgt, memory).states[:, 1]
    for place, other in ((0, 8), (2, 8)):
        changed = tgt.clone()
        changed[0, place] = other
        assert not torch.allclose(model.fill(changed, memory).states[:, 1], base, atol=1e-4)
    for place in range(2):
        changed = src.clone()
        changed[0, place] = 12
        memory = model.encode(changed, src != PAD)
        assert not torch.allclose(model.fill(tgt, memory).states[:, 1], base, atol=1e-4)


@pytest.mark.parametrize("target_positions", ["restart", "continue"])
@torch.no_grad()
def test_padding_of_either_side_changes_nothing(batch, target_positions):
    model = make(target_positions=target_positions)
    memory = model.encode(batch.src, batch.src_mask)
    tgt = batch.tgt_out.masked_fill(batch.tgt_out == 9, model.special.mask)
    together = model.fill(tgt, memory)
    for i, (source, target) in enumerate(PAIRS):
        src, n = torch.tensor([[*source, EOS]]), len(target) + 1
        alone = model.fill(tgt[i : i + 1, :n], model.encode(src, src != PAD))
        torch.testing.assert_close(together.states[i, :n], alone.states[0])
        torch.testing.assert_close(
            together.attention[i, :, :, :n, : len(source) + 1], alone.attention[0]
        )


@torch.no_grad()
def test_the_map_of_a_token_does_not_depend_on_it_and_that_of_the_encoder_on_none(batch):
    model = make()
    base = model.maps(batch)
    for place in range(3):
        changed = collate([(source, list(target)) for source, target in PAIRS], SPECIAL)
        changed.tgt_in[0, place + 1] = changed.tgt_out[0, place] = 12
        maps = model.maps(changed)
        torch.testing.assert_close(maps.encoder, base.encoder)
        for own, before in ((maps.source, base.source), (maps.target, base.target)):
            torch.testing.assert_close(own[0, :, :, place], before[0, :, :, place])
            assert not torch.allclose(own[0, 1, :, 3], before[0, 1, :, 3], atol=1e-4)  # of `</s>`


@torch.no_grad()
def test_the_map_at_the_end_is_that_of_a_pass_without_a_mask(batch):
    model = make()
    maps, n = model.maps(batch), batch.src.size(1)
    _, attentions = model.read(batch.tgt_out, model.encode(batch.src, batch.src_mask), True)
    weights = torch.stack(attentions, dim=1)
    for i, (_, target) in enumerate(PAIRS):
        torch.testing.assert_close(
            torch.cat([maps.source, maps.target], dim=-1)[i, :, :, len(target)],
            weights[i, :, :, n + len(target)],
        )


@torch.no_grad()
def test_no_position_sees_the_token_that_it_predicts(batch):
    model = make()
    memory = model.encode(batch.src, batch.src_mask)
    base = model.hidden(batch.tgt_in, memory).states
    for place in range(3):
        changed = batch.tgt_in.clone()
        changed[0, place + 1] = 12
        states = model.hidden(changed, memory).states
        torch.testing.assert_close(states[0, place], base[0, place])
        others = [other for other in range(3) if other != place]
        assert not torch.allclose(states[0, others], base[0, others], atol=1e-4)


@torch.no_grad()
def test_the_pseudo_log_likelihood_masks_each_token_alone(batch):
    """Salazar et al. (2020), equation 1, as a loop."""
    model = make()
    memory = model.encode(batch.src, batch.src_mask)
    scores = model.log_probability(model.hidden(batch.tgt_in, memory).states, batch, memory)
    for i, (source, target) in enumerate(PAIRS):
        src = torch.tensor([[*source, EOS]])
        own, expected = model.encode(src, src != PAD), 0.0
        for place, word in enumerate(target):
            masked = [*target[:place], model.special.mask, *target[place + 1 :], EOS]
            states = model.fill(torch.tensor([masked]), own).states
            expected += model.project(states)[0, place].log_softmax(-1)[word].item()
        offset = max(-3, min(3, len(target) - len(source)))
        expected += own.offsets[0].log_softmax(-1)[offset + 3].item()
        assert scores[i].item() == pytest.approx(expected, abs=1e-4)


def test_a_uniform_number_of_tokens_from_one_to_all_is_masked():
    torch.manual_seed(0)
    real = torch.arange(6) < torch.tensor([[4]] * 4000 + [[1]] * 10 + [[0]] * 10)
    masked = random_masks(real, random_counts(real.sum(1)))
    assert not (masked & ~real).any()
    counts = masked.sum(1)
    assert counts[4000:4010].tolist() == [1] * 10
    assert counts[4010:].tolist() == [0] * 10
    shares = counts[:4000].bincount(minlength=5) / 4000
    torch.testing.assert_close(shares, torch.tensor([0, 0.25, 0.25, 0.25, 0.25]), atol=0.03, rtol=0)
    places = masked[:4000, :4].float().mean(0)
    torch.testing.assert_close(places, torch.full((4,), 0.625), atol=0.03, rtol=0)


def test_the_training_loss_is_the_mean_over_masked_tokens_and_lengths(batch):
    model = make().train()
    torch.manual_seed(5)
    loss = model.loss(batch, 0.1)
    torch.manual_seed(5)
    real = real_tokens(batch.tgt_out, SPECIAL)
    masked = random_masks(real, random_counts(real.sum(1)))
    memory = model.encode(batch.src, batch.src_mask)
    tgt = batch.tgt_out.masked_fill(masked, model.special.mask)
    states = model.fill(tgt, memory).states[masked]
    tokens = cross_entropy(states, *model.output_layer, batch.tgt_out[masked], 0.1) / masked.sum()
    length = -model.true_length_log_p(batch, memory).mean()
    torch.testing.assert_close(loss, (tokens + 0.1 * length) * batch.num_tokens)


def test_training_masks_follow_the_generator_and_evaluation_needs_none(batch):
    model, losses = make().train(), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        losses.append(model.loss(batch).item())
    assert losses[0] == losses[1] != losses[2]
    model.eval()
    assert model.loss(batch).item() == model.loss(batch).item()


@torch.no_grad()
def test_the_probabilities_of_the_lengths_sum_to_one_under_every_cap(batch):
    model = make()
    memory = model.encode(batch.src, batch.src_mask)
    for caps in ([9, 9, 9], [1, 2, 3]):
        p = model.length_log_p(memory, torch.tensor(caps)).exp()
        torch.testing.assert_close(p.sum(1), torch.ones(3))
        assert p.shape == (3, max(caps) + 1)
        for row, cap in zip(p, caps, strict=True):
            assert row[0] == 0
            assert (row[cap + 1 :] == 0).all()


def test_the_mask_is_an_input_only():
    model = make(shared=False)
    assert model.special.mask == 13
    assert model.target.num_embeddings == 14
    assert model.output_layer.weight.shape == (13, 16)


@pytest.mark.parametrize("target", [[], [12]])
def test_a_target_without_or_with_one_token_has_a_loss_and_gradients(target):
    model, batch = make().train(), collate([([5, 6], target)], SPECIAL)
    loss = model.loss(batch)
    loss.backward()
    assert loss.isfinite()
    assert model.eval().loss(batch).isfinite()


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"positions": "none"}, "model.positions=none cannot be used"),
        ({"heads": 3}, "model.dim=16 must be a multiple of model.heads=3"),
        ({"largest_offset": -1}, "model.largest_offset=-1 must be at least 0"),
        ({"length_weight": 0}, "model.length_weight=0.0 must be above 0"),
        ({"target_positions": "other"}, "model.target_positions=other is unknown"),
        ({"positions": "learned"}, "needs model.max_positions"),
    ],
)
def test_values_that_do_not_fit_are_refused(changes, part):
    with pytest.raises(UserError, match=part.replace(".", r"\.")):
        make(**changes)


def test_a_sentence_beyond_the_learned_positions_is_refused():
    model = make(positions="learned", max_positions=7, target_positions="continue")
    with pytest.raises(UserError, match=r"model\.max_positions=7"):
        model(collate(PAIRS, SPECIAL))
