"""A decoder alone as a translator: a language model over source and target (GPT's shape)."""

from functools import partial
from typing import Literal, NamedTuple, Unpack, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seq2seq.errors import UserError
from seq2seq.layers.attention import renormalized, stack_layers
from seq2seq.layers.cache import Cache, CacheElements, cached_length, grow
from seq2seq.layers.embedding import TokenEmbedding, embed
from seq2seq.layers.head_edits import HeadEdits
from seq2seq.layers.host_sizes import lengths_on_host
from seq2seq.layers.hypotheses import side_by_side, target_mask
from seq2seq.layers.parts import AttentionKeys, Parts
from seq2seq.layers.positions import LearnedPositions
from seq2seq.layers.transformer import (
    SelfAttentionInputs,
    SelfAttentionLayer,
    add_output_bias,
    initialize_transformer,
)
from seq2seq.models.base import Autoregressive
from seq2seq.models.results import GuidedLoss, Hidden, Maps, OutputLayer, SourceRead, Step
from seq2seq.settings.ranges import Layers
from seq2seq.text.batching import Batch


class Memory(NamedTuple):
    """The source as the beginning of the sequence: its cache in each layer, computed once."""

    source: tuple[Cache, ...]
    mask: Bool[Tensor, "batch src"]
    places: Int[Tensor, "batch src"]
    first: Int[Tensor, " batch"]  # place of the first target token


State = tuple[Cache, ...]  # the target so far, for each layer


class DecoderOnly(Autoregressive):
    """One Transformer stack over the sequence `source </s> <s> target`.

    The shape is that of GPT (Radford et al. 2018), used for translation as in Gao et al. (2022) and
    Zhang et al. (2022). The target attends to the source and to itself with one softmax. The source
    part of the sequence is computed once for each sentence and shared by the hypotheses of a beam.

    The returned attention is the part that goes to the source, divided by its sum, so that each row
    is a distribution over the source tokens. That of `maps` is not divided. Its map of the encoder
    is the attention within the source part of the sequence.

    Embeddings are tied with the output layer and, with a shared vocabulary, with each other. The
    output layer for the source (loss_on=both) has no bias. With target_positions=restart, a learned
    vector is added to the embeddings of the target.

    Args:
        layers: number of layers
        source_mask: source tokens attend to the whole source (full) or to earlier tokens (causal)
        loss_on: learn to predict the target, or both (with source_mask=causal)
        target_positions: continue those of the source, or restart from 0 with a learned vector
    """

    compilable = True
    compiled = ("read_source", "hidden")  # the loss needs the states of the source, too
    joint_attention = True
    bias: Tensor  # of the output layer

    def __init__(
        self,
        *,
        source_vocab: int,
        target_vocab: int,
        shared_vocab: bool,
        layers: Layers,
        source_mask: Literal["full", "causal"] = "full",
        loss_on: Literal["target", "both"] = "target",
        target_positions: Literal["continue", "restart"] = "restart",
        **keys: Unpack[AttentionKeys],
    ) -> None:
        super().__init__()
        self.parts = parts = Parts.of(keys)
        dim, max_positions = parts.dim, parts.max_positions
        if loss_on == "both" and source_mask == "full":
            raise UserError(
                "model.loss_on=both needs model.source_mask=causal: with a full mask each source "
                "token sees the token that it should predict"
            )
        if parts.positions == "none" and target_positions == "continue":
            raise UserError(
                "model.target_positions=continue has no effect with model.positions=none: set "
                "model.target_positions=restart, which marks the target by a learned vector"
            )
        self.dim, self.dropout = dim, parts.embedding_dropout_layer()
        self.causal_source, self.source_loss = source_mask == "causal", loss_on == "both"
        self.restart = target_positions == "restart"
        table = partial(TokenEmbedding, dim=dim, fix_norm=parts.fix_norm)
        self.target = table(target_vocab)
        self.source = self.target if shared_vocab else table(source_vocab)
        self.learned = None if max_positions is None else LearnedPositions(max_positions, dim)
        self.segment = nn.Parameter(torch.zeros(dim)) if self.restart else None
        self.layers = nn.ModuleList(
            SelfAttentionLayer(parts, parts.attention_layer(positions=True)) for _ in range(layers)
        )
        self.norm = parts.norm_layer() if parts.norm == "pre" else nn.Identity()
        add_output_bias(self, target_vocab, learned=parts.bias)
        initialize_transformer(self, dim, parts.attention_init)
        if self.segment is not None:
            nn.init.normal_(self.segment, std=dim**-0.5)

    def embed(
        self,
        table: TokenEmbedding,
        segment: Tensor | None,
        ids: Int[Tensor, "rows len"],
        places: Int[Tensor, "rows len"],
        bound: int,
    ) -> Float[Tensor, "rows len dim"]:
        """Return the embeddings of tokens, with scaling, segment, positions and dropout.

        `bound` is a number above all places.
        """
        places = places.masked_fill(
            ids == self.special.pad, 0
        )  # which may be beyond the learned ones
        learned = None if self.learned is None else self.learned.at(places, bound)
        return self.dropout(embed(self.parts, table(ids), places, learned, segment))

    def embed_source(self, src: Int[Tensor, "batch src"]) -> Float[Tensor, "batch src dim"]:
        """Return the embeddings of the source, with positions and dropout."""
        places = torch.arange(src.size(1), device=src.device).expand(src.shape)
        return self.embed(self.source, None, src, places, src.size(1))

    def encode_embedded(
        self, embedded: Float[Tensor, "batch src dim"], mask: Bool[Tensor, "batch src"]
    ) -> Memory:
        """Run the source through the stack and keep the cache of each layer."""
        return self.read_source(embedded, mask)[1]

    def read_source(
        self,
        source: Float[Tensor, "batch src dim"],
        mask: Bool[Tensor, "batch src"],
        *,
        weights: bool = False,
    ) -> tuple[Float[Tensor, "batch src dim"], Memory, list[Tensor | None]]:
        """Return the output of the stack at the source positions, the memory, and the weights."""
        batch, length = mask.shape
        seen = mask.unsqueeze(1)
        if self.causal_source:
            seen = seen & torch.ones(length, length, dtype=torch.bool, device=mask.device).tril()
        places = torch.arange(length, device=mask.device).expand(batch, length)
        inputs = self.inputs(seen, places, places)
        x, caches, attentions = source, [], []
        for layer in self.stack:
            (x, attention), cache = layer(x, None, inputs, weights)
            caches.append(grow(None, cache))
            attentions.append(attention)
        first = torch.zeros_like(places[:, 0]) if self.restart else mask.sum(1)
        return self.norm(x), Memory(tuple(caches), mask, places, first), attentions

    @property
    def stack(self) -> list[SelfAttentionLayer]:
        """The layers, with their type."""
        return cast("list[SelfAttentionLayer]", list(self.layers))

    def cache_elements(self) -> CacheElements:
        """Return the sizes of the caches by their formulas, for `seq2seq bench --caches`.

        The source is part of the sequence, so that its tokens take as much as those of the target.
        """
        width = sum(layer.attention.cache_width for layer in self.stack)
        return CacheElements(source=width, target=width)

    def inputs(
        self,
        mask: Bool[Tensor, "batch #queries keys"],
        new: Int[Tensor, "batch queries"],
        keys: Int[Tensor, "batch keys"],
        *,
        absorbed: bool = False,
    ) -> SelfAttentionInputs:
        """Return what the self-attention of all layers shares in one pass."""
        width = self.stack[0].attention.rotary_width
        return SelfAttentionInputs.make(self.parts, width, mask, new, keys, absorbed=absorbed)

    def start(self, memory: Memory) -> State:
        """Return an empty cache for each layer."""
        return tuple(type(past)(*(part[:, :0] for part in past)) for past in memory.source)

    def run(
        self,
        tgt: Int[Tensor, "rows tgt"],
        memory: Memory,
        state: State,
        weights: bool,
        *,
        absorbed: bool = False,
        only: int | None = None,
    ) -> tuple[Float[Tensor, "rows tgt dim"], list[Tensor | None], State]:
        """Run the stack on tgt after the source and the cached target tokens.

        The hypotheses of one sentence are parts of one sequence, so that they share the keys of the
        source: a mask hides them from each other. Its keys are the source, then the cached tokens
        of every hypothesis, then the new tokens of every hypothesis.

        Args:
            tgt: one token in `step`, all in `hidden`.
            memory: the source.
            state: the cached target tokens.
            weights: return the attention weights of each layer, over all keys.
            absorbed: whether latent attention uses its absorbed form.
            only: return the attention weights of this layer alone, counted from 0.
        """
        batch, (rows, length), past = memory.mask.size(0), tgt.shape, cached_length(state[0])
        beam = rows // batch
        step = torch.arange(past + length, device=tgt.device)
        places = memory.first.unsqueeze(1) + step  # of the target tokens of a hypothesis
        old, new = (part.repeat(1, beam) for part in places.split([past, length], dim=1))
        inputs = self.inputs(
            target_mask(memory.mask, beam, past, length),
            new,
            torch.cat([memory.places, old, new], dim=1),
            absorbed=absorbed,
        )
        after = places[:, past:].repeat_interleave(beam, dim=0)
        bound = past + length + (0 if self.restart else memory.mask.size(1))
        x = self.embed(self.target, self.segment, tgt, after, bound)
        x, attentions, caches = x.reshape(batch, beam * length, -1), [], []
        layers = zip(self.stack, memory.source, state, strict=True)
        for number, (layer, source, own) in enumerate(layers):
            before = grow(source, side_by_side(own, batch)) if past else source
            (x, attention), cache = layer(x, before, inputs, weights and only in (None, number))
            added = type(own)(
                *(
                    part[:, -beam * length :].reshape(rows, length, *part.shape[2:])
                    for part in cache
                )
            )
            caches.append(grow(own, added) if past else added)
            attentions.append(attention)
        states = self.norm(x).reshape(rows, length, -1)
        chosen = attentions if only is None else [attentions[only]]
        return states, chosen, tuple(caches)

    def to_source(
        self, weights: list[Tensor | None], memory: Memory, length: int
    ) -> Float[Tensor, "rows layers heads tgt src"]:
        """Return the part of the weights of `run` that goes to the source, as a distribution.

        Args:
            weights: those of each layer.
            memory: the source.
            length: the number of new tokens of a hypothesis.
        """
        attention = stack_layers(weights)[..., : memory.mask.size(1)]
        attention = attention.unflatten(3, (-1, length)).movedim(3, 1).flatten(0, 1)
        return renormalized(attention)

    def hidden(
        self,
        tgt: Int[Tensor, "batch tgt"],
        memory: Memory,
        *,
        weights: bool = True,
        only: int | None = None,
    ) -> Hidden:
        """Run all target positions at once; `only` is that of `run`."""
        states, attentions, _ = self.run(tgt, memory, self.start(memory), weights, only=only)
        return Hidden(states, self.to_source(attentions, memory, tgt.size(1)) if weights else None)

    def hidden_of_layer(
        self, tgt: Int[Tensor, "batch tgt"], memory: Memory, layer: int
    ) -> tuple[Float[Tensor, "batch tgt dim"], Float[Tensor, "batch heads tgt src"]]:
        """Run all target positions at once; the other layers may use a fused kernel."""
        states, attention = self.hidden(tgt, memory, only=layer)
        return states, cast(Tensor, attention)[:, 0]

    @property
    def attention_shape(self) -> tuple[int, int]:
        """Number of layers and of heads."""
        return len(self.layers), self.parts.heads

    def maps(self, batch: Batch) -> Maps:
        """Return the weights of the one self-attention, in its parts."""
        embedded = self.embed_source(batch.src)
        _, memory, encoder = self.read_source(embedded, batch.src_mask, weights=True)
        _, decoder, _ = self.run(batch.tgt_in, memory, self.start(memory), weights=True)
        source, target = stack_layers(decoder).tensor_split([batch.src.size(1)], dim=-1)
        return Maps(source, target, stack_layers(encoder))

    def attention_edits(self) -> dict[str, list[HeadEdits]]:
        """Return the edits of the one attention of each layer."""
        biased = self.parts.positions == "alibi"
        return {"source": [layer.attention.head_edits(biased=biased) for layer in self.stack]}

    def source_reads(self, batch: Batch) -> list[SourceRead]:
        """Return the value vectors of the source part of the sequence in each layer."""
        memory = self.encode_batch(batch)
        _, weights, _ = self.run(batch.tgt_in, memory, self.start(memory), weights=True)
        attention = stack_layers(weights)[..., : batch.src.size(1)].unbind(1)
        return [
            SourceRead(one, layer.attention.value_vectors(cache))
            for one, layer, cache in zip(attention, self.stack, memory.source, strict=True)
        ]

    def loss(self, batch: Batch, smoothing: float = 0.0, r_drop: float = 0.0) -> Float[Tensor, ""]:
        """Return the cross-entropy in nats, summed over all target tokens that are not padding.

        In training with loss_on=both, that of the source tokens after the first is added. It is no
        part of the loss in validation, so that perplexities stay comparable. The divergence of
        R-Drop is that of the predicted target tokens.
        """
        states, memory, _ = self.read_source(self.embed_source(batch.src), batch.src_mask)
        loss = self.target_loss(batch, memory, smoothing, r_drop)
        return self.with_source_loss(loss, states, batch, smoothing)

    def guided_loss(
        self, batch: Batch, layer: int, head: int, smoothing: float = 0.0, r_drop: float = 0.0
    ) -> GuidedLoss:
        """Return the loss of `loss`, and that of the part of one head that goes to the source."""
        states, memory, _ = self.read_source(self.embed_source(batch.src), batch.src_mask)
        loss, guided = self.guided_target_loss(batch, memory, layer, head, smoothing, r_drop)
        return GuidedLoss(self.with_source_loss(loss, states, batch, smoothing), guided)

    def with_source_loss(
        self,
        loss: Float[Tensor, ""],
        states: Float[Tensor, "batch src dim"],
        batch: Batch,
        smoothing: float,
    ) -> Float[Tensor, ""]:
        """Add the loss of the source tokens after the first, in training with loss_on=both."""
        if not (self.source_loss and self.training):
            return loss
        table = self.source.vectors
        following = (batch.src if batch.src_out is None else batch.src_out)[:, 1:]
        count = None
        if not batch.static:
            lengths = lengths_on_host(batch.source_lengths, batch.src_mask)
            count = int(lengths.sum()) - len(lengths)
        return loss + self.loss_at(
            (following != self.special.pad).flatten(),
            count,
            states[:, :-1].flatten(0, 1),
            OutputLayer(table, table.new_zeros(len(table))),
            following.flatten(),
            smoothing,
        )

    @property
    def output_layer(self) -> OutputLayer:
        """The target embedding as weight, and the output bias."""
        return OutputLayer(self.target.vectors, self.bias)

    def step(
        self, token: Int[Tensor, " rows"], memory: Memory, state: State, *, weights: bool = True
    ) -> Step:
        """Read one token and predict the next; earlier tokens are cached."""
        states, attentions, state = self.run(
            token.unsqueeze(1), memory, state, weights, absorbed=True
        )
        attention = self.to_source(attentions, memory, 1).squeeze(3) if weights else None
        return Step(self.project(states.squeeze(1)), attention, state)
