"""The loss in chunks: the value and the gradients of torch's own over all logits at once."""

import pytest
import torch
import torch.nn.functional as F

from seq2seq.layers import loss

POSITIONS, WIDTH, VOCAB = 23, 8, 11
NAMES = ("states", "weight", "bias")


@pytest.fixture(params=[1, 5 * VOCAB, 1000 * VOCAB], ids=["one", "some", "all"])
def at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logits for one position at a time, for five, for all."""
    monkeypatch.setitem(loss.CHUNK_SIZE, "cpu", request.param)


def given(seed: int = 0, scale: float = 1.0) -> tuple[torch.Tensor, ...]:
    chance = torch.Generator().manual_seed(seed)
    shapes = ((POSITIONS, WIDTH), (VOCAB, WIDTH), (VOCAB,))
    tensors = [torch.randn(s, generator=chance).mul_(scale).requires_grad_() for s in shapes]
    return *tensors, torch.randint(VOCAB, (POSITIONS,), generator=chance)


def plain(states, weight, bias, words, smoothing):
    logits = F.linear(states, weight, bias)
    return F.cross_entropy(logits, words, reduction="sum", label_smoothing=smoothing)


def with_gradients(function, smoothing: float, scale: float) -> tuple[torch.Tensor, ...]:
    *tensors, words = given(scale=scale)
    found = function(*tensors, words, smoothing)
    (found / 7).backward()
    return found.detach(), *(tensor.grad for tensor in tensors)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
@pytest.mark.parametrize("scale", [0.01, 1.0, 6.0])  # from no preference to certainty
def test_loss_and_gradients_are_those_of_all_logits_at_once(at_once, smoothing, scale):
    found = with_gradients(loss.cross_entropy, smoothing, scale)
    expected = with_gradients(plain, smoothing, scale)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_the_gradient_is_the_slope(at_once):
    *tensors, words = given()
    doubles = [tensor.detach().double().requires_grad_() for tensor in tensors]
    assert torch.autograd.gradcheck(lambda *t: loss.cross_entropy(*t, words, 0.1), doubles)


def test_without_gradients_it_is_the_same_number(at_once):
    *tensors, words = given()
    with torch.inference_mode():
        found = loss.cross_entropy(*tensors, words, 0.1)
    torch.testing.assert_close(found, loss.cross_entropy(*tensors, words, 0.1).detach())


def test_no_more_logits_exist_at_once_than_agreed(monkeypatch):
    made, linear = [], F.linear
    monkeypatch.setitem(loss.CHUNK_SIZE, "cpu", 5 * VOCAB)
    monkeypatch.setattr(F, "linear", lambda *given: made.append(linear(*given)) or made[-1])
    *tensors, words = given()
    loss.cross_entropy(*tensors, words).backward()
    assert [len(logits) for logits in made] == [5, 5, 5, 5, 3]


def test_reduced_precision_is_normalised_in_full():
    *tensors, words = given()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = loss.cross_entropy(*tensors, words, 0.1)
        expected = plain(*tensors, words, 0.1)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected.float(), rtol=2e-2, atol=0.0)
    found.backward()
    assert all(tensor.grad.dtype == torch.float32 for tensor in tensors)


@pytest.mark.parametrize("rows", [512, 32, 4, 1])
@pytest.mark.parametrize("whole", [False, True], ids=["mixed", "all"])
def test_many_chunks_lose_no_digits_of_half_precision(monkeypatch, rows, whole):
    positions, width, vocab = 512, 32, 50
    chance = torch.Generator().manual_seed(5)
    shapes = ((positions, width), (vocab, width), (vocab,))
    tensors = [torch.randn(shape, generator=chance) for shape in shapes]
    words = torch.randint(vocab, (positions,), generator=chance)
    given = [t.bfloat16() if whole else t for t in tensors]
    exact = [t.double().requires_grad_() for t in given]
    plain(*exact, words, 0.1).backward()
    found = [t.clone().requires_grad_() for t in given]
    monkeypatch.setitem(loss.CHUNK_SIZE, "cpu", rows * vocab)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=not whole):
        number = loss.cross_entropy(*found, words, 0.1)
    number.backward()
    assert [t.grad.dtype for t in found] == [t.dtype for t in given]
    for ours, theirs in zip(found, exact, strict=True):
        error = (ours.grad.double() - theirs.grad).norm() / theirs.grad.norm()
        assert error < 0.008, error  # whatever the number of chunks


def test_smoothing_loses_no_digits_of_half_precision():
    *tensors, words = given(scale=3.0)
    halves = [t.detach().bfloat16() for t in tensors]
    expected = plain(*(t.double() for t in halves), words, 0.9)
    found = loss.cross_entropy(*halves, words, 0.9)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, rtol=2e-3, atol=0.0)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_no_number_stays_none(number):
    states, weight, bias, words = given()
    with torch.no_grad():
        states[3] = number
    assert not loss.cross_entropy(states, weight, bias, words).isfinite()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("scale", [0.01, 1.0, 6.0])
def test_r_drop_is_both_cross_entropies_and_the_symmetric_divergence(at_once, smoothing, scale):
    """Equal to two separate outputs and torch's own functions (Wu et al. 2021, equation 4)."""

    def doubled(states, weight, bias, words, smoothing):
        halves = torch.cat([states, states.flip(0)]), torch.cat([words, words])
        return loss.cross_entropy(halves[0], weight, bias, halves[1], smoothing, 3.0)

    def naive(states, weight, bias, words, smoothing):
        first, second = F.linear(states, weight, bias), F.linear(states.flip(0), weight, bias)
        total = plain(states, weight, bias, words, smoothing)
        total = total + plain(states.flip(0), weight, bias, words, smoothing)
        p, q = first.log_softmax(1), second.log_softmax(1)
        both = F.kl_div(p, q, reduction="sum", log_target=True)
        both = both + F.kl_div(q, p, reduction="sum", log_target=True)
        return total + 3.0 * both / 2

    found = with_gradients(doubled, smoothing, scale)
    expected = with_gradients(naive, smoothing, scale)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("r_drop", [0.0, 3.0])
def test_positions_that_are_not_real_add_nothing(at_once, smoothing, r_drop):
    copies = 2 if r_drop else 1
    real = torch.arange(POSITIONS) % 3 != 1

    def ignoring(states, weight, bias, words, smoothing):
        rows = torch.cat([states, states.flip(1)][:copies])
        every, mask = words.repeat(copies), real.repeat(copies)
        return loss.cross_entropy(rows, weight, bias, every, smoothing, r_drop, mask)

    def without(states, weight, bias, words, smoothing):
        rows = torch.cat([states[real], states.flip(1)[real]][:copies])
        return loss.cross_entropy(rows, weight, bias, words[real].repeat(copies), smoothing, r_drop)

    found = with_gradients(ignoring, smoothing, 1.0)
    expected = with_gradients(without, smoothing, 1.0)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
