"""Attention: by law, then against the papers' formulas and against torch's own."""

import math
from types import SimpleNamespace

import pytest
import torch

from seq2seq.layers.attention import AdditiveScore, attend, scaled_dot_score, softmax
from seq2seq.layers.dropout import Dropout
from seq2seq.layers.multi_head import MultiHeadAttention

MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [0, 1, 0, 0, 1]]).bool().unsqueeze(1)


class Elsewhere(torch.Tensor):
    """A tensor that says it is not on a CPU, so that the fused kernel is chosen."""

    device = SimpleNamespace(type="elsewhere")


@pytest.fixture
def attention() -> MultiHeadAttention:
    torch.manual_seed(0)
    return MultiHeadAttention(dim=8, heads=2, dropout=0.0)


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(3, 4, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def source() -> torch.Tensor:
    return torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(2))


def random_score(dim: int = 6) -> AdditiveScore:
    torch.manual_seed(0)
    score = AdditiveScore(query_dim=4, key_dim=5, dim=dim)
    for weight in score.parameters():
        torch.nn.init.normal_(weight)
    return score


def test_attend_averages_the_values_of_real_keys():
    scores, values = torch.randn(3, 2, 5), torch.randn(3, 5, 4)
    context, weights = attend(scores, values, MASK)
    for b in range(3):
        real = MASK[b, 0]
        for q in range(2):
            share = scores[b, q, real].exp() / scores[b, q, real].exp().sum()
            torch.testing.assert_close(weights[b, q, real], share)
            torch.testing.assert_close(context[b, q], share @ values[b, real])


def test_a_hidden_key_has_weight_zero_and_its_value_is_never_read():
    values = torch.randn(3, 5, 4)
    scores = torch.full((3, 2, 5), -1e4).masked_fill(~MASK, 1e4)
    context, weights = attend(scores, values, MASK)
    assert (weights[~MASK.expand_as(weights)] == 0).all()
    garbage = values.masked_fill(~MASK.transpose(1, 2), 1e30)
    assert torch.equal(attend(scores, garbage, MASK)[0], context)


def test_weights_do_not_depend_on_a_constant_added_to_the_scores():
    scores, values = torch.randn(3, 2, 5), torch.randn(3, 5, 4)
    shifted = attend(scores + 7, values, MASK)
    torch.testing.assert_close(shifted, attend(scores, values, MASK))


def test_dropout_changes_the_context_and_not_the_weights():
    scores, values = torch.randn(3, 2, 5), torch.randn(3, 5, 4)
    context, weights = attend(scores, values, MASK)
    dropped, same = attend(scores, values, MASK, Dropout(0.5).train())
    assert torch.equal(same, weights)
    assert not torch.allclose(dropped, context)


def test_the_additive_score_is_the_papers_formula():
    score, queries, keys = random_score(), torch.randn(2, 3, 4), torch.randn(2, 7, 5)
    found = score(queries, score.project(keys))
    v = score.energy.weight[0]
    for b in range(2):
        for i in range(3):
            for j in range(7):
                inner = score.query.weight @ queries[b, i] + score.key.weight @ keys[b, j]
                torch.testing.assert_close(found[b, i, j], v @ inner.tanh())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_additive_score_in_half_precision_is_no_worse_than_a_tanh(dtype):
    score, exact = random_score(dim=256), random_score(dim=256).double()
    for each in (score, exact):  # v of one sign, as training tends to: the sum over it is large
        each.energy.weight.data.abs_()
    chance = torch.Generator().manual_seed(3)
    queries = torch.randn(8, 6, 4, generator=chance)
    keys = torch.randn(8, 7, 5, generator=chance)
    expected = exact(queries.double(), exact.project(keys.double()))
    with torch.autocast("cpu", dtype=dtype):
        found = score(queries, score.project(keys))
        pairs = score.query(queries).unsqueeze(2) + score.key(keys).unsqueeze(1)
        plain = score.energy(pairs.tanh()).squeeze(-1)
    assert found.dtype == dtype
    error, unavoidable = ((s.double() - expected).abs().mean() for s in (found, plain))
    assert error <= 1.1 * unavoidable


def test_the_additive_score_in_single_precision_is_exact_to_its_digits():
    score, exact = random_score(dim=256), random_score(dim=256).double()
    queries, keys = torch.randn(8, 6, 4), torch.randn(8, 7, 5)
    expected = exact(queries.double(), exact.project(keys.double()))
    found = score(queries, score.project(keys)).double()
    assert (found - expected).abs().max() < 1e-5 * exact.energy.weight.abs().sum()


def test_the_additive_score_elsewhere_is_the_same():
    score, queries, keys = random_score(), torch.randn(2, 3, 4), torch.randn(2, 7, 5)
    expected = score(queries, score.project(keys))
    with torch.no_grad():
        found = score(queries.as_subclass(Elsewhere), score.project(keys))
    torch.testing.assert_close(found.as_subclass(torch.Tensor), expected)


def test_a_fresh_additive_score_finds_all_words_alike():
    score = AdditiveScore(query_dim=4, key_dim=5, dim=6)
    scores = score(torch.randn(3, 1, 4), score.project(torch.randn(3, 5, 5)))
    weights = attend(scores, torch.randn(3, 5, 4), MASK)[1]
    torch.testing.assert_close(weights, MASK / MASK.sum(-1, keepdim=True))


def test_the_scaled_dot_score_is_the_papers_formula():
    queries, keys = torch.randn(2, 3, 4), torch.randn(2, 7, 4)
    found = scaled_dot_score(queries, keys)
    for b in range(2):
        for i in range(3):
            for j in range(7):
                expected = queries[b, i].dot(keys[b, j]) / math.sqrt(4)
                torch.testing.assert_close(found[b, i, j], expected)


@pytest.mark.parametrize("causal", [False, True])
def test_multi_head_attention_is_torchs_own(attention, x, source, causal):
    mask = MASK.expand(3, 4, 5)
    if causal:
        source, mask = x, torch.ones(1, 4, 4, dtype=torch.bool).tril()
    theirs = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    projections = (attention.query, attention.key, attention.value)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([p.weight for p in projections]))
        theirs.in_proj_bias.copy_(torch.cat([p.bias for p in projections]))
    theirs.out_proj.load_state_dict(attention.out.state_dict())
    hidden = (~mask).expand(3, -1, -1).repeat_interleave(2, dim=0)
    expected = theirs(x, source, source, attn_mask=hidden, average_attn_weights=False)
    torch.testing.assert_close(tuple(attention(x, attention.remember(source), mask)), expected)


def test_the_fused_kernel_gives_the_same_context(attention, x, source, monkeypatch):
    calls, fused = [], torch.nn.functional.scaled_dot_product_attention

    def spy(*arguments, **keywords):
        calls.append(keywords)
        return fused(*arguments, **keywords)

    monkeypatch.setattr("torch.nn.functional.scaled_dot_product_attention", spy)
    written_out = attention(x, attention.remember(source), MASK)
    found = attention(x.as_subclass(Elsewhere), attention.remember(source), MASK, weights=False)
    assert calls == [{"dropout_p": 0.0}]
    assert found.weights is None
    torch.testing.assert_close(found.context.as_subclass(torch.Tensor), written_out.context)


@pytest.mark.parametrize(("training", "rate"), [(True, 0.25), (False, 0.0)])
def test_the_fused_kernel_forgets_in_training_alone(x, source, training, rate, monkeypatch):
    attention = MultiHeadAttention(dim=8, heads=2, dropout=0.25).train(training)
    rates = []

    def spy(query, keys, values, mask, dropout_p):
        rates.append(dropout_p)
        return query

    monkeypatch.setattr("torch.nn.functional.scaled_dot_product_attention", spy)
    attention(x.as_subclass(Elsewhere), attention.remember(source), MASK, weights=False)
    assert rates == [rate]


def test_asked_for_weights_are_given_on_every_device(attention, x, source):
    cache = attention.remember(source)
    found = attention(x.as_subclass(Elsewhere), cache, MASK, weights=True)
    expected = attention(x, cache, MASK).weights
    torch.testing.assert_close(found.weights.as_subclass(torch.Tensor), expected)


def test_the_weights_of_multi_head_attention_are_taken_before_dropout(x, source):
    attention = MultiHeadAttention(dim=8, heads=2, dropout=0.5)
    cache = attention.remember(source)
    calm, forgetful = (attention.train(mode)(x, cache, MASK) for mode in (False, True))
    assert torch.equal(forgetful.weights, calm.weights)
    assert not torch.allclose(forgetful.context, calm.context)


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match=r"dim \(10\) must be divisible by heads \(4\)"):
        MultiHeadAttention(dim=10, heads=4, dropout=0.0)


@pytest.mark.parametrize("keys", [1, 2, 7, 15, 16, 17, 40])
@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.bfloat16])
def test_the_softmax_over_few_keys_is_that_of_torch(keys, kind):
    scores = torch.randn(3, 2, keys, generator=torch.Generator().manual_seed(keys)).to(kind)
    scores[0, 0, 1:] = float("-inf")
    torch.testing.assert_close(softmax(scores), scores.softmax(-1))
    assert softmax(scores).shape == scores.shape
    assert softmax(torch.full((1, keys), float("-inf"))).isnan().all()


def test_the_softmax_over_few_keys_has_its_gradient():
    scores = torch.randn(2, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(softmax, scores)


@pytest.mark.filterwarnings("ignore")  # tracing is deprecated, and the type check is traced
def test_a_traced_softmax_takes_any_number_of_keys():
    traced = torch.jit.trace(softmax, torch.randn(2, 5))
    scores = torch.randn(2, 9)
    torch.testing.assert_close(traced(scores), scores.softmax(-1))
