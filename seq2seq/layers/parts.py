"""The hyperparameters of Transformer layers: keys of the models, and the layers they choose."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from torch import nn

from seq2seq.errors import UserError
from seq2seq.layers.cached_attention import CachedAttention
from seq2seq.layers.dropout import Dropout
from seq2seq.layers.feed_forward import FeedForward, SwiGLU
from seq2seq.layers.latent import LatentAttention
from seq2seq.layers.multi_head import MultiHeadAttention
from seq2seq.layers.normalization import RMSNorm, ScaleNorm
from seq2seq.layers.residual import Norm, Residual
from seq2seq.settings.ranges import Default, Share, Width
from seq2seq.settings.schema import defaults

Attention = Literal["multi_head", "multi_query", "grouped_query", "latent"]
Positions = Literal["sinusoidal", "fairseq", "learned", "rope", "alibi", "none"]
Normalization = Literal["layer", "rms", "scale"]
AttentionInit = Literal["xavier", "joint", "small"]
FeedForwardKind = Literal["relu", "gelu", "swish", "swiglu"]
AttentionLayer = CachedAttention[Any]


class LayerKeys(TypedDict):
    """The keys of every Transformer.

    Args:
        dim: size of the embeddings and hidden states
        heads: number of attention heads; each has size dim / heads
        feed_forward: hidden size of the feed-forward networks
        norm: normalization before each sublayer (pre) or after it (post, as in the paper)
        dropout: dropout probability on sublayer outputs, and where another dropout is null
        embedding_dropout: dropout probability on embeddings; null is that of dropout
        activation_dropout: dropout probability inside feed-forward; null is that of dropout
        attention_dropout: dropout probability on attention weights
        positions: encodings; fairseq is sinusoidal, rope and alibi act in self-attention only
        max_positions: maximum sequence length in tokens of positions=learned
        normalization: layer, rms (Zhang and Sennrich 2019) or scale norm (Nguyen and Salazar 2019)
        feed_forward_kind: activation of the feed-forward networks; swiglu has a third matrix
        bias: whether linear layers, layer norms and output layer have biases
        attention_init: xavier, joint (Q, K and V as one matrix) or small (N(0, 2 / (5 dim)))
        fix_norm: divide word vectors by their length (FixNorm, Nguyen and Salazar 2019)
    """

    dim: Width
    heads: Width
    feed_forward: Width
    norm: Norm
    dropout: Share
    attention_dropout: Share
    positions: NotRequired[Annotated[Positions, Default("sinusoidal")]]
    max_positions: NotRequired[Annotated[Width | None, Default(None)]]
    normalization: NotRequired[Annotated[Normalization, Default("layer")]]
    feed_forward_kind: NotRequired[Annotated[FeedForwardKind, Default("relu")]]
    bias: NotRequired[Annotated[bool, Default(True)]]
    embedding_dropout: NotRequired[Annotated[Share | None, Default(None)]]
    activation_dropout: NotRequired[Annotated[Share | None, Default(None)]]
    attention_init: NotRequired[Annotated[AttentionInit, Default("xavier")]]
    fix_norm: NotRequired[Annotated[bool, Default(False)]]


class AttentionKeys(LayerKeys, TypedDict):  # TypedDict again, for `__orig_bases__` in Python 3.11
    """The keys of a Transformer with a decoder, whose attention has a cache.

    Args:
        attention: kind of the decoder's attention; latent is that of DeepSeek-V2
        key_value_heads: number of key/value heads of grouped_query; heads is a multiple of it
        latent_dim: size of the cached vector of latent; null is 4 * dim / heads
        query_latent_dim: size of the latent vector of the queries of latent; null has none
        rotary_dim: size of the rotary key of latent with rope; null is half of dim / heads, even
    """

    attention: NotRequired[Annotated[Attention, Default("multi_head")]]
    key_value_heads: NotRequired[Annotated[Width | None, Default(None)]]
    latent_dim: NotRequired[Annotated[Width | None, Default(None)]]
    query_latent_dim: NotRequired[Annotated[Width | None, Default(None)]]
    rotary_dim: NotRequired[Annotated[Width | None, Default(None)]]


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Hyperparameters of all layers of a model: the keys of `AttentionKeys`.

    Raises:
        UserError: a value does not fit another one, or has no effect.
    """

    dim: int
    heads: int
    feed_forward: int
    norm: Norm
    dropout: float
    attention_dropout: float
    attention: Attention
    key_value_heads: int | None
    latent_dim: int | None
    query_latent_dim: int | None
    rotary_dim: int | None
    positions: Positions
    max_positions: int | None
    normalization: Normalization
    feed_forward_kind: FeedForwardKind
    bias: bool
    embedding_dropout: float | None
    activation_dropout: float | None
    attention_init: AttentionInit
    fix_norm: bool

    @classmethod
    def of(cls, keys: LayerKeys) -> "Parts":
        """Return the hyperparameters for the keys of a model; absent keys have their default."""
        values: dict[str, Any] = defaults(AttentionKeys) | dict(keys)
        return cls(**values)

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
        if self.positions == "fairseq" and (self.dim % 2 or self.dim < 4):
            raise UserError(
                f"model.dim={self.dim} must be even and at least 4: positions=fairseq has as many "
                "sines as cosines, of two frequencies or more"
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
        if self.normalization == "scale":
            return ScaleNorm(self.dim)
        return nn.LayerNorm(self.dim, bias=self.bias)

    def embedding_dropout_layer(self) -> Dropout:
        """Build the dropout of embeddings."""
        return Dropout(self.dropout if self.embedding_dropout is None else self.embedding_dropout)

    def residual(self) -> Residual:
        """Build the residual connection of one sublayer."""
        return Residual(self.norm_layer(), self.norm, self.dropout)

    def feed_forward_layer(self) -> nn.Module:
        """Build the feed-forward network of one layer."""
        dropout = self.dropout if self.activation_dropout is None else self.activation_dropout
        sizes = (self.dim, self.feed_forward, dropout)
        if self.feed_forward_kind == "swiglu":
            return SwiGLU(*sizes, bias=self.bias)
        activations = {"relu": nn.ReLU, "gelu": nn.GELU, "swish": nn.SiLU}
        return FeedForward(*sizes, activations[self.feed_forward_kind](), bias=self.bias)
