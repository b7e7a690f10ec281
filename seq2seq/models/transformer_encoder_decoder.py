"""The Transformer encoder-decoder that several models configure; each is a file of its own."""

from functools import partial
from typing import Any, Literal, NamedTuple, Unpack, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seq2seq.errors import UserError
from seq2seq.layers.attention import AttentionSteps, stack_layers
from seq2seq.layers.cache import Cache, CacheElements, SourceCache, cached_length
from seq2seq.layers.embedding import TokenEmbedding, embed
from seq2seq.layers.head_edits import HeadEdits
from seq2seq.layers.parts import AttentionKeys, Parts
from seq2seq.layers.positions import LearnedPositions
from seq2seq.layers.transformer import (
    DecoderLayer,
    DecoderOutput,
    SelfAttentionInputs,
    SelfAttentionLayer,
    add_output_bias,
    initialize_transformer,
)
from seq2seq.models.base import Autoregressive
from seq2seq.models.results import Hidden, Maps, OutputLayer, SourceRead, Step
from seq2seq.settings.ranges import Layers, Natural
from seq2seq.text.batching import Batch
from seq2seq.text.special_ids import PREFIX


class Memory(NamedTuple):
    """The encoded source: a cache for each decoder layer, or one cache for all layers."""

    source: tuple[Cache, ...]
    mask: Bool[Tensor, "batch src"]


State = tuple[Cache, ...]  # the target so far, for each decoder layer


class TransformerEncoderDecoder(Autoregressive):
    """Transformer encoder-decoder with tied embeddings.

    The output layer shares the weight of the target embedding (Press and Wolf 2017) and, with a
    shared vocabulary, of the source embedding (Vaswani et al. 2017, section 3.4). Weight matrices
    are initialized with Xavier uniform (those of attention by `attention_init`) and embeddings with
    N(0, 1/dim), as in Tensor2Tensor by the paper's authors.

    `attention` is the kind of the decoder's self-attention and source attention, which have a
    cache. The encoder always has multi-head attention, as in Ainslie et al. (2023).

    `cross_attention_cache` changes no weight and can be set on a trained model at any time.

    `target_prefix` is for models of other programs whose decoder reads more than one token before
    the target, such as `</s>` and the target language in M2M100. The last of these tokens is
    `special.bos`; the prefix is the others. They take the first positions. Nothing is predicted
    from them, so no result has a row for them, and `Maps.target` adds their weight to that of BOS.

    Args:
        encoder_layers: number of encoder layers
        decoder_layers: number of decoder layers
        cross_attention_cache: while decoding, keep keys and values of each layer, or the source
        target_prefix: ids of tokens that the decoder reads before BOS; null is none
    """

    compilable = True
    bias: Tensor  # of the output layer
    prefix: Tensor  # ids that the decoder reads before BOS

    def __init__(
        self,
        *,
        source_vocab: int,
        target_vocab: int,
        shared_vocab: bool,
        encoder_layers: Layers,
        decoder_layers: Layers,
        cross_attention_cache: Literal["keys", "source"] = "keys",
        target_prefix: list[Natural] | None = None,
        **keys: Unpack[AttentionKeys],
    ) -> None:
        super().__init__()
        parts = Parts.of(keys)
        dim, max_positions = parts.dim, parts.max_positions
        if cross_attention_cache == "source" and parts.attention == "latent":
            raise UserError(
                "model.cross_attention_cache=source cannot be combined with "
                "model.attention=latent, which caches a normalized vector of its own in each layer"
            )
        if len(target_prefix or ()) > PREFIX:
            raise UserError(f"model.target_prefix must have at most {PREFIX} ids")
        if wrong := [one for one in target_prefix or () if one >= target_vocab]:
            raise UserError(
                f"model.target_prefix has the id {wrong[0]}, but the target vocabulary has the ids "
                f"0 to {target_vocab - 1}"
            )
        self.parts, self.cross_attention_cache = parts, cross_attention_cache
        self.dim, self.dropout = dim, parts.embedding_dropout_layer()
        table = partial(TokenEmbedding, dim=dim, fix_norm=parts.fix_norm)
        self.target = table(target_vocab)
        self.source = self.target if shared_vocab else table(source_vocab)
        self.source_positions: LearnedPositions | None = None
        self.target_positions: LearnedPositions | None = None
        if max_positions is not None:
            self.source_positions = LearnedPositions(max_positions, dim)
            self.target_positions = LearnedPositions(max_positions, dim)
        self.encoder = nn.ModuleList(
            SelfAttentionLayer(parts, parts.multi_head()) for _ in range(encoder_layers)
        )
        self.decoder = nn.ModuleList(DecoderLayer(parts) for _ in range(decoder_layers))
        stacks = 2 if parts.norm == "pre" else 0  # the output of a pre-norm stack is not normalized
        self.norms = nn.ModuleList(parts.norm_layer() for _ in range(stacks))
        add_output_bias(self, target_vocab, learned=parts.bias)
        prefix = torch.tensor(target_prefix or [], dtype=torch.long)
        self.register_buffer("prefix", prefix, persistent=False)
        initialize_transformer(self, dim, parts.attention_init)

    def embed(
        self,
        table: TokenEmbedding,
        positions: LearnedPositions | None,
        ids: Int[Tensor, "batch len"],
        start: int = 0,
    ) -> Float[Tensor, "batch len dim"]:
        """Return the embeddings of consecutive tokens, with scaling, positions and dropout."""
        places = torch.arange(start, start + ids.size(1), device=ids.device).unsqueeze(0)
        learned = None if positions is None else positions(start, ids.size(1))
        return self.dropout(embed(self.parts, table(ids), places, learned))

    def embed_source(self, src: Int[Tensor, "batch src"]) -> Float[Tensor, "batch src dim"]:
        """Return the embeddings of the source, with scaling, positions and dropout."""
        return self.embed(self.source, self.source_positions, src)

    def encode_embedded(
        self, embedded: Float[Tensor, "batch src dim"], mask: Bool[Tensor, "batch src"]
    ) -> Memory:
        """Run the encoder, then compute the cache of the source."""
        return self.read_source(embedded, mask, weights=False)[0]

    def read_source(
        self, source: Float[Tensor, "batch src dim"], mask: Bool[Tensor, "batch src"], weights: bool
    ) -> tuple[Memory, list[Tensor | None]]:
        """Return the memory, and the attention weights of each encoder layer."""
        x, attentions = source, []
        places = torch.arange(mask.size(1), device=mask.device).unsqueeze(0)
        width = self.dim // self.parts.heads
        inputs = SelfAttentionInputs.make(self.parts, width, mask.unsqueeze(1), places, places)
        for layer in self.encoder:
            (x, attention), _ = layer(x, None, inputs, weights)
            attentions.append(attention)
        if self.norms:
            x = self.norms[0](x)
        if self.cross_attention_cache == "source":
            return Memory((SourceCache(x),), mask), attentions
        caches = tuple(layer.remember_source(x) for layer in self.decoder_layers)
        return Memory(caches, mask), attentions

    @property
    def decoder_layers(self) -> list[DecoderLayer]:
        """The decoder layers, with their type."""
        return cast("list[DecoderLayer]", list(self.decoder))

    def cache_elements(self) -> CacheElements:
        """Return the sizes of the caches by their formulas, for `seq2seq bench --caches`."""
        source = sum(layer.to_source.cache_width for layer in self.decoder_layers)
        target = sum(layer.to_target.cache_width for layer in self.decoder_layers)
        return CacheElements(self.dim if self.cross_attention_cache == "source" else source, target)

    def start(self, memory: Memory) -> State:
        """Return the cache of each decoder layer before BOS: empty, or that of the prefix."""
        nothing = self.target.weight.new_zeros(memory.mask.size(0), 0, self.dim)
        places = torch.zeros(1, 0, dtype=torch.long, device=nothing.device)
        inputs = self.target_inputs(0, places)
        empty = tuple(
            layer.to_target.remember(nothing, inputs.rotation) for layer in self.decoder_layers
        )
        if not len(self.prefix):
            return empty
        tokens = self.prefix.expand(memory.mask.size(0), -1)
        return self.run(tokens, memory, empty, weights=False)[2]

    def target_inputs(self, cached: int, tgt: Int[Tensor, "rows tgt"]) -> SelfAttentionInputs:
        """Return the inputs of the decoder's self-attention for tokens after the cached ones."""
        length, causal = tgt.size(1), None
        if length > 1:  # a single position attends to everything before it, so needs no mask
            causal = torch.ones(1, length, cached + length, dtype=torch.bool, device=tgt.device)
            causal = causal.tril(cached)
        places = torch.arange(cached + length, device=tgt.device).unsqueeze(0)
        width = self.decoder_layers[0].to_target.rotary_width
        return SelfAttentionInputs.make(self.parts, width, causal, places[:, cached:], places)

    def run(
        self,
        tgt: Int[Tensor, "rows tgt"],
        memory: Memory,
        state: State | None,
        weights: bool,
        self_weights: bool = False,
        only: int | None = None,
    ) -> tuple[Hidden, list[DecoderOutput], State]:
        """Run the decoder on tgt after the cached tokens; return the output of each layer, too.

        Args:
            tgt: one token in `step`, all in `whole`.
            memory: the encoded source.
            state: the caches of earlier tokens; None if there are none.
            weights: return the source attention weights.
            self_weights: return the self-attention weights of each layer.
            only: return the source attention weights of this layer alone, counted from 0.
        """
        layers, mask = self.decoder_layers, memory.mask.unsqueeze(1)
        cached = 0 if state is None else cached_length(state[0])
        inputs = self.target_inputs(cached, tgt)._replace(
            absorbed=state is not None and tgt.size(1) == 1
        )
        x, outputs, pasts = self.embed(self.target, self.target_positions, tgt, cached), [], []
        sources = memory.source * (len(layers) // len(memory.source))
        before = [None] * len(layers) if state is None else state
        for number, (layer, past, source) in enumerate(zip(layers, before, sources, strict=True)):
            wanted = weights and only in (None, number)
            output, cache = layer(x, past, inputs, source, mask, wanted, self_weights)
            x = output.states
            outputs.append(output)
            pasts.append(cache)
        if self.norms:
            x = self.norms[1](x)
        chosen = outputs if only is None else [outputs[only]]
        attention = stack_layers([output.source for output in chosen]) if weights else None
        return Hidden(x, attention), outputs, tuple(pasts)

    def whole(
        self, tgt: Int[Tensor, "batch tgt"], memory: Memory, weights: bool, **asked: Any
    ) -> tuple[Hidden, list[DecoderOutput], State]:
        """Run the decoder on a whole target, after the prefix; `asked` are arguments of `run`."""
        state = self.start(memory) if len(self.prefix) else None
        return self.run(tgt, memory, state, weights, **asked)

    def hidden(
        self,
        tgt: Int[Tensor, "batch tgt"],
        memory: Memory,
        *,
        weights: bool = True,
        only: int | None = None,
    ) -> Hidden:
        """Run all positions at once under a causal mask; `only` is that of `run`."""
        return self.whole(tgt, memory, weights, only=only)[0]

    def hidden_of_layer(
        self, tgt: Int[Tensor, "batch tgt"], memory: Memory, layer: int
    ) -> tuple[Float[Tensor, "batch tgt dim"], Float[Tensor, "batch heads tgt src"]]:
        """Run all positions at once; the other layers may use a fused kernel."""
        states, attention = self.hidden(tgt, memory, only=layer)
        return states, cast(Tensor, attention)[:, 0]

    @property
    def attention_shape(self) -> tuple[int, int]:
        """Number of decoder layers and of heads."""
        return len(self.decoder), self.parts.heads

    def maps(self, batch: Batch) -> Maps:
        """Return the weights of the source attention and of both stacks' self-attention."""
        embedded = self.embed_source(batch.src)
        memory, encoder = self.read_source(embedded, batch.src_mask, weights=True)
        hidden, outputs, _ = self.whole(batch.tgt_in, memory, weights=True, self_weights=True)
        target = stack_layers([output.target for output in outputs])
        if target is not None and (count := len(self.prefix)):
            first = target[..., : count + 1].sum(-1, keepdim=True)  # the prefix and BOS
            target = torch.cat([first, target[..., count + 1 :]], dim=-1)
        return Maps(hidden.attention, target, stack_layers(encoder))

    def attention_edits(self) -> dict[str, list[HeadEdits]]:
        """Return the edits of both attentions of the decoder, and of the encoder."""
        biased, decoder = self.parts.positions == "alibi", self.decoder_layers
        encoder = cast("list[SelfAttentionLayer]", list(self.encoder))
        return {
            "source": [layer.to_source.head_edits() for layer in decoder],
            "target": [layer.to_target.head_edits(biased=biased) for layer in decoder],
            "encoder": [layer.attention.head_edits(biased=biased) for layer in encoder],
        }

    def source_reads(self, batch: Batch) -> list[SourceRead]:
        """Return the value vectors of the source attention of each decoder layer."""
        memory = self.encode_batch(batch)
        _, outputs, _ = self.whole(batch.tgt_in, memory, weights=True)
        layers, reads = self.decoder_layers, []
        caches = memory.source * (len(layers) // len(memory.source))
        for layer, output, cache in zip(layers, outputs, caches, strict=True):
            values, around = layer.to_source.value_vectors(cache), layer.around_source
            norm = None if around.pre else around.norm
            if output.source is not None:
                reads.append(SourceRead(output.source, values, output.sum, norm))
        return reads

    def attention_steps(self, batch: Batch) -> list[AttentionSteps]:
        """Return the steps of the source attention of each decoder layer."""
        memory = self.encode_batch(batch)
        _, outputs, _ = self.whole(batch.tgt_in, memory, weights=True)
        layers = self.decoder_layers
        caches = memory.source * (len(layers) // len(memory.source))
        return [
            layer.to_source.source_steps(output.query, cache, memory.mask)
            for layer, output, cache in zip(layers, outputs, caches, strict=True)
            if output.query is not None
        ]

    @property
    def output_layer(self) -> OutputLayer:
        """The target embedding as weight, and the output bias."""
        return OutputLayer(self.target.vectors, self.bias)

    def step(
        self,
        token: Int[Tensor, " rows"],
        memory: Memory,
        state: State,
        *,
        weights: bool = True,
    ) -> Step:
        """Read one token and predict the next; earlier tokens are cached."""
        (states, attention), _, state = self.run(token.unsqueeze(1), memory, state, weights)
        if attention is not None:
            attention = attention.squeeze(3)
        return Step(self.project(states.squeeze(1)), attention, state)
