"""Attention only, no recurrence: the Transformer (Vaswani et al. 2017)."""

import math
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seq2seq.config import Layers, Share, Width
from seq2seq.errors import UserError
from seq2seq.layers.attention import Attended, MultiHeadAttention
from seq2seq.layers.dropout import Dropout
from seq2seq.models.base import Autoregressive, Hidden, OutputLayer, Step


class Cache(NamedTuple):
    """Keys and values that one attention has already made."""

    keys: Float[Tensor, "batch heads len width"]
    values: Float[Tensor, "batch heads len width"]


class Memory(NamedTuple):
    """The encoded source as each decoder layer reads it."""

    source: tuple[Cache, ...]
    mask: Bool[Tensor, "batch src"]


class Residual(nn.Module):
    """The way around a sublayer, with layer norm before it (`pre`) or after the sum (`post`).

    Post-norm is the paper's, section 5.4; pre-norm (Xiong et al. 2020) trains without a long
    warm-up.
    """

    def __init__(self, dim: int, norm: Literal["pre", "post"], dropout: float) -> None:
        super().__init__()
        self.pre, self.norm, self.dropout = norm == "pre", nn.LayerNorm(dim), Dropout(dropout)

    def before(self, x: Float[Tensor, "batch len dim"]) -> Float[Tensor, "batch len dim"]:
        """What the sublayer is given."""
        return self.norm(x) if self.pre else x

    def after(
        self, x: Float[Tensor, "batch len dim"], y: Float[Tensor, "batch len dim"]
    ) -> Float[Tensor, "batch len dim"]:
        """Add what the sublayer gave."""
        x = x + self.dropout(y)
        return x if self.pre else self.norm(x)


class FeedForward(nn.Sequential):
    """Two linear maps with a ReLU between, at each position alone (section 3.3)."""

    def __init__(self, dim: int, hidden: int, dropout: float) -> None:
        super().__init__(
            nn.Linear(dim, hidden), nn.ReLU(), Dropout(dropout), nn.Linear(hidden, dim)
        )


class Sizes(NamedTuple):
    """What every layer is built with."""

    dim: int
    heads: int
    feed_forward: int
    dropout: float
    attention_dropout: float
    norm: Literal["pre", "post"]

    def attention(self) -> MultiHeadAttention:
        """One multi-head attention."""
        return MultiHeadAttention(self.dim, self.heads, self.attention_dropout)

    def residual(self) -> Residual:
        """The way around one sublayer."""
        return Residual(self.dim, self.norm, self.dropout)


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.attention = sizes.attention()
        self.feed_forward = FeedForward(sizes.dim, sizes.feed_forward, sizes.dropout)
        self.around_attention, self.around_feed_forward = sizes.residual(), sizes.residual()

    def forward(
        self, x: Float[Tensor, "batch src dim"], mask: Bool[Tensor, "batch #queries src"]
    ) -> Float[Tensor, "batch src dim"]:
        """Let every source position read all others."""
        y = self.around_attention.before(x)
        keys, values = self.attention.project(y)
        y = self.attention(y, keys, values, mask, weights=False).context
        x = self.around_attention.after(x, y)
        y = self.feed_forward(self.around_feed_forward.before(x))
        return self.around_feed_forward.after(x, y)


class DecoderLayer(nn.Module):
    """Attention to the target so far, to the source, then feed-forward."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.to_target, self.to_source = sizes.attention(), sizes.attention()
        self.feed_forward = FeedForward(sizes.dim, sizes.feed_forward, sizes.dropout)
        self.around_target, self.around_source = sizes.residual(), sizes.residual()
        self.around_feed_forward = sizes.residual()

    def remember(self, source: Float[Tensor, "batch src dim"]) -> Cache:
        """Keys and values of an encoded source, made once a sentence."""
        keys, values = self.to_source.project(source)
        return Cache(keys.contiguous(), values.contiguous())  # or every step would copy them

    def forward(
        self,
        x: Float[Tensor, "rows tgt dim"],
        past: Cache,
        causal: Bool[Tensor, "#rows tgt keys"] | None,
        source: Cache,
        mask: Bool[Tensor, "batch #queries src"],
        weights: bool,
    ) -> tuple[Attended, Cache]:
        """The layer's output with its attention to the source, and the past grown by x."""
        y = self.around_target.before(x)
        new = zip(past, self.to_target.project(y), strict=True)
        past = Cache(*(torch.cat(pair, dim=2) for pair in new))
        x = self.around_target.after(x, self.to_target(y, *past, causal, weights=False).context)
        # The rows of one beam are so many more queries to one source.
        y = self.around_source.before(x).view(len(source.keys), -1, x.size(-1))
        y, seen = self.to_source(y, *source, mask, weights=weights)
        x = self.around_source.after(x, y.view_as(x))
        if seen is not None:
            seen = seen.unflatten(2, (-1, x.size(1))).transpose(1, 2).flatten(0, 1)
        y = self.feed_forward(self.around_feed_forward.before(x))
        return Attended(self.around_feed_forward.after(x, y), seen), past


class Transformer(Autoregressive):
    """Every target word looks at every source word, and at the target words before it.

    The output layer is always the target embedding (Press and Wolf 2017), and with a shared
    vocabulary the source embedding as well (section 3.4). Matrices begin as Xavier uniform and
    embeddings as N(0, 1/dim), as in the authors' Tensor2Tensor.

    Args:
        dim: width of the model
        heads: attention heads, each dim / heads wide
        encoder_layers: how many
        decoder_layers: how many
        feed_forward: width inside the feed-forward sublayers
        norm: layer norm before each sublayer (pre) or after it (post, the paper's)
        dropout: probability on embeddings, on each sublayer's output and inside feed-forward
        attention_dropout: probability on attention weights
    """

    compilable = True

    def __init__(
        self,
        *,
        source_vocab: int,
        target_vocab: int,
        shared_vocab: bool,
        dim: Width,
        heads: Width,
        encoder_layers: Layers,
        decoder_layers: Layers,
        feed_forward: Width,
        norm: Literal["pre", "post"],
        dropout: Share,
        attention_dropout: Share,
    ) -> None:
        super().__init__()
        if dim % 2:
            raise UserError(f"model.dim={dim} must be even: positions are pairs of sine and cosine")
        if dim % heads:
            raise UserError(f"model.dim={dim} must be a multiple of model.heads={heads}")
        sizes = Sizes(dim, heads, feed_forward, dropout, attention_dropout, norm)
        self.dim, self.dropout = dim, Dropout(dropout)
        self.target = nn.Embedding(target_vocab, dim)
        self.source = self.target if shared_vocab else nn.Embedding(source_vocab, dim)
        self.encoder = nn.ModuleList(EncoderLayer(sizes) for _ in range(encoder_layers))
        self.decoder = nn.ModuleList(DecoderLayer(sizes) for _ in range(decoder_layers))
        ends = 2 if norm == "pre" else 0  # a pre-norm stack leaves its sum unnormalised
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(ends))
        self.bias = nn.Parameter(torch.zeros(target_vocab))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=dim**-0.5)

    def embed(
        self, table: nn.Embedding, ids: Int[Tensor, "batch len"], start: int = 0
    ) -> Float[Tensor, "batch len dim"]:
        """Word vectors times sqrt(dim), plus positions (sections 3.4 and 3.5)."""
        places = positions(start, ids.size(1), self.dim).to(table.weight)
        return self.dropout(table(ids) * math.sqrt(self.dim) + places)

    def encode(self, src: Int[Tensor, "batch src"], mask: Bool[Tensor, "batch src"]) -> Memory:
        """The encoder stack, then the keys and values that each decoder layer will read."""
        x = self.embed(self.source, src)
        for layer in self.encoder:
            x = layer(x, mask.unsqueeze(1))
        if self.norms:
            x = self.norms[0](x)
        return Memory(tuple(layer.remember(x) for layer in self.decoder), mask)  # type: ignore[operator]

    def start(self, memory: Memory) -> tuple[Cache, ...]:
        """No target yet."""
        return tuple(Cache(past.keys[:, :, :0], past.values[:, :, :0]) for past in memory.source)

    def run(
        self,
        tgt: Int[Tensor, "rows tgt"],
        memory: Memory,
        state: tuple[Cache, ...],
        weights: bool,
    ) -> tuple[Hidden, tuple[Cache, ...]]:
        """Read tgt after the cached past; `step` runs it on one token, `hidden` on all."""
        seen, length = state[0].keys.size(2), tgt.size(1)
        causal, mask = None, memory.mask.unsqueeze(1)
        if length > 1:  # the last position may look at all
            causal = torch.ones(1, length, seen + length, dtype=torch.bool, device=tgt.device)
            causal = causal.tril(seen)
        x, attentions, pasts = self.embed(self.target, tgt, start=seen), [], []
        for layer, past, source in zip(self.decoder, state, memory.source, strict=True):
            (x, attention), past = layer(x, past, causal, source, mask, weights)
            attentions.append(attention)
            pasts.append(past)
        if self.norms:
            x = self.norms[1](x)
        return Hidden(x, torch.stack(attentions, dim=1) if weights else None), tuple(pasts)

    def hidden(
        self, tgt: Int[Tensor, "batch tgt"], memory: Memory, *, weights: bool = True
    ) -> Hidden:
        """All positions at once, each blind to those after it."""
        return self.run(tgt, memory, self.start(memory), weights)[0]

    @property
    def output_layer(self) -> OutputLayer:
        """The target embedding."""
        return OutputLayer(self.target.weight, self.bias)

    def step(
        self,
        token: Int[Tensor, " rows"],
        memory: Memory,
        state: tuple[Cache, ...],
        *,
        weights: bool = True,
    ) -> Step:
        """One word further, with keys and values of the earlier ones kept."""
        (states, seen), state = self.run(token.unsqueeze(1), memory, state, weights)
        return Step(
            self.project(states.squeeze(1)), None if seen is None else seen.squeeze(3), state
        )


def positions(start: int, length: int, dim: int) -> Float[Tensor, "length dim"]:
    """Sines and cosines of falling frequency, so that a shift is a rotation (section 3.5)."""
    place = torch.arange(start, start + length, dtype=torch.float32).unsqueeze(1)
    angle = place * torch.exp(torch.arange(0, dim, 2) * (-math.log(10_000) / dim))
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2)
