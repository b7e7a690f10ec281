"""The weights of a Transformer under the names of `transformers` (classes Marian and Pegasus).

Both classes compute the same function as this package, but their sinusoids have all sines first.
The elements of the residual stream are therefore reordered in every weight that reads or writes it,
which changes nothing else.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor, nn

from seq2seq.layers.multi_head import MultiHeadAttention
from seq2seq.layers.residual import Residual
from seq2seq.layers.transformer import SelfAttentionLayer
from seq2seq.models.transformer_encoder_decoder import TransformerEncoderDecoder


class Weight(NamedTuple):
    """A weight that both programs have.

    Attributes:
        name: its name in `transformers`.
        ours: our parameter; None for a bias that our model does not have.
        shape: its shape.
        axis: the axis of the residual stream; None if it has none.
    """

    name: str
    ours: Tensor | None
    shape: tuple[int, ...]
    axis: int | None


def sines_first(dim: int) -> Int[Tensor, " dim"]:
    """Return the order of our residual elements in which theirs are."""
    return torch.cat([torch.arange(0, dim, 2), torch.arange(1, dim, 2)])


def weights_of_layers(model: TransformerEncoderDecoder) -> Iterator[Weight]:
    """Yield all weights except embeddings and output bias."""

    def norm(name: str, layer: nn.Module) -> Iterator[Weight]:
        assert isinstance(layer, nn.LayerNorm)
        yield Weight(f"{name}.weight", layer.weight, layer.weight.shape, 0)
        yield Weight(f"{name}.bias", layer.bias, layer.weight.shape, 0)

    def linear(name: str, layer: nn.Linear, *, reads: bool) -> Iterator[Weight]:
        yield Weight(f"{name}.weight", layer.weight, layer.weight.shape, 1 if reads else 0)
        yield Weight(f"{name}.bias", layer.bias, (layer.out_features,), None if reads else 0)

    def attention(name: str, layer: Any, around: Residual) -> Iterator[Weight]:
        assert isinstance(layer, MultiHeadAttention)
        for theirs, ours in (("q", layer.query), ("k", layer.key), ("v", layer.value)):
            yield from linear(f"{name}.{theirs}_proj", ours, reads=True)
        yield from linear(f"{name}.out_proj", layer.out, reads=False)
        yield from norm(f"{name}_layer_norm", around.norm)

    def feed_forward(name: str, network: nn.Module, around: Residual) -> Iterator[Weight]:
        up, down = (one for one in network.modules() if isinstance(one, nn.Linear))
        yield from linear(f"{name}.fc1", up, reads=True)
        yield from linear(f"{name}.fc2", down, reads=False)
        yield from norm(f"{name}.final_layer_norm", around.norm)

    for number, layer in enumerate(model.encoder):
        assert isinstance(layer, SelfAttentionLayer)
        name = f"model.encoder.layers.{number}"
        yield from attention(f"{name}.self_attn", layer.attention, layer.around_attention)
        yield from feed_forward(name, layer.feed_forward, layer.around_feed_forward)
    for number, decoder in enumerate(model.decoder_layers):
        name = f"model.decoder.layers.{number}"
        yield from attention(f"{name}.self_attn", decoder.to_target, decoder.around_target)
        yield from attention(f"{name}.encoder_attn", decoder.to_source, decoder.around_source)
        yield from feed_forward(name, decoder.feed_forward, decoder.around_feed_forward)
    for side, final in zip(("encoder", "decoder"), model.norms, strict=False):
        yield from norm(f"model.{side}.layer_norm", final)
