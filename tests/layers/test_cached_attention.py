"""Attention layers with caches: grouped heads, latent attention, absorbed forms, cache sizes."""

import math
from itertools import product

import pytest
import torch
from torch import nn

from seq2seq.layers.attention import shared_product
from seq2seq.layers.cache import (
    KeyValueCache,
    LatentCache,
    SourceCache,
    cached_length,
    grow,
    nbytes,
)
from seq2seq.layers.latent import LatentAttention
from seq2seq.layers.multi_head import MultiHeadAttention
from seq2seq.layers.positions import Rotation, alibi, rotation

DIM, HEADS, ROTARY = 16, 4, 2
WIDTH = DIM // HEADS
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [0, 1, 0, 0, 1]]).bool().unsqueeze(1)
GROUPS = [1, 2, 4]


class Elsewhere(torch.Tensor):
    """A tensor that says it is not on a CPU, so that the fused kernel is chosen."""

    device = torch.device("meta")


def random(module: nn.Module) -> nn.Module:
    """Give every parameter, norms and biases too, a value that matters."""
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    return module.eval()


def multi_head(groups: int = HEADS, dropout: float = 0.0) -> MultiHeadAttention:
    torch.manual_seed(groups)
    return random(MultiHeadAttention(DIM, HEADS, dropout, key_value_heads=groups))


def latent(rotary: int = ROTARY, query: int | None = 5, dropout: float = 0.0) -> LatentAttention:
    torch.manual_seed(0)
    sizes = {"latent_dim": 6, "rotary_dim": rotary, "query_latent_dim": query}
    return random(LatentAttention(DIM, HEADS, dropout, **sizes))


def inputs(length: int = 5) -> torch.Tensor:
    return torch.randn(3, length, DIM, generator=torch.Generator().manual_seed(length))


def turn(start: int, length: int, width: int) -> Rotation | None:
    return rotation(torch.arange(start, start + length).unsqueeze(0), width) if width else None


def test_grouped_attention_with_a_key_head_for_each_head_is_multi_head_attention():
    grouped, plain = multi_head(HEADS), MultiHeadAttention(DIM, HEADS, 0.0)
    plain.load_state_dict(grouped.state_dict())
    x, source = inputs(4), inputs()
    one, other = (layer(x, layer.remember(source), MASK) for layer in (grouped, plain))
    torch.testing.assert_close(tuple(one), tuple(other), rtol=0, atol=0)


@pytest.mark.parametrize("groups", GROUPS)
def test_grouped_attention_is_multi_head_attention_with_repeated_key_heads(groups):
    """Head i reads the key/value head i * groups // heads (Ainslie et al. 2023, figure 2)."""
    grouped, plain = multi_head(groups), multi_head()
    plain.load_state_dict(grouped.state_dict() | repeated(grouped, groups))
    x, source = inputs(4), inputs()
    one, other = (layer(x, layer.remember(source), MASK) for layer in (grouped, plain))
    torch.testing.assert_close(tuple(one), tuple(other))


def repeated(attention: MultiHeadAttention, groups: int) -> dict[str, torch.Tensor]:
    """The weights of keys and values, with those of a group repeated for each of its heads."""
    repeats = HEADS // groups
    return {
        name: weight.unflatten(0, (groups, WIDTH)).repeat_interleave(repeats, dim=0).flatten(0, 1)
        for name, weight in attention.state_dict().items()
        if name.startswith(("key.", "value."))
    }


@pytest.mark.parametrize("groups", GROUPS)
def test_shared_products_are_a_loop_over_heads(groups):
    left, right = torch.randn(2, HEADS, 3, 5), torch.randn(2, groups, 5, 7)
    found = shared_product(left, right)
    for row, head in product(range(2), range(HEADS)):
        expected = left[row, head] @ right[row, head * groups // HEADS]
        torch.testing.assert_close(found[row, head], expected)


@pytest.mark.parametrize("rotary", [0, ROTARY])
@pytest.mark.parametrize("query", [None, 5])
def test_latent_attention_is_the_papers_formula(rotary, query):
    """DeepSeek-V2, equations 9 to 19, as loops over queries, heads and keys."""
    layer, x = latent(rotary, query), inputs()
    by = turn(0, 5, rotary)
    found = layer(x, layer.remember(x, by), None, rotation=by)
    c = layer.latent_norm(x @ layer.latent.weight.T)
    cq = layer.compress_query(x)
    for row in range(3):
        for t in range(5):
            heads = []
            for i in range(HEADS):
                part = slice(i * WIDTH, (i + 1) * WIDTH)
                q = layer.query.weight[part] @ cq[row, t]
                scores = [q @ layer.key.weight[part] @ c[row, j] for j in range(5)]
                if rotary:
                    turned = layer.query_rotary.weight[i * rotary : (i + 1) * rotary] @ cq[row, t]
                    for j in range(5):
                        key = layer.rotary_key.weight @ x[row, j]
                        angle = torch.tensor(float(j - t))  # both turned: their difference
                        first = key[0] * angle.cos() - key[1] * angle.sin()
                        second = key[0] * angle.sin() + key[1] * angle.cos()
                        scores[j] = scores[j] + turned @ torch.stack([first, second])
                weights = (torch.stack(scores) / math.sqrt(WIDTH + rotary)).softmax(0)
                torch.testing.assert_close(found.weights[row, i, t], weights)
                heads.append(
                    sum(a * layer.value.weight[part] @ c[row, j] for j, a in enumerate(weights))
                )
            expected = layer.out.weight @ torch.cat(heads)
            torch.testing.assert_close(found.context[row, t], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("rotary", [0, ROTARY])
@pytest.mark.parametrize("query", [None, 5])
@pytest.mark.parametrize("biased", [False, True])
def test_the_absorbed_form_of_latent_attention_equals_the_plain_one(rotary, query, biased):
    layer, x = latent(rotary, query), inputs(2)
    cache = layer.remember(inputs(), turn(0, 5, rotary))
    places = torch.arange(7).unsqueeze(0)
    bias = alibi(places[:, 5:], places[:, :5], HEADS) if biased else None
    plain, absorbed = (
        layer(x, cache, MASK, rotation=turn(5, 2, rotary), bias=bias, absorbed=form)
        for form in (False, True)
    )
    torch.testing.assert_close(tuple(absorbed), tuple(plain))


@pytest.mark.parametrize("groups", GROUPS)
def test_attention_to_the_states_equals_attention_to_their_keys_and_values(groups):
    layer, x, source = multi_head(groups), inputs(4), inputs()
    plain = layer(x, layer.remember(source), MASK)
    torch.testing.assert_close(tuple(layer(x, SourceCache(source), MASK)), tuple(plain))


@pytest.mark.parametrize("groups", GROUPS)
def test_dropout_is_the_same_in_both_forms(groups):
    """Not only in evaluation: the bias of the values counts as often as weights are kept."""
    layer, x, source = multi_head(groups, dropout=0.5).train(), inputs(4), inputs()
    outputs = []
    for cache in (layer.remember(source), SourceCache(source)):
        torch.manual_seed(7)
        outputs.append(layer(x, cache, MASK).context)
    torch.testing.assert_close(*outputs)


@pytest.mark.parametrize("make", [lambda: multi_head(2), latent])
def test_rotated_attention_is_invariant_under_a_common_shift(make):
    layer, x, source = make(), inputs(4), inputs()
    found = []
    for shift in (0, 23):
        cache = layer.remember(source, turn(shift, 5, layer.rotary_width))
        by = turn(shift + 5, 4, layer.rotary_width)
        found.append(layer(x, cache, MASK, rotation=by))
    torch.testing.assert_close(tuple(found[0]), tuple(found[1]), atol=1e-4, rtol=1e-4)
    moved = layer(x, cache, MASK, rotation=turn(2, 4, layer.rotary_width))
    assert not torch.allclose(moved.weights, found[0].weights, atol=1e-3)


def test_the_bias_is_added_to_the_scaled_scores():
    layer, x, source = multi_head(), inputs(4), inputs()
    cache, bias = layer.remember(source), torch.randn(1, HEADS, 4, 5)
    plain, biased = (layer(x, cache, MASK, bias=one).weights for one in (None, bias))
    expected = (plain.log() + bias).softmax(-1)
    torch.testing.assert_close(biased, expected)


@pytest.mark.parametrize("make", [*(lambda g=g: multi_head(g) for g in GROUPS), latent])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("mask", [None, MASK])
def test_the_fused_kernel_gives_the_same_context(make, biased, mask):
    layer, x = make(), inputs(4)
    rotary = layer.rotary_width if isinstance(layer, LatentAttention) else 0
    cache, by = layer.remember(inputs(), turn(0, 5, rotary)), turn(5, 4, rotary)
    options = {"rotation": by, "bias": torch.randn(1, HEADS, 4, 5) if biased else None}
    written_out = layer(x, cache, mask, **options)
    with torch.no_grad():
        fused = layer(x.as_subclass(Elsewhere), cache, mask, **options, weights=False)
    assert fused.weights is None
    torch.testing.assert_close(fused.context.as_subclass(torch.Tensor), written_out.context)


@pytest.mark.parametrize("make", [*(lambda g=g: multi_head(g) for g in GROUPS), latent])
def test_a_cache_grows_by_the_formula(make):
    layer = make()
    by = [turn(start, length, layer.rotary_width) for start, length in ((0, 2), (2, 3), (0, 5))]
    x = inputs()
    first, rest = layer.remember(x[:, :2], by[0]), layer.remember(x[:, 2:], by[1])
    cache = grow(first, rest)
    torch.testing.assert_close(tuple(cache), tuple(layer.remember(x, by[2])))
    assert all(
        torch.equal(torch.cat(pair, 1), one) for *pair, one in zip(first, rest, cache, strict=True)
    )
    assert (cached_length(cache), cached_length(None)) == (5, 0)
    assert nbytes(cache) == sum(one.nbytes for one in cache) == 3 * 5 * layer.cache_width * 4
    assert nbytes(((cache, None), first)) == 3 * 7 * layer.cache_width * 4


def test_the_elements_of_a_position_are_those_of_the_papers():
    widths = {groups: multi_head(groups).cache_width for groups in GROUPS}
    assert widths == {4: 2 * HEADS * WIDTH, 2: 2 * 2 * WIDTH, 1: 2 * WIDTH}
    assert (latent().cache_width, latent(rotary=0).cache_width) == (6 + ROTARY, 6)


def test_the_keys_of_a_head_are_adjacent_in_memory():
    """So that the product of a step copies nothing; it changes no number."""
    cache = multi_head().remember(inputs())
    for past in (None, cache):
        grown = grow(past, cache)
        assert isinstance(grown, KeyValueCache)
        assert all(part.transpose(1, 2).is_contiguous() for part in grown)


def test_half_precision_sizes_are_measured():
    cache = LatentCache(*(torch.zeros(2, 3, width, dtype=torch.bfloat16) for width in (6, 2)))
    assert nbytes(cache) == 2 * 3 * 8 * 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: multi_head(3), r"heads \(4\) must be divisible by key_value_heads \(3\)"),
        (lambda: LatentAttention(10, 4, 0.0, latent_dim=4), r"dim \(10\) must be divisible"),
        (lambda: latent()(inputs(1), latent().remember(inputs(1)), None), "rotary_dim=2 does not"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
