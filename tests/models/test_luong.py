"""Luong's attention against loops over the formulas of the paper."""

import math
from itertools import product
from typing import Any

import pytest
import torch

from seq2seq.errors import UserError
from seq2seq.models.luong import Luong
from seq2seq.search.beam import Beam
from seq2seq.settings.config_files import model_settings
from seq2seq.settings.plugins import build
from seq2seq.text.batching import Batch, collate
from seq2seq.text.special_ids import SpecialIds

SPECIAL = SpecialIds()

SMALL = {"dim": 6, "embedding": 4, "layers": 2, "dropout": 0.0}
SIZES = {"source_vocab": 13, "target_vocab": 13, "shared_vocab": False}
SCORES = pytest.mark.parametrize("score", ["dot", "general", "concat"])


def make(**choices: Any) -> Luong:
    torch.manual_seed(0)
    model = build("model", model_settings("luong") | SMALL | choices, **SIZES).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.5)  # 0.1 sqrt(1000 / 6) is 1.3
    return model


@pytest.fixture
def batch() -> Batch:
    return collate([([5, 6, 7, 8], [9, 10, 11]), ([4, 3], [12]), ([9], [3, 4, 5, 6, 7])], SPECIAL)


def score_by_hand(model: Luong, kind: str, h_t: list[float], h_s: list[float]) -> float:
    if kind == "dot":
        return sum(t * s for t, s in zip(h_t, h_s, strict=True))
    if kind == "general":
        matrix = model.score.key.weight.tolist()
        return sum(
            t * matrix[i][j] * s for (i, t), (j, s) in product(enumerate(h_t), enumerate(h_s))
        )
    w_t, w_s = model.score.query.weight.tolist(), model.score.key.weight.tolist()
    (v,) = model.score.energy.weight.tolist()
    total = 0.0
    for i, energy in enumerate(v):  # W_a [h_t; h_s], with the columns of both beside each other
        row, both = w_t[i] + w_s[i], h_t + h_s
        total += energy * math.tanh(sum(w * x for w, x in zip(row, both, strict=True)))
    return total


@SCORES
@pytest.mark.parametrize("feeding", [True, False])
def test_attention_is_that_of_the_paper_in_loops(batch, score, feeding):
    model = make(score=score, input_feeding=feeding)
    memory = model.encode(batch.src, batch.src_mask)
    found = model.hidden(batch.tgt_in, memory)
    embedded, zeros = model.target(batch.tgt_in), torch.zeros(1, 1, model.dim).double()
    for b in range(3):
        state, fed = memory.last[b : b + 1], zeros
        real = int(batch.src_mask[b].sum())
        for t in range(batch.tgt_in.size(1)):
            word = embedded[b : b + 1, t : t + 1]
            inputs = torch.cat([word, fed], dim=-1) if feeding else word
            h_t, state = model.decoder(inputs, state)
            h_t, h_s = h_t[0, 0], memory.states[b]
            powers = [
                math.exp(score_by_hand(model, score, h_t.tolist(), h_s[s].tolist()))
                for s in range(real)
            ]
            a_t = [power / sum(powers) for power in powers]
            c_t = sum(a * h_s[s] for s, a in enumerate(a_t))
            h_tilde = torch.tanh(model.combine.weight @ torch.cat([c_t, h_t]))
            torch.testing.assert_close(found.attention[b, 0, 0, t, :real].tolist(), a_t)
            torch.testing.assert_close(found.states[b, t], h_tilde)
            fed = h_tilde.view(1, 1, -1)


@SCORES
def test_without_input_feeding_one_pass_equals_a_loop(batch, score):
    model = make(score=score, input_feeding=False)
    memory = model.encode(batch.src, batch.src_mask)
    state, states = model.start(memory), []
    for token in model.target(batch.tgt_in).split(1, dim=1):
        output, state = model.advance(token, memory, state)
        states.append(output.states)
    torch.testing.assert_close(torch.cat(states, dim=1), model.hidden(batch.tgt_in, memory).states)


def test_input_feeding_with_zero_weights_is_the_model_without(batch):
    """The two forms differ only in the columns of the recurrent input that read h~_(t-1)."""
    fed, unfed = make(input_feeding=True), make(input_feeding=False)
    weights = fed.state_dict()
    name = "decoder.network.weight_ih_l0"
    with torch.no_grad():
        fed.decoder.network.weight_ih_l0[:, SMALL["embedding"] :] = 0
    unfed.load_state_dict({**weights, name: weights[name][:, : SMALL["embedding"]]})
    torch.testing.assert_close(fed(batch).logits, unfed(batch).logits)


def test_the_first_token_is_fed_zeros(batch):
    model = make()
    state = model.start(model.encode(batch.src, batch.src_mask))
    assert (state.attentional == 0).all()


def test_the_decoder_starts_from_the_final_encoder_states(batch):
    model = make(layers=1)
    memory = model.encode(batch.src, batch.src_mask)
    for b in range(3):
        last = memory.states[b, int(batch.src_mask[b].sum()) - 1]
        torch.testing.assert_close(memory.last[b, 0, : model.dim], last)


def test_both_directions_begin_the_decoder_as_hidden_and_cell_states(batch):
    model = make(bidirectional=True, encoder_dim=3, layers=1, score="dot")
    memory = model.encode(batch.src, batch.src_mask)
    for b in range(3):
        end = int(batch.src_mask[b].sum()) - 1
        forward, backward = memory.states[b, end, :3], memory.states[b, 0, 3:]
        torch.testing.assert_close(memory.last[b, 0, :6], torch.cat([forward, backward]))


def test_a_reversed_source_keeps_its_order_in_the_attention(batch):
    """The state of a source token comes from the tokens after it, not from those before it."""
    model = make(reverse=True)
    changed = batch.src.clone()
    changed[0, 2] = 12
    states = [model.encode(src, batch.src_mask).states[0] for src in (batch.src, changed)]
    moved = (states[0] != states[1]).any(-1)
    assert moved.tolist() == [True, True, True, False, False]


def test_the_rows_of_a_beam_feed_their_own_attentional_states(batch):
    model = make().float()
    found = Beam(beam=4, length_penalty=0.0, max_length=6, length_ratio=2.0, length_extra=2)(
        model, batch.src, batch.src_mask, n_best=4
    )
    for i, hypotheses in enumerate(found):
        words = batch.src[i][batch.src_mask[i]][:-1].tolist()
        for hypothesis in hypotheses:
            score = -model.loss(collate([(words, hypothesis.tokens)], SPECIAL)).item()
            assert score == pytest.approx(hypothesis.log_probability, abs=1e-4)


@pytest.mark.parametrize(("dim", "bound"), [(1000, 0.1), (40, 0.5)])
def test_all_weights_are_initialized_as_in_the_paper_at_its_size(dim, bound):
    model = build("model", model_settings("luong") | {"dim": dim, "embedding": 16}, **SIZES)
    weights = torch.cat([weight.flatten() for weight in model.parameters()])
    assert weights.abs().max().item() == pytest.approx(bound, rel=1e-3)
    assert weights.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"score": "dot", "encoder_dim": 5}, "same size, but they have 5 and 6 units"),
        ({"score": "dot", "bidirectional": True}, "same size, but they have 12 and 6 units"),
        ({"score": "dott"}, "did you mean 'dot'"),
    ],
)
def test_what_does_not_fit_is_refused(choices, message):
    with pytest.raises(UserError, match=message) as refusal:
        make(**choices)
    assert "\n" not in str(refusal.value)
