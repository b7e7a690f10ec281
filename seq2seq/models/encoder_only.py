"""An encoder alone as a translator: a masked language model of source and target (BERT's shape)."""

from functools import partial
from typing import Annotated, Literal, NamedTuple, Unpack, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seq2seq.errors import UserError
from seq2seq.layers.attention import renormalized, stack_layers
from seq2seq.layers.embedding import TokenEmbedding, embed
from seq2seq.layers.head_edits import HeadEdits
from seq2seq.layers.host_sizes import lengths_on_host
from seq2seq.layers.loss import at_least_float32
from seq2seq.layers.parts import LayerKeys, Parts
from seq2seq.layers.positions import LearnedPositions
from seq2seq.layers.transformer import (
    SelfAttentionInputs,
    SelfAttentionLayer,
    add_output_bias,
    initialize_transformer,
)
from seq2seq.models.base import MaskedLM
from seq2seq.models.results import Hidden, Maps, OutputLayer
from seq2seq.settings.ranges import Layers, Within
from seq2seq.text.batching import Batch
from seq2seq.text.masking import each_masked, random_counts, random_masks, real_tokens
from seq2seq.text.special_ids import SpecialIds


class Memory(NamedTuple):
    """The embedded source, and the prediction of the target length.

    The states of the source depend on the target, so only the embeddings are computed once.
    """

    source: Float[Tensor, "batch src dim"]
    mask: Bool[Tensor, "batch src"]
    offsets: Float[Tensor, "batch classes"]  # logits of target length minus source length


class EncoderOnly(MaskedLM):
    """One bidirectional Transformer stack over the sequence `source </s> target </s>`.

    The shape is that of BERT (Devlin et al. 2018), used for translation as in Ghazvininejad et al.
    (2019, section 2): every position attends to the whole source and the whole target, in which
    some tokens are masked.

    In training, a random number of tokens of each target is masked, from one to all, and the loss
    is the mean over masked tokens, plus that of the target length. In evaluation, each token is
    masked alone: the loss is the pseudo-log-likelihood (Salazar et al. 2020, equation 1) plus the
    log-probability of the length, which takes the place of that of `</s>`. It is not a likelihood,
    because each token is predicted from all others, so it is not comparable with other models.

    The length is predicted from the mean of the states of the source alone, as a class for each
    difference from the source length. The mask token is the last row of the target embedding.

    The returned attention is the part that goes to the source, divided by its sum, so that each row
    is a distribution over the source tokens. That of `maps` is not divided: it has the row of each
    token from the pass in which that token is masked. Its map of the encoder is the attention from
    source to source, divided by its sum, in a pass in which the whole target is masked, as in the
    first iteration of mask_predict: the source tokens cannot attend to words of the target then.

    Embeddings are tied with the output layer and, with a shared vocabulary, with each other.

    Args:
        layers: number of layers
        target_positions: count on from the source (continue) or from 0 again (restart)
        largest_offset: largest predicted difference between target and source length, in tokens
        length_weight: weight of the loss of the target length in training
    """

    compilable = True
    joint_attention = True
    bias: Tensor  # of the output layer

    def __init__(
        self,
        *,
        source_vocab: int,
        target_vocab: int,
        shared_vocab: bool,
        layers: Layers,
        target_positions: Literal["continue", "restart"],
        largest_offset: Annotated[int, Within(0, 100_000)],
        length_weight: Annotated[float, Within(above=0, high=100)],
        **keys: Unpack[LayerKeys],
    ) -> None:
        super().__init__()
        self.parts = parts = Parts.of(keys)
        dim, max_positions = parts.dim, parts.max_positions
        if parts.positions == "none":
            raise UserError(
                "model.positions=none cannot be used with model=encoder_only: without positions "
                "the masked tokens of a sentence are all the same, and so are their predictions"
            )
        self.dim, self.dropout = dim, parts.embedding_dropout_layer()
        self.restart = target_positions == "restart"
        self.largest_offset, self.length_weight = largest_offset, length_weight
        self.special = SpecialIds(mask=target_vocab)
        table = partial(TokenEmbedding, dim=dim, fix_norm=parts.fix_norm)
        self.target = table(target_vocab + 1)
        self.source = self.target if shared_vocab else table(source_vocab)
        self.segments = nn.Embedding(2, dim)  # source, target
        self.learned = None if max_positions is None else LearnedPositions(max_positions, dim)
        self.layers = nn.ModuleList(
            SelfAttentionLayer(parts, parts.multi_head()) for _ in range(layers)
        )
        self.norm = parts.norm_layer() if parts.norm == "pre" else nn.Identity()
        self.offset = nn.Linear(dim, 2 * largest_offset + 1)
        add_output_bias(self, target_vocab, learned=parts.bias)
        initialize_transformer(self, dim, parts.attention_init)

    @property
    def output_layer(self) -> OutputLayer:
        """The target embedding without the mask token as weight, and the output bias."""
        return OutputLayer(self.target.vectors[: self.special.mask], self.bias)

    @property
    def attention_shape(self) -> tuple[int, int]:
        """Number of layers and of heads."""
        return len(self.layers), self.parts.heads

    @property
    def stack(self) -> list[SelfAttentionLayer]:
        """The layers, with their type."""
        return cast("list[SelfAttentionLayer]", list(self.layers))

    def attention_edits(self) -> dict[str, list[HeadEdits]]:
        """Return the edits of the one attention of each layer."""
        biased = self.parts.positions == "alibi"
        return {"source": [layer.attention.head_edits(biased=biased) for layer in self.stack]}

    def embed(
        self,
        table: TokenEmbedding,
        segment: int,
        ids: Int[Tensor, "batch len"],
        places: Int[Tensor, "batch len"],
        bound: int,
    ) -> Float[Tensor, "batch len dim"]:
        """Return the embeddings of tokens, with scaling, segment, positions and dropout.

        `bound` is a number above all places.
        """
        places = places.masked_fill(
            ids == self.special.pad, 0
        )  # which may be beyond the learned ones
        learned = None if self.learned is None else self.learned.at(places, bound)
        vector = self.segments.weight[segment]
        return self.dropout(embed(self.parts, table(ids), places, learned, vector))

    def embed_source(self, src: Int[Tensor, "batch src"]) -> Float[Tensor, "batch src dim"]:
        """Return the embeddings of the source, with segment, positions and dropout."""
        places = places_from(torch.zeros_like(src[:, 0]), src.size(1))
        return self.embed(self.source, 0, src, places, src.size(1))

    def encode_embedded(
        self, embedded: Float[Tensor, "batch src dim"], mask: Bool[Tensor, "batch src"]
    ) -> Memory:
        """Run the stack on the source alone to predict the target length."""
        places = places_from(torch.zeros_like(mask[:, 0], dtype=torch.long), mask.size(1))
        states, _ = self.run(embedded, mask, places, weights=False)
        real = mask.unsqueeze(-1).to(states)
        mean = (states * real).sum(1) / real.sum(1)
        return Memory(embedded, mask, self.offset(mean))

    def run(
        self,
        x: Float[Tensor, "batch len dim"],
        mask: Bool[Tensor, "batch len"],
        places: Int[Tensor, "batch len"],
        weights: bool,
    ) -> tuple[Float[Tensor, "batch len dim"], list[Tensor | None]]:
        """Run the stack; return the states, and the attention weights of each layer."""
        width, attentions = self.stack[0].attention.rotary_width, []
        inputs = SelfAttentionInputs.make(self.parts, width, mask.unsqueeze(1), places, places)
        for layer in self.stack:
            (x, attention), _ = layer(x, None, inputs, weights)
            attentions.append(attention)
        return self.norm(x), attentions

    def fill(
        self, tgt: Int[Tensor, "batch tgt"], memory: Memory, *, weights: bool = True
    ) -> Hidden:
        """Run the stack on the source and a target with masked tokens."""
        source = memory.mask.size(1)
        states, attentions = self.read(tgt, memory, weights)
        if not weights:
            return Hidden(states[:, source:], None)
        attention = stack_layers(attentions)[:, :, :, source:, :source]
        return Hidden(states[:, source:], renormalized(attention))

    def read(
        self, tgt: Int[Tensor, "batch tgt"], memory: Memory, weights: bool
    ) -> tuple[Float[Tensor, "batch len dim"], list[Tensor | None]]:
        """Run the stack on source and target; return what `run` does."""
        source = memory.mask.size(1)
        start = torch.zeros_like(tgt[:, 0])
        first = start if self.restart else memory.mask.sum(1)
        places = places_from(first, tgt.size(1))
        bound = tgt.size(1) + (0 if self.restart else source)
        x = torch.cat([memory.source, self.embed(self.target, 1, tgt, places, bound)], dim=1)
        return self.run(
            x,
            torch.cat([memory.mask, tgt != self.special.pad], dim=1),
            torch.cat([places_from(start, source), places], dim=1),
            weights,
        )

    def hidden(
        self, tgt: Int[Tensor, "batch tgt"], memory: Memory, *, weights: bool = True
    ) -> Hidden:
        """Compute the states that predict each token when that token alone is masked.

        This takes one pass for each position. At `</s>` no token is masked.
        """
        states, attentions = [], []
        for place, masked in enumerate(each_masked(tgt, self.special)):
            filled = self.fill(masked, memory, weights=weights)
            states.append(filled.states[:, place])
            if filled.attention is not None:
                attentions.append(filled.attention[:, :, :, place])
        attention = torch.stack(attentions, dim=3) if attentions else None
        return Hidden(torch.stack(states, dim=1), attention)

    def maps(self, batch: Batch) -> Maps:
        """Return the weights of the one self-attention, in its parts (see the class)."""
        memory, source = self.encode_batch(batch), batch.src.size(1)
        rows = []
        for place, masked in enumerate(each_masked(batch.tgt_in, self.special)):
            attentions = self.read(masked, memory, weights=True)[1]
            rows.append(stack_layers(attentions)[:, :, :, source + place])
        tokens = torch.stack(rows, dim=3)
        real = real_tokens(batch.tgt_out, self.special)
        hidden = batch.tgt_out.masked_fill(real, self.special.mask)
        attentions = self.read(hidden, memory, weights=True)[1]
        encoder = renormalized(stack_layers(attentions)[:, :, :, :source, :source])
        return Maps(tokens[..., :source], tokens[..., source:], encoder)

    def loss(self, batch: Batch, smoothing: float = 0.0, r_drop: float = 0.0) -> Float[Tensor, ""]:
        """Return the loss in nats, summed over all target tokens that are not padding.

        In training it is the mean over masked tokens, plus length_weight times the mean over
        lengths, times the number of target tokens, as if the means held for all of them. In
        evaluation it is the negative pseudo-log-likelihood; label smoothing applies to tokens.
        There is no R-Drop: two passes mask different tokens.
        """
        memory, real = self.encode_batch(batch), batch.tgt_out != self.special.pad
        pairs = real[:, 0]  # False in the added rows of a static batch
        length = -(self.true_length_log_p(batch, memory) * pairs).sum()
        predicted = real_tokens(batch.tgt_out, self.special)
        if batch.static:
            lengths = predicted.sum(1)
        else:
            lengths = lengths_on_host(batch.target_lengths, real) - 1
        if self.training:
            lengths = random_counts(lengths)
            predicted = random_masks(predicted, lengths)
            tgt = batch.tgt_out.masked_fill(predicted, self.special.mask)
            states = self.fill(tgt, memory, weights=False).states
        else:
            states = self.hidden(batch.tgt_in, memory, weights=False).states
        count = None if batch.static else int(lengths.sum())
        loss = self.loss_at(
            predicted.flatten(),
            count,
            states.flatten(0, 1),
            self.output_layer,
            batch.tgt_out.flatten(),
            smoothing,
        )
        if not self.training:
            return loss + length
        if count is None:
            mean = loss / lengths.sum().clamp(min=1) + self.length_weight * length / pairs.sum()
            return mean * real.sum()
        mean = loss / max(count, 1) + self.length_weight * length / len(batch.src)
        return mean * batch.num_tokens

    def token_log_probability(
        self, states: Float[Tensor, "batch tgt width"], batch: Batch, memory: Memory
    ) -> Float[Tensor, "batch tgt"]:
        """Return the log-probability of each token given all others; at `</s>`, of the length."""
        log_p = self.project(states).log_softmax(-1).gather(2, batch.tgt_out.unsqueeze(2))
        tokens = log_p.squeeze(2).masked_fill(~real_tokens(batch.tgt_out, self.special), 0.0)
        length = self.true_length_log_p(batch, memory).unsqueeze(1)
        return tokens + (batch.tgt_out == self.special.eos) * length

    def true_length_log_p(self, batch: Batch, memory: Memory) -> Float[Tensor, " batch"]:
        """Return the log-probability of the class of each target length."""
        offset = (batch.tgt_out != self.special.pad).sum(1) - memory.mask.sum(1)
        largest = self.largest_offset
        classes = offset.clamp(-largest, largest) + largest
        log_p = at_least_float32(memory.offsets).log_softmax(-1)
        return log_p.gather(1, classes.unsqueeze(1)).squeeze(1)

    def length_log_p(
        self, memory: Memory, caps: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch lengths"]:
        """Return the log-probability of each target length; lengths below 1 count as 1."""
        offsets = torch.arange(-self.largest_offset, self.largest_offset + 1, device=caps.device)
        lengths = (memory.mask.sum(1, keepdim=True) - 1 + offsets).clamp(min=1)
        lengths = lengths.minimum(caps.unsqueeze(1)).cpu()
        # On the CPU: the sum of the classes of one length has no deterministic kernel on a GPU.
        p = at_least_float32(memory.offsets).softmax(-1).cpu()
        table = p.new_zeros(len(p), int(caps.max()) + 1).scatter_add(1, lengths, p)
        return table.log().to(caps.device)

    def training_pass(self, batch: Batch) -> Float[Tensor, "masked vocab"]:
        """Run one pass with the mean number of masked tokens, half of them rounded up."""
        real = real_tokens(batch.tgt_out, self.special)
        masked = real & (real.cumsum(1) <= (real.sum(1, keepdim=True) + 1) // 2)
        memory = self.encode_batch(batch)
        tgt = batch.tgt_out.masked_fill(masked, self.special.mask)
        return self.project(self.fill(tgt, memory, weights=False).states[masked])


def places_from(first: Int[Tensor, " batch"], length: int) -> Int[Tensor, "batch len"]:
    """Return consecutive places for each row."""
    return first.unsqueeze(1) + torch.arange(length, device=first.device)
