"""The Transformer (Vaswani et al. 2017)."""

import math
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seq2seq.config import Layers, Share, Width
from seq2seq.errors import UserError
from seq2seq.layers.attention import AttentionOutput, MultiHeadAttention
from seq2seq.layers.dropout import Dropout
from seq2seq.models.base import Autoregressive, Hidden, OutputLayer, Step


class Cache(NamedTuple):
    """Keys and values of one attention layer, kept between steps."""

    keys: Float[Tensor, "batch heads len width"]
    values: Float[Tensor, "batch heads len width"]


class Memory(NamedTuple):
    """Keys and values of the encoded source for each decoder layer."""

    source: tuple[Cache, ...]
    mask: Bool[Tensor, "batch src"]


class Residual(nn.Module):
    """Residual connection with layer norm before the sublayer (`pre`) or after the sum (`post`).

    Post-norm is used in the paper (sections 3.1 and 5.4); pre-norm (Xiong et al. 2020) trains
    without a long warm-up.
    """

    def __init__(self, dim: int, norm: Literal["pre", "post"], dropout: float) -> None:
        super().__init__()
        self.pre, self.norm, self.dropout = norm == "pre", nn.LayerNorm(dim), Dropout(dropout)

    def before(self, x: Float[Tensor, "batch len dim"]) -> Float[Tensor, "batch len dim"]:
        """Return the input of the sublayer."""
        return self.norm(x) if self.pre else x

    def after(
        self, x: Float[Tensor, "batch len dim"], y: Float[Tensor, "batch len dim"]
    ) -> Float[Tensor, "batch len dim"]:
        """Add the output y of the sublayer to its residual input x."""
        x = x + self.dropout(y)
        return x if self.pre else self.norm(x)


class FeedForward(nn.Sequential):
    """Position-wise feed-forward network: two linear layers with a ReLU between (section 3.3)."""

    def __init__(self, dim: int, hidden: int, dropout: float) -> None:
        super().__init__(
            nn.Linear(dim, hidden), nn.ReLU(), Dropout(dropout), nn.Linear(hidden, dim)
        )


class Sizes(NamedTuple):
    """Hyperparameters shared by all layers."""

    dim: int
    heads: int
    feed_forward: int
    dropout: float
    attention_dropout: float
    norm: Literal["pre", "post"]

    def attention(self) -> MultiHeadAttention:
        """Build a multi-head attention layer."""
        return MultiHeadAttention(self.dim, self.heads, self.attention_dropout)

    def residual(self) -> Residual:
        """Build the residual connection of one sublayer."""
        return Residual(self.dim, self.norm, self.dropout)


class EncoderLayer(nn.Module):
    """Encoder layer: self-attention, then the feed-forward network."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.attention = sizes.attention()
        self.feed_forward = FeedForward(sizes.dim, sizes.feed_forward, sizes.dropout)
        self.around_attention, self.around_feed_forward = sizes.residual(), sizes.residual()

    def forward(
        self, x: Float[Tensor, "batch src dim"], mask: Bool[Tensor, "batch #queries src"]
    ) -> Float[Tensor, "batch src dim"]:
        """Apply the layer; mask is True at the keys that may be attended to."""
        y = self.around_attention.before(x)
        keys, values = self.attention.project(y)
        y = self.attention(y, keys, values, mask, weights=False).context
        x = self.around_attention.after(x, y)
        y = self.feed_forward(self.around_feed_forward.before(x))
        return self.around_feed_forward.after(x, y)


class DecoderLayer(nn.Module):
    """Decoder layer: causal self-attention, source attention, then the feed-forward network."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.to_target, self.to_source = sizes.attention(), sizes.attention()
        self.feed_forward = FeedForward(sizes.dim, sizes.feed_forward, sizes.dropout)
        self.around_target, self.around_source = sizes.residual(), sizes.residual()
        self.around_feed_forward = sizes.residual()

    def project_source(self, source: Float[Tensor, "batch src dim"]) -> Cache:
        """Compute the keys and values of an encoded source, once for each sentence."""
        keys, values = self.to_source.project(source)
        return Cache(keys.contiguous(), values.contiguous())  # else every step would copy them

    def forward(
        self,
        x: Float[Tensor, "rows tgt dim"],
        past: Cache,
        causal: Bool[Tensor, "#rows tgt keys"] | None,
        source: Cache,
        mask: Bool[Tensor, "batch #queries src"],
        weights: bool,
    ) -> tuple[AttentionOutput, Cache]:
        """Apply the layer to x after the cached positions.

        Returns:
            The output with the source attention weights (None if `weights` is False), and the
            cache extended by the keys and values of x.
        """
        y = self.around_target.before(x)
        new = zip(past, self.to_target.project(y), strict=True)
        past = Cache(*(torch.cat(pair, dim=2) for pair in new))
        x = self.around_target.after(x, self.to_target(y, *past, causal, weights=False).context)
        # The hypotheses of one beam are further queries to the same source sentence.
        y = self.around_source.before(x).view(len(source.keys), -1, x.size(-1))
        y, attention = self.to_source(y, *source, mask, weights=weights)
        x = self.around_source.after(x, y.view_as(x))
        if attention is not None:
            attention = attention.unflatten(2, (-1, x.size(1))).transpose(1, 2).flatten(0, 1)
        y = self.feed_forward(self.around_feed_forward.before(x))
        return AttentionOutput(self.around_feed_forward.after(x, y), attention), past


class Transformer(Autoregressive):
    """Transformer encoder-decoder with tied embeddings and sinusoidal positions.

    The output layer shares the weight of the target embedding (Press and Wolf 2017) and, with a
    shared vocabulary, of the source embedding (section 3.4). Weight matrices are initialized with
    Xavier uniform and embeddings with N(0, 1/dim), as in Tensor2Tensor by the paper's authors.

    Args:
        dim: size of the embeddings and hidden states
        heads: number of attention heads; each has size dim / heads
        encoder_layers: number of encoder layers
        decoder_layers: number of decoder layers
        feed_forward: hidden size of the feed-forward networks
        norm: layer norm before each sublayer (pre) or after it (post, as in the paper)
        dropout: dropout probability on embeddings, sublayer outputs and inside feed-forward
        attention_dropout: dropout probability on attention weights
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
            raise UserError(f"model.dim={dim} must be even: positions are sine and cosine pairs")
        if dim % heads:
            raise UserError(f"model.dim={dim} must be a multiple of model.heads={heads}")
        sizes = Sizes(dim, heads, feed_forward, dropout, attention_dropout, norm)
        self.dim, self.dropout = dim, Dropout(dropout)
        self.target = nn.Embedding(target_vocab, dim)
        self.source = self.target if shared_vocab else nn.Embedding(source_vocab, dim)
        self.encoder = nn.ModuleList(EncoderLayer(sizes) for _ in range(encoder_layers))
        self.decoder = nn.ModuleList(DecoderLayer(sizes) for _ in range(decoder_layers))
        stacks = 2 if norm == "pre" else 0  # the output of a pre-norm stack is not normalized
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(stacks))
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
        """Return embeddings times sqrt(dim) plus position encodings (sections 3.4 and 3.5)."""
        encodings = positions(start, ids.size(1), self.dim).to(table.weight)
        return self.dropout(table(ids) * math.sqrt(self.dim) + encodings)

    def embed_source(self, src: Int[Tensor, "batch src"]) -> Float[Tensor, "batch src dim"]:
        """Return the scaled source embeddings plus position encodings."""
        return self.embed(self.source, src)

    def encode_embedded(
        self, embedded: Float[Tensor, "batch src dim"], mask: Bool[Tensor, "batch src"]
    ) -> Memory:
        """Run the encoder, then compute the keys and values for each decoder layer."""
        x = embedded
        for layer in self.encoder:
            x = layer(x, mask.unsqueeze(1))
        if self.norms:
            x = self.norms[0](x)
        return Memory(tuple(layer.project_source(x) for layer in self.decoder), mask)  # type: ignore[operator]

    def start(self, memory: Memory) -> tuple[Cache, ...]:
        """Return an empty cache for each decoder layer."""
        return tuple(Cache(past.keys[:, :, :0], past.values[:, :, :0]) for past in memory.source)

    def run(
        self,
        tgt: Int[Tensor, "rows tgt"],
        memory: Memory,
        state: tuple[Cache, ...],
        weights: bool,
    ) -> tuple[Hidden, tuple[Cache, ...]]:
        """Run the decoder on tgt after the cached tokens: one token in `step`, all in `hidden`."""
        cached, length = state[0].keys.size(2), tgt.size(1)
        causal, mask = None, memory.mask.unsqueeze(1)
        if length > 1:  # a single position attends to everything before it, so needs no mask
            causal = torch.ones(1, length, cached + length, dtype=torch.bool, device=tgt.device)
            causal = causal.tril(cached)
        x, attentions, pasts = self.embed(self.target, tgt, start=cached), [], []
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
        """Run all positions at once under a causal mask."""
        return self.run(tgt, memory, self.start(memory), weights)[0]

    @property
    def output_layer(self) -> OutputLayer:
        """The target embedding as weight, and the output bias."""
        return OutputLayer(self.target.weight, self.bias)

    def step(
        self,
        token: Int[Tensor, " rows"],
        memory: Memory,
        state: tuple[Cache, ...],
        *,
        weights: bool = True,
    ) -> Step:
        """Read one token and predict the next; keys and values of earlier tokens are cached."""
        (states, attention), state = self.run(token.unsqueeze(1), memory, state, weights)
        if attention is not None:
            attention = attention.squeeze(3)
        return Step(self.project(states.squeeze(1)), attention, state)


def positions(start: int, length: int, dim: int) -> Float[Tensor, "length dim"]:
    """Sinusoidal position encodings, sine and cosine of each frequency adjacent (section 3.5)."""
    position = torch.arange(start, start + length, dtype=torch.float32).unsqueeze(1)
    angle = position * torch.exp(torch.arange(0, dim, 2) * (-math.log(10_000) / dim))
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2)
