"""Layers of Transformer models, and the hyperparameters that choose their parts."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seq2seq.errors import UserError
from seq2seq.layers.attention import AttentionOutput
from seq2seq.layers.cache import Cache, SourceCache, grow
from seq2seq.layers.dropout import Dropout
from seq2seq.layers.feed_forward import FeedForward, SwiGLU
from seq2seq.layers.latent import LatentAttention
from seq2seq.layers.multi_head import MultiHeadAttention
from seq2seq.layers.normalization import RMSNorm
from seq2seq.layers.positions import Rotation, alibi, rotation

Attention = Literal["multi_head", "multi_query", "grouped_query", "latent"]
Positions = Literal["sinusoidal", "learned", "rope", "alibi", "none"]
Norm = Literal["pre", "post"]
Normalization = Literal["layer", "rms"]
FeedForwardKind = Literal["relu", "gelu", "swiglu"]
AttentionLayer = MultiHeadAttention | LatentAttention


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Hyperparameters of all layers of a model; a model describes them as keys of its YAML file.

    Raises:
        UserError: a value does not fit another one, or has no effect.
    """

    dim: int
    heads: int
    feed_forward: int
    norm: Norm
    dropout: float
    attention_dropout: float
    attention: Attention = "multi_head"
    key_value_heads: int | None = None
    latent_dim: int | None = None
    query_latent_dim: int | None = None
    rotary_dim: int | None = None
    positions: Positions = "sinusoidal"
    max_positions: int | None = None
    normalization: Normalization = "layer"
    feed_forward_kind: FeedForwardKind = "relu"
    bias: bool = True

    def __post_init__(self) -> None:
        if self.dim % self.heads:
            raise UserError(f"model.dim={self.dim} must be a multiple of model.heads={self.heads}")
        self._check_keys()
        self._check_positions()
        groups = self.key_value_heads
        if groups is not None and self.heads % groups:
            raise UserError(
                f"model.heads={self.heads} must be a multiple of model.key_value_heads={groups}"
            )

    def _check_keys(self) -> None:
        """Check that keys of one choice are given with it alone, and required ones are given."""
        for key, choice, wanted in (
            ("key_value_heads", "attention", "grouped_query"),
            ("latent_dim", "attention", "latent"),
            ("query_latent_dim", "attention", "latent"),
            ("rotary_dim", "attention", "latent"),
            ("rotary_dim", "positions", "rope"),
            ("max_positions", "positions", "learned"),
        ):
            value, chosen = getattr(self, key), getattr(self, choice)
            if value is not None and chosen != wanted:
                raise UserError(
                    f"model.{key}={value} has no effect with model.{choice}={chosen}: remove it, "
                    f"or set model.{choice}={wanted}"
                )
        if self.attention == "grouped_query" and self.key_value_heads is None:
            raise UserError(
                "model.attention=grouped_query needs model.key_value_heads, a divisor of "
                f"model.heads={self.heads}"
            )
        if self.positions == "learned" and self.max_positions is None:
            raise UserError(
                "model.positions=learned needs model.max_positions, the length of the longest "
                "sequence in tokens (at least data.max_length and search.max_length, plus 1)"
            )

    def _check_positions(self) -> None:
        """Check that the sizes fit encodings of pairs of elements."""
        width = self.dim // self.heads
        if self.positions == "sinusoidal" and self.dim % 2:
            raise UserError(
                f"model.dim={self.dim} must be even: positions are sine and cosine pairs"
            )
        if self.positions == "rope" and width % 2:
            raise UserError(
                f"model.positions=rope rotates pairs of elements and needs heads of an even width, "
                f"but model.dim={self.dim} / model.heads={self.heads} is {width}"
            )
        if self.rotary_dim is not None and self.rotary_dim % 2:
            raise UserError(
                f"model.rotary_dim={self.rotary_dim} must be even: rope rotates pairs of elements"
            )

    def multi_head(self) -> MultiHeadAttention:
        """Build multi-head attention, whatever the chosen kind: that of an encoder."""
        return MultiHeadAttention(self.dim, self.heads, self.attention_dropout, bias=self.bias)

    def attention_layer(self, *, positions: bool) -> AttentionLayer:
        """Build attention of the chosen kind, for a decoder.

        Args:
            positions: whether relative positions apply, as in self-attention.
        """
        if self.attention != "latent":
            groups = {"multi_head": self.heads, "multi_query": 1}.get(self.attention)
            return MultiHeadAttention(
                self.dim,
                self.heads,
                self.attention_dropout,
                key_value_heads=groups or self.key_value_heads,
                bias=self.bias,
            )
        width, rotary = self.dim // self.heads, 0
        if positions and self.positions == "rope":
            rotary = max(2, width // 4 * 2) if self.rotary_dim is None else self.rotary_dim
        return LatentAttention(
            self.dim,
            self.heads,
            self.attention_dropout,
            latent_dim=4 * width if self.latent_dim is None else self.latent_dim,
            rotary_dim=rotary,
            query_latent_dim=self.query_latent_dim,
        )

    def norm_layer(self) -> nn.Module:
        """Build a normalization over the last axis."""
        if self.normalization == "rms":
            return RMSNorm(self.dim)
        return nn.LayerNorm(self.dim, bias=self.bias)

    def residual(self) -> "Residual":
        """Build the residual connection of one sublayer."""
        return Residual(self.norm_layer(), self.norm, self.dropout)

    def feed_forward_layer(self) -> nn.Module:
        """Build the feed-forward network of one layer."""
        sizes = (self.dim, self.feed_forward, self.dropout)
        if self.feed_forward_kind == "swiglu":
            return SwiGLU(*sizes, bias=self.bias)
        activation = nn.ReLU() if self.feed_forward_kind == "relu" else nn.GELU()
        return FeedForward(*sizes, activation, bias=self.bias)


class Residual(nn.Module):
    """Residual connection with a normalization before the sublayer (`pre`) or after the sum.

    Post-norm is used in the paper (Vaswani et al. 2017, sections 3.1 and 5.4); pre-norm (Xiong et
    al. 2020) trains without a long warm-up.
    """

    def __init__(self, normalization: nn.Module, norm: Norm, dropout: float) -> None:
        super().__init__()
        self.pre, self.norm, self.dropout = norm == "pre", normalization, Dropout(dropout)

    def before(self, x: Float[Tensor, "batch len dim"]) -> Float[Tensor, "batch len dim"]:
        """Return the input of the sublayer."""
        return self.norm(x) if self.pre else x

    def after(
        self, x: Float[Tensor, "batch len dim"], y: Float[Tensor, "batch len dim"]
    ) -> Float[Tensor, "batch len dim"]:
        """Add the output y of the sublayer to its residual input x."""
        x = x + self.dropout(y)
        return x if self.pre else self.norm(x)


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
    """Output of a decoder layer, and what was asked for: attention weights and their sum."""

    states: Float[Tensor, "rows tgt dim"]
    source: Float[Tensor, "rows heads tgt src"] | None
    target: Float[Tensor, "rows heads tgt keys"] | None
    sum: Float[Tensor, "rows tgt dim"] | None  # of the source attention and its residual input


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
        y = self.around_source.before(x).view(len(source[0]), -1, x.size(-1))
        y, attention = self.to_source(y, source, mask, weights=weights, absorbed=inputs.absorbed)
        total = x + y.view_as(x) if weights else None
        x = self.around_source.after(x, y.view_as(x))
        if attention is not None:
            attention = attention.unflatten(2, (-1, x.size(1))).transpose(1, 2).flatten(0, 1)
        y = self.feed_forward(self.around_feed_forward.before(x))
        x = self.around_feed_forward.after(x, y)
        return DecoderOutput(x, attention, to_target if self_weights else None, total), past


def initialize(model: nn.Module, dim: int) -> None:
    """Draw the initial weights: Xavier uniform for matrices, N(0, 1/dim) for embeddings."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=dim**-0.5)
