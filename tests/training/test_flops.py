"""Arithmetic of a target token, against a count by hand."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch

from seq2seq.models.base import Seq2Seq
from seq2seq.settings import config_files
from seq2seq.settings.plugins import build
from seq2seq.training.flops import multiply_adds

S, T = 7, 5  # tokens of source and target
V, E, D, A, R = 60, 8, 16, 12, 10  # target words, embedding, units, alignment units, readout
SMALL = {"embedding": E, "dim": D, "align_dim": A, "readout_dim": R, "layers": 1}


def made(name: str, **sizes: Any) -> Seq2Seq:
    section = config_files.model_settings(name)
    section |= {key: value for key, value in sizes.items() if key in section}
    return build("model", section, source_vocab=50, target_vocab=V, shared_vocab=False)


GATES = {"tanh": 1, "gru": 3, "lstm": 4}
STATE = {"tanh": D, "gru": D, "lstm": 2 * D}  # an LSTM has a cell beside its hidden state


def rnn(cell: str = "gru", layers: int = 1) -> float:
    gates = GATES[cell] * D
    deeper = (layers - 1) * 2 * D * gates  # a token: the state below and the own one
    encoder = S * ((E + D) * gates + deeper)
    decoder = T * ((E + D + D) * gates + deeper)  # word and context, then the state
    readout = T * ((D + E + D) * 2 * R + R * V)
    return (encoder + layers * STATE[cell] ** 2 + decoder + readout) / T


def bahdanau(cell: str = "gru") -> float:
    gates = GATES[cell] * D
    encoder = 2 * S * (E + D) * gates
    keys = S * 2 * D * A
    looking = D * A + S * A + S * 2 * D  # query, energies, average
    moving = (E + 2 * D + D) * gates
    readout = (D + E + 2 * D) * 2 * R + R * V
    return (encoder + STATE[cell] ** 2 + keys + T * (looking + moving + readout)) / T


def luong(cell: str = "lstm", score: str = "general", feeding: bool = True) -> float:
    gates = GATES[cell] * D
    encoder = S * (E + D) * gates
    once = {"dot": 0, "general": S * D * D, "concat": S * D * D}[score]  # of the keys
    each = {"dot": S * D, "general": S * D, "concat": D * D + S * D}[score]
    moving = (E + D * feeding + D) * gates
    combining = S * D + 2 * D * D  # average, h~
    return (encoder + once + T * (moving + each + combining + D * V)) / T


def transformer(width: int = 16, inside: int = 24, layers: tuple[int, int] = (2, 3)) -> float:
    def attention(queries: int, keys: int) -> int:
        return 2 * (queries + keys) * width**2 + 2 * queries * keys * width

    encoder = attention(S, S) + S * 2 * width * inside
    decoder = attention(T, T) + attention(T, S) + T * 2 * width * inside
    return (layers[0] * encoder + layers[1] * decoder + T * width * V) / T


def encoder_only(width: int = 16, inside: int = 24, layers: int = 2) -> float:
    def stack(length: int) -> int:
        attention = 4 * length * width**2 + 2 * length**2 * width
        return layers * (attention + length * 2 * width * inside)

    # The source alone for the length (7 classes), then both sides; half of the words are masked.
    return (stack(S) + width * 7 + stack(S + T) + T // 2 * width * V) / T


def decoder(kind: str, positions: str = "none", queries: int | None = None) -> float:
    """A Transformer of one layer each, whose decoder has another kind of attention."""
    width, heads, inside, head = 16, 4, 24, 4
    groups, latent, rotary = 2, 6, 2 if positions == "rope" else 0

    def attention(queries_: int, keys: int, rotary: int) -> int:
        products = 2 * queries_ * keys * width
        if kind != "latent":
            shared = {"multi_head": heads, "grouped_query": groups, "multi_query": 1}[kind] * head
            return 2 * queries_ * width**2 + 2 * keys * width * shared + products
        of_query = width if queries is None else queries
        query = queries_ * ((0 if queries is None else width * queries) + of_query * width)
        turned = queries_ * of_query * heads * rotary + keys * width * rotary
        turned += queries_ * keys * heads * rotary
        cached = keys * (width * latent + 2 * latent * width)
        return query + turned + cached + products + queries_ * width**2

    encoder = 4 * S * width**2 + 2 * S * S * width + S * 2 * width * inside
    own = attention(T, T, rotary) + attention(T, S, 0) + T * 2 * width * inside
    return (encoder + own + T * width * V) / T


ONE_LAYER = {"dim": 16, "feed_forward": 24, "encoder_layers": 1, "decoder_layers": 1, "heads": 4}


@pytest.mark.parametrize(
    ("keys", "by_hand"),
    [
        ({}, decoder("multi_head")),
        ({"attention": "multi_query"}, decoder("multi_query")),
        ({"attention": "grouped_query", "key_value_heads": 2}, decoder("grouped_query")),
        ({"attention": "latent", "latent_dim": 6}, decoder("latent")),
        (
            {"attention": "latent", "latent_dim": 6, "positions": "rope", "query_latent_dim": 5},
            decoder("latent", "rope", queries=5),
        ),
        ({"positions": "learned", "max_positions": 9}, decoder("multi_head")),
        ({"positions": "alibi", "normalization": "rms"}, decoder("multi_head")),
        ({"cross_attention_cache": "source"}, decoder("multi_head")),
        ({"feed_forward_kind": "gelu"}, decoder("multi_head")),
        (  # one more query in all layers, and one more key
            {"target_prefix": [2]},
            decoder("multi_head") + (6 * 16**2 + 2 * 16 * (1 + T + S) + 2 * 16 * 24) / T,
        ),
        ({"feed_forward_kind": "swiglu"}, decoder("multi_head") + (S + T) * 16 * 24 / T),
    ],
)
def test_every_part_of_the_transformer_is_counted(keys: dict[str, Any], by_hand: float) -> None:
    assert multiply_adds(made("transformer", **ONE_LAYER, **keys), S, T) == pytest.approx(by_hand)


SIZES = {"dim": 16, "feed_forward": 24, "encoder_layers": 2, "decoder_layers": 3, "heads": 4}


@pytest.mark.parametrize(
    ("name", "sizes", "by_hand"),
    [
        ("rnn", SMALL, rnn),
        ("bahdanau", SMALL, bahdanau),
        ("luong", SMALL, luong),
        ("elman", SMALL, lambda: rnn("tanh")),
        ("lstm", SMALL, lambda: rnn("lstm")),
        ("gru", SMALL, rnn),
        ("transformer", SIZES, transformer),
        ("encoder_only", SIZES | {"layers": 2, "largest_offset": 3}, encoder_only),
    ],
)
def test_it_is_what_a_hand_counts(
    name: str, sizes: dict[str, int], by_hand: Callable[[], float]
) -> None:
    assert multiply_adds(made(name, **sizes), S, T) == pytest.approx(by_hand())


@pytest.mark.parametrize("name", ["rnn", "bahdanau", "luong"])
@pytest.mark.parametrize("cell", GATES)
def test_every_cell_is_counted(name: str, cell: str) -> None:
    by_hand = {"rnn": rnn, "bahdanau": bahdanau, "luong": luong}[name](cell)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert multiply_adds(made(name, **SMALL, cell=cell), S, T) == pytest.approx(by_hand)
    assert torch.backends.mkldnn.enabled


@pytest.mark.parametrize("score", ["dot", "general", "concat"])
@pytest.mark.parametrize("feeding", [True, False])
def test_every_score_of_luong_is_counted(score: str, feeding: bool) -> None:
    model = made("luong", **SMALL, score=score, input_feeding=feeding)
    assert multiply_adds(model, S, T) == pytest.approx(luong("lstm", score, feeding))


@pytest.mark.parametrize("cell", GATES)
def test_every_layer_is_counted(cell: str) -> None:
    model = made("rnn", **{**SMALL, "layers": 2}, cell=cell)
    assert multiply_adds(model, S, T) == pytest.approx(rnn(cell, layers=2))


@pytest.mark.parametrize("name", config_files.model_names())
def test_the_model_and_chance_are_left_as_they_were(name: str) -> None:
    model = made(name, **(SMALL | SIZES))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.get_rng_state()
    assert (multiply_adds(model, S, T) > 0) is not model.fits
    assert model.training
    assert torch.equal(torch.get_rng_state(), expected)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_nothing_cannot_be_read() -> None:
    with pytest.raises(ValueError, match="at least 1, not 0 and 5"):
        multiply_adds(made("rnn", **SMALL), 0, 5)
