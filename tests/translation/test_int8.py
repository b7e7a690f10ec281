"""The output layer in 8-bit integers."""

import pytest
import torch
import torch.nn.functional as F
from untrained_runs import ENGLISH, make_run

from seq2seq.errors import UserError
from seq2seq.translation.int8 import Int8Output, use_int8_output
from seq2seq.translation.translator import Translator


def layer(vocab: int = 300, width: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    return torch.randn(vocab, width, generator=draw), torch.randn(vocab, generator=draw)


@pytest.mark.parametrize("shape", [(64,), (1, 64), (40, 64), (2, 3, 64)])
def test_the_logits_are_those_of_the_layer_up_to_rounding(shape):
    weight, bias = layer()
    states = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    logits, exact = Int8Output(weight, bias)(states), F.linear(states, weight, bias)
    assert logits.shape == exact.shape
    # Half a unit of the last place of each factor, times the largest other factor, for each term
    unit = weight.abs().amax() * states.abs().amax() / 127
    assert (logits - exact).abs().amax() < 64 * unit / 4
    assert not torch.equal(logits, exact)


def test_integers_lose_nothing():
    weight = torch.tensor([[127.0, -3.0], [127.0, 5.0]])
    states = torch.tensor([[-127.0, 64.0], [0.0, 0.0]])
    logits = Int8Output(weight, None)(states)
    torch.testing.assert_close(logits, states @ weight.T)


def test_the_logits_of_a_row_do_not_depend_on_other_rows():
    output, states = Int8Output(*layer()), torch.randn(5, 64)
    states[3] *= 1000
    for row in range(5):
        assert torch.equal(output(states[row : row + 1])[0], output(states)[row])


def test_a_nan_stays_one():
    assert Int8Output(*layer())(torch.full((2, 64), float("nan"))).isnan().all()


@pytest.mark.parametrize("model", ["bahdanau", "rnn", "transformer", "decoder_only"])
def test_a_run_translates_with_other_scores(tmp_path, model):
    run = make_run(tmp_path, model)
    plain, rounded = (Translator(run, device="cpu", int8=int8) for int8 in (False, True))
    scores = [[one.score for one in each(ENGLISH)] for each in (plain, rounded)]
    assert scores[0] != scores[1]
    assert scores[0] == pytest.approx(scores[1], abs=0.3)
    assert set(plain.model.state_dict()) == set(rounded.model.state_dict())


def test_the_option_of_the_command(tmp_path, command):
    run = make_run(tmp_path, "bahdanau")
    done = command("translate", run, "--int8", stdin="a dog\n")
    assert done.status == 0
    assert len(done.out.splitlines()) == 1


def test_where_it_has_no_effect_it_is_refused(tmp_path):
    run = Translator(make_run(tmp_path, "word_for_word"), device="cpu")
    with pytest.raises(UserError, match="int8 has no effect: WordForWord has no linear output"):
        use_int8_output(run.model)


def test_another_device_is_refused(tmp_path):
    model = Translator(make_run(tmp_path, "rnn"), device="cpu").model.to("meta")
    with pytest.raises(UserError, match="int8 is for a CPU, but the model is on meta"):
        use_int8_output(model)
