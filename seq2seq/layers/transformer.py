"""Layers of Transformer models."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seq2seq.layers.attention import AttentionOutput
from seq2seq.layers.cache import Cache, SourceCache, grow
from seq2seq.layers.cached_attention import CachedAttention
from seq2seq.layers.parts import AttentionInit, AttentionLayer, Parts
from seq2seq.layers.positions import Rotation, alibi, rotation


class SelfAttentionInputs(NamedTuple):
    """What the self-attention of all layers of a stack shares in one pass.

    Attributes:
        mask: False where a position is masked out; None if there is no such position.
        rotation: rotation of the new positions (rope).
        bias: bias of the scores of new positions with all positions (alibi).
        absorbed: whether latent attention uses its absorbed form, as in a decoding step.
    """

    mask: Bool[Tensor, "#batch #queries keys"] | None
    rotation: Rotation | None = None
    bias: Float[Tensor, "#batch heads queries keys"] | None = None
    absorbed: bool = False

    @classmethod
    def make(
        cls,
        parts: Parts,
        width: int,
        mask: Bool[Tensor, "#batch #queries keys"] | None,
        new: Int[Tensor, "#batch queries"],
        keys: Int[Tensor, "#batch keys"],
        *,
        absorbed: bool = False,
    ) -> "SelfAttentionInputs":
        """Compute the inputs for the chosen kind of positions.

        Args:
            parts: the hyperparameters.
            width: `rotary_width` of the attention.
            mask: False where a position is masked out.
            new: places of the new positions, counted from 0.
            keys: places of all positions, the cached ones and the new ones.
            absorbed: whether latent attention uses its absorbed form.
        """
        turn = rotation(new, width) if parts.positions == "rope" else None
        bias = alibi(new, keys, parts.heads) if parts.positions == "alibi" else None
        return cls(mask, turn, bias, absorbed)


class SelfAttentionLayer(nn.Module):
    """Self-attention, then the feed-forward network: a layer of an encoder, or of a decoder alone.

    Args:
        parts: the hyperparameters.
        attention: the attention of this layer.
    """

    def __init__(self, parts: Parts, attention: AttentionLayer) -> None:
        super().__init__()
        self.attention = attention
        self.feed_forward = parts.feed_forward_layer()
        self.around_attention, self.around_feed_forward = parts.residual(), parts.residual()

    def forward(
        self,
        x: Float[Tensor, "batch len dim"],
        past: Cache | None,
        inputs: SelfAttentionInputs,
        weights: bool,
    ) -> tuple[AttentionOutput, Cache]:
        """Apply the layer to x after the cached positions.

        Returns:
            The output with the attention weights (None if `weights` is False), and the cache
            extended by x.
        """
        y = self.around_attention.before(x)
        y, attention, cache = attend_to_self(self.attention, y, past, inputs, weights)
        x = self.around_attention.after(x, y)
        y = self.feed_forward(self.around_feed_forward.before(x))
        return AttentionOutput(self.around_feed_forward.after(x, y), attention), cache


def attend_to_self(
    attention: AttentionLayer,
    x: Float[Tensor, "batch len dim"],
    past: Cache | None,
    inputs: SelfAttentionInputs,
    weights: bool,
) -> tuple[Float[Tensor, "batch len dim"], Float[Tensor, "batch heads len keys"] | None, Cache]:
    """Add x to the cache, then attend from x to all cached positions."""
    mask, turn, bias, absorbed = inputs
    new = attention.remember(x, turn)
    cache = new if past is None else grow(past, new)
    options = {"rotation": turn, "bias": bias, "weights": weights, "absorbed": absorbed}
    return *attention(x, cache, mask, **options), cache


class DecoderOutput(NamedTuple):
    """Output of a decoder layer, and what was asked for: attention weights, their sum and query."""

    states: Float[Tensor, "rows tgt dim"]
    source: Float[Tensor, "rows heads tgt src"] | None
    target: Float[Tensor, "rows heads tgt keys"] | None
    sum: Float[Tensor, "rows tgt dim"] | None  # of the source attention and its residual input
    query: Float[Tensor, "batch queries dim"] | None = None  # the input of the source attention


class DecoderLayer(nn.Module):
    """Decoder layer: causal self-attention, source attention, then the feed-forward network."""

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self.to_target = parts.attention_layer(positions=True)
        self.to_source = parts.attention_layer(positions=False)
        self.feed_forward = parts.feed_forward_layer()
        self.around_target, self.around_source = parts.residual(), parts.residual()
        self.around_feed_forward = parts.residual()

    def remember_source(self, source: Float[Tensor, "batch src dim"]) -> Cache:
        """Compute the cache of an encoded source, once for each sentence."""
        return grow(None, self.to_source.remember(source))

    def forward(
        self,
        x: Float[Tensor, "rows tgt dim"],
        past: Cache | None,
        inputs: SelfAttentionInputs,
        source: Cache,
        mask: Bool[Tensor, "batch #queries src"],
        weights: bool,
        self_weights: bool = False,
    ) -> tuple[DecoderOutput, Cache]:
        """Apply the layer to x after the cached positions.

        Args:
            x: the new positions.
            past: the cached positions.
            inputs: what the self-attention of all layers shares.
            source: the cache of the source.
            mask: False where a source position is masked out.
            weights: return the weights of the attention to the source.
            self_weights: return the weights of the self-attention.

        Returns:
            The output with the weights, and the cache extended by x.
        """
        y = self.around_target.before(x)
        y, to_target, past = attend_to_self(self.to_target, y, past, inputs, self_weights)
        x = self.around_target.after(x, y)
        if isinstance(source, SourceCache) and not inputs.absorbed:  # many queries: less work
            source = self.remember_source(source.states)
        # The hypotheses of one beam are further queries to the same source sentence.
        query = self.around_source.before(x).view(source[0].size(0), -1, x.size(-1))
        y, attention = self.to_source(
            query, source, mask, weights=weights, absorbed=inputs.absorbed
        )
        total = x + y.view_as(x) if weights else None
        x = self.around_source.after(x, y.view_as(x))
        if attention is not None:
            attention = attention.unflatten(2, (-1, x.size(1))).transpose(1, 2).flatten(0, 1)
        y = self.feed_forward(self.around_feed_forward.before(x))
        x = self.around_feed_forward.after(x, y)
        to_target = to_target if self_weights else None
        return DecoderOutput(x, attention, to_target, total, query if weights else None), past


def add_output_bias(model: nn.Module, vocab: int, *, learned: bool) -> None:
    """Add the attribute `bias` to a model: zeros, a parameter or (not stored) a constant."""
    if learned:
        model.register_parameter("bias", nn.Parameter(torch.zeros(vocab)))
    else:
        model.register_buffer("bias", torch.zeros(vocab), persistent=False)


def initialize_transformer(model: nn.Module, dim: int, attention: AttentionInit = "xavier") -> None:
    """Draw the initial weights: Xavier uniform for matrices, N(0, 1/dim) for embeddings.

    Args:
        model: the model.
        dim: size of its embeddings.
        attention: initialization of the projections of attention layers: xavier is that of other
            matrices. joint treats queries, keys and values as one matrix of 3 dim outputs, which
            scales Xavier uniform by 1/sqrt(2), as fairseq and `torch.nn.MultiheadAttention` do.
            small is N(0, 2 / (5 dim)), for the output projection too (SmallInit, Nguyen and
            Salazar 2019, section 2.2).
    """
    inputs, outputs = attention_projections(model)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            if attention == "small" and module in inputs | outputs:
                nn.init.normal_(module.weight, std=math.sqrt(2 / (5 * dim)))
            else:
                scaled = attention == "joint" and module in inputs
                nn.init.xavier_uniform_(module.weight, gain=math.sqrt(0.5) if scaled else 1.0)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=dim**-0.5)


def attention_projections(model: nn.Module) -> tuple[set[nn.Module], set[nn.Module]]:
    """Return the input projections (queries, keys, values) and output projections of attention."""
    layers = [one for one in model.modules() if isinstance(one, CachedAttention)]
    outputs: set[nn.Module] = {layer.out for layer in layers}
    inputs: set[nn.Module] = {
        one for layer in layers for one in layer.modules() if isinstance(one, nn.Linear)
    }
    return inputs - outputs, outputs
