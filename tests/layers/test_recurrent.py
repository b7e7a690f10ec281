"""The shared layers and dropout: by law, then against loops over the papers' formulas."""

import math

import pytest
import torch
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence

from seq2seq.layers.deep_output import DeepOutput
from seq2seq.layers.dropout import Dropout
from seq2seq.layers.paper_initialization import Embedding
from seq2seq.layers.recurrent import PARTS, Cell, Recurrence, flip

KINDS = pytest.mark.parametrize("kind", ["gru", "lstm", "tanh"])
LENGTHS = [2, 5, 1]
MASK = torch.arange(5) < torch.tensor(LENGTHS).unsqueeze(1)
MANY = 100_001  # not a multiple of eight


def shaken(module: torch.nn.Module) -> torch.nn.Module:
    """The module with weights large enough for every mistake to show."""
    torch.manual_seed(0)
    for weight in module.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    return module.eval()


@KINDS
def test_a_cell_stepped_over_a_sequence_is_a_recurrence(kind):
    whole = shaken(Recurrence(kind, 4, 3, layers=1, dropout=0.0))
    cell, network = Cell(kind, 3), whole.network
    cell.recurrent.load_state_dict({"weight": network.weight_hh_l0, "bias": network.bias_hh_l0})
    x, state = torch.randn(2, 5, 4), torch.randn(2, 3 * PARTS[kind])
    states, last = whole(x, state.unsqueeze(1))
    for t, inputs in enumerate(F.linear(x, network.weight_ih_l0, network.bias_ih_l0).unbind(1)):
        state = cell(inputs, state)
        torch.testing.assert_close(state[:, :3], states[:, t])
    torch.testing.assert_close(state, last[:, 0])


@KINDS
@pytest.mark.parametrize("both", [False, True])
def test_reading_a_batch_is_reading_each_sentence_alone(kind, both):
    layer = shaken(Recurrence(kind, 4, 3, layers=2, dropout=0.0, bidirectional=both))
    x = torch.randn(3, 5, 4)
    states, last = layer.read(x, MASK)
    assert last.shape == (3, 2, 1 + both, 3 * PARTS[kind])
    for i, n in enumerate(LENGTHS):
        alone = layer.read(x[i : i + 1, :n], MASK[i : i + 1, :n])
        torch.testing.assert_close(alone[0][0], states[i, :n])
        torch.testing.assert_close(alone[1][0], last[i])
        assert (states[i, n:] == 0).all()


@KINDS
@pytest.mark.parametrize("both", [False, True])
def test_reading_in_steps_is_reading(kind, both):
    layer = shaken(Recurrence(kind, 4, 3, layers=2, dropout=0.0, bidirectional=both))
    x = torch.randn(3, 5, 4)
    found = layer.read(x, MASK, static=True)
    torch.testing.assert_close(found, layer.read(x, MASK))


@KINDS
@pytest.mark.parametrize("both", [False, True])
def test_layer_by_layer_is_the_whole_network(kind, both):
    layer = shaken(Recurrence(kind, 4, 3, layers=3, dropout=0.5, bidirectional=both))
    x, zero = torch.randn(3, 5, 4), torch.zeros(3 * (1 + both), 3, 3)
    state = (zero + 0.1, zero - 0.2) if kind == "lstm" else zero + 0.1
    torch.testing.assert_close(layer._run_layers(x, state), layer.network(x, state))
    packed = pack_padded_sequence(x, [5, 4, 2], batch_first=True)
    (found, last), (states, expected) = layer._run_layers(packed, None), layer.network(packed)
    torch.testing.assert_close((found.data, last), (states.data, expected))
    layer.train()
    first, second = (layer._run_layers(packed, None)[0].data for _ in range(2))
    assert not first.equal(second) and not first.equal(found.data)


@KINDS
def test_reading_begins_from_a_zero_state(kind):
    layer = shaken(Recurrence(kind, 4, 3, layers=2, dropout=0.0))
    x, zero = torch.randn(3, 5, 4), torch.zeros(3, 2, 3 * PARTS[kind])
    states, last = layer.read(x, torch.ones(3, 5, dtype=torch.bool))
    torch.testing.assert_close((states, last.squeeze(2)), layer(x, zero))


def test_each_direction_ends_where_the_other_begins():
    layer = shaken(Recurrence("gru", 4, 3, layers=2, dropout=0.0, bidirectional=True))
    states, last = layer.read(torch.randn(3, 5, 4), MASK)
    for i, n in enumerate(LENGTHS):
        assert torch.equal(last[i, 1, 0], states[i, n - 1, :3])
        assert torch.equal(last[i, 1, 1], states[i, 0, 3:])


@KINDS
def test_a_sequence_may_be_read_in_two_parts(kind):
    layer = shaken(Recurrence(kind, 4, 3, layers=2, dropout=0.0))
    x, state = torch.randn(2, 5, 4), torch.randn(2, 2, 3 * PARTS[kind])
    whole, last = layer(x, state)
    early, state = layer(x[:, :2], state)
    late, state = layer(x[:, 2:], state)
    torch.testing.assert_close((torch.cat([early, late], 1), state), (whole, last))


@KINDS
def test_recurrent_matrices_begin_orthogonal_gate_by_gate(kind):
    for weight in (
        Recurrence(kind, 4, 3, layers=1, dropout=0.0).network.weight_hh_l0,
        Cell(kind, 3).recurrent.weight,
    ):
        for gate in weight.split(3):
            torch.testing.assert_close(gate @ gate.T, torch.eye(3))


def test_maxout_takes_the_larger_of_each_pair():
    output = shaken(DeepOutput("maxout", 6, 4, vocab=9, dropout=0.0))
    state, word = torch.randn(2, 4), torch.randn(2, 2)
    found = output(state, word)
    for b in range(2):
        mixed = output.mix.weight @ torch.cat([state[b], word[b]]) + output.mix.bias
        for i in range(4):
            torch.testing.assert_close(found[b, i], max(mixed[2 * i], mixed[2 * i + 1]))


def test_the_tanh_readout_squashes_each_number():
    output = shaken(DeepOutput("tanh", 6, 4, vocab=9, dropout=0.0))
    known = torch.randn(2, 3, 6)
    expected = (known @ output.mix.weight.T + output.mix.bias).tanh()
    torch.testing.assert_close(output(known), expected)


def test_flip_turns_each_sentence_round_and_leaves_its_padding():
    src = torch.tensor([[4, 5, 2, 0, 0], [6, 7, 8, 9, 2], [2, 0, 0, 0, 0]])
    expected = [[2, 5, 4, 0, 0], [2, 9, 8, 7, 6], [2, 0, 0, 0, 0]]
    vectors = torch.stack([src, -src], dim=-1).float()
    assert flip(vectors, src != 0)[:, :, 0].tolist() == expected
    assert flip(vectors, src != 0)[:, :, 1].neg().tolist() == expected


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.9])
def test_dropout_forgets_its_share_and_keeps_the_mean(p):
    torch.manual_seed(0)
    dropped = Dropout(p)(torch.ones(MANY))
    share = round(p * 256) / 256
    zeros = (dropped == 0).double()
    assert zeros.mean().item() == pytest.approx(share, abs=5 * math.sqrt(share / MANY))
    assert dropped.mean().item() == pytest.approx(1, abs=5 * (1 / (1 - share) / MANY) ** 0.5)
    assert dropped.unique().tolist() == pytest.approx([0, 1 / (1 - share)])


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.9])
def test_a_mask_keeps_every_byte_from_the_threshold_on(p, monkeypatch):
    every = torch.arange(256, dtype=torch.uint8)
    monkeypatch.setattr(torch.Tensor, "random_", lambda words, *_: every.view(torch.int64))
    threshold = round(p * 256)
    scale = torch.tensor(256 / (256 - threshold))
    assert torch.equal(Dropout(p)(torch.ones(256)), torch.where(every >= threshold, scale, 0.0))


def test_neighbours_are_forgotten_independently():
    torch.manual_seed(0)
    kept = (Dropout(0.5)(torch.ones(MANY)) != 0).double() - 0.5
    for lag in range(1, 9):
        covariance = (kept[lag:] * kept[:-lag]).mean().item()
        assert covariance == pytest.approx(0, abs=5 * 0.25 / math.sqrt(MANY))


def test_the_seed_decides_the_mask():
    masks = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        masks.append(Dropout(0.5)(torch.ones(1000)))
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


def test_a_rate_of_zero_forgets_nothing():
    x = torch.randn(1000)
    assert torch.equal(Dropout(0.0)(x), x)


def test_a_rate_of_one_forgets_everything():
    assert (Dropout(1.0)(torch.randn(1000)) == 0).all()


def test_evaluation_forgets_nothing():
    x = torch.randn(1000)
    assert torch.equal(Dropout(0.5).eval()(x), x)


@pytest.mark.parametrize("shape", [(), (0,), (7,), (2, 3, 5)])
def test_the_gradient_is_what_the_number_was_multiplied_by(shape):
    x = torch.randn(shape, requires_grad=True)
    dropped = Dropout(0.5)(x)
    dropped.sum().backward()
    torch.testing.assert_close(dropped, x * x.grad)
    assert set(x.grad.flatten().tolist()) <= {0.0, 2.0}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dropout_keeps_the_precision(dtype):
    assert Dropout(0.5)(torch.ones(64, dtype=dtype)).dtype == dtype


def test_an_embedding_forgets_numbers_in_training_alone():
    torch.manual_seed(0)
    table, ids = Embedding(9, 50, dropout=0.5), torch.tensor([[3, 4], [8, 0]])
    assert torch.equal(table.eval()(ids), table.weight[ids])
    assert (table.train()(ids) == 0).float().mean().item() == pytest.approx(0.5, abs=0.2)
