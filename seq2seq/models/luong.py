"""RNN encoder-decoder with global attention after the recurrent step (Luong et al. 2015)."""

import math
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seq2seq.errors import UserError
from seq2seq.layers.attention import AdditiveScore, AttentionSteps, attend
from seq2seq.layers.dropout import Dropout
from seq2seq.layers.head_edits import HeadEdits, set_to_zero
from seq2seq.layers.multiplicative_scores import DotScore, GeneralScore
from seq2seq.layers.paper_initialization import Embedding
from seq2seq.layers.recurrent import PARTS, Kind, Recurrence
from seq2seq.models.recurrent_source import RecurrentSource
from seq2seq.models.results import Hidden, OutputLayer, SourceRead, Step
from seq2seq.settings.ranges import Layers, Share, Width
from seq2seq.text.batching import Batch

# Parameters are initialized uniformly in [-0.1, 0.1] at 1,000 units (section 4.1). At other sizes
# the range is scaled so that the sums over units keep their variance; a small model with 0.1 has
# such small activations that it hardly learns.
INITIAL, UNITS = 0.1, 1000


class Memory(NamedTuple):
    """The encoder states of a source sentence, and the tensors computed from them once."""

    states: Float[Tensor, "batch src enc"]  # top-layer states h_s, in the order of the source
    keys: Float[Tensor, "batch src key"]  # what the score compares with the decoder state
    mask: Bool[Tensor, "batch src"]
    last: Float[Tensor, "batch layers width"]  # initial state of the decoder
    read: Float[Tensor, "batch src dim"] | None = None  # of `share`: the part of W_c h_s


class State(NamedTuple):
    """The decoder state after a target token."""

    recurrent: Float[Tensor, "rows layers width"]
    attentional: Float[Tensor, "rows dim"]  # h~_t, the input feeding; zero before the first token


class DecoderOutput(NamedTuple):
    """Attentional states, attention weights, queries and contexts of consecutive target tokens."""

    states: Float[Tensor, "rows tgt dim"]
    weights: Float[Tensor, "rows tgt src"]
    queries: Float[Tensor, "rows tgt dim"]  # the states h_t after the recurrent step
    contexts: Float[Tensor, "rows tgt context"]  # c_t; after `share` the part of W_c c_t


class Luong(RecurrentSource):
    """RNN encoder-decoder with global attention, computed from the state after the recurrent step.

    Sections 3.1 and 3.3 of the paper (arXiv 1508.04025): a_t = softmax(score(h_t, h_s)), c_t is the
    average of the h_s weighted by a_t, h~_t = tanh(W_c [c_t; h_t]), and the logits are W_s h~_t.
    The scores (equation 8) are h_t . h_s (dot), h_t . W_a h_s (general) and
    v_a . tanh(W_a [h_t; h_s]) (concat). With input feeding, h~_(t-1) is a further input of the
    recurrent step t, so that target tokens are computed in a loop; without, all at once.

    The decoder starts from the final states of the encoder; where their sizes differ from its own,
    a linear layer maps them. All parameters are initialized uniformly in [-b, b], where b is 0.1
    for 1,000 units as in section 4.1, and in general 0.1 sqrt(1000 / dim). Two more choices are not
    from the paper: h~_t is fed after dropout, and a bidirectional encoder is possible.

    Args:
        cell: lstm (as in the paper), gru or tanh
        score: dot (of equal sizes), general or concat
        input_feeding: feed the previous attentional state to the recurrent step (section 3.3)
        embedding: size of the embeddings
        dim: recurrent units of the decoder, and size of the attentional state
        encoder_dim: recurrent units of each direction of the encoder; null means the same as dim
        layers: recurrent layers of the encoder and of the decoder
        bidirectional: use a bidirectional encoder; that of the paper is unidirectional
        reverse: a unidirectional encoder reads the source from its end (section 4.1)
        dropout: dropout probability on embeddings, between layers and on the attentional state
    """

    def __init__(
        self,
        *,
        source_vocab: int,
        target_vocab: int,
        shared_vocab: bool,
        cell: Kind,
        score: Literal["dot", "general", "concat"],
        input_feeding: bool,
        embedding: Width,
        dim: Width,
        encoder_dim: Width | None = None,
        layers: Layers,
        bidirectional: bool,
        reverse: bool,
        dropout: Share,
    ) -> None:
        units = dim if encoder_dim is None else encoder_dim
        enc = 2 * units if bidirectional else units
        if score == "dot" and enc != dim:
            raise UserError(
                f"model.score=dot needs encoder and decoder states of the same size, but they have "
                f"{enc} and {dim} units: use model.score=general, or set model.encoder_dim"
            )
        super().__init__(
            cell,
            source_vocab,
            embedding,
            units,
            layers=layers,
            embedding_dropout=dropout,
            dropout=dropout,
            bidirectional=bidirectional,
            reverse=reverse,
        )
        self.dim, self.input_feeding, self.parts = dim, input_feeding, PARTS[cell]
        self.bridge = nn.Identity() if enc == dim else nn.Linear(self.parts * enc, self.parts * dim)
        self.target = Embedding(target_vocab, embedding, dropout)
        fed = dim if input_feeding else 0
        self.decoder = Recurrence(cell, embedding + fed, dim, layers=layers, dropout=dropout)
        self.score: DotScore | AdditiveScore
        match score:
            case "dot":
                self.score = DotScore()
            case "general":
                self.score = GeneralScore(dim, enc)
            case "concat":
                self.score = AdditiveScore(dim, enc, dim)
        self.combine = nn.Linear(enc + dim, dim, bias=False)  # W_c
        self.dropout = Dropout(dropout)
        self.words = nn.Linear(dim, target_vocab)  # W_s, and a bias
        bound = INITIAL * math.sqrt(UNITS / dim)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def encode_embedded(
        self,
        embedded: Float[Tensor, "batch src embedding"],
        mask: Bool[Tensor, "batch src"],
        lengths: Int[Tensor, " batch"] | None = None,
        *,
        static: bool = False,
    ) -> Memory:
        """Run the encoder, and compute the attention keys and the initial decoder state once."""
        states, last = self.read_source(embedded, mask, lengths, static=static)
        # [layers directions parts*units] to [layers parts*directions*units], as the decoder has it
        joined = last.unflatten(-1, (self.parts, -1)).transpose(2, 3).flatten(2)
        return Memory(states, self.score.project(states), mask, self.bridge(joined))

    def share(self, memory: Memory) -> Memory:
        """Return the memory with the products of the encoder states in W_c, as in `Bahdanau`."""
        return memory._replace(read=memory.states @ self.context_reader().T)

    def context_reader(self) -> Float[Tensor, "dim enc"]:
        """Return the part of W_c that reads the context."""
        return self.combine.weight[:, : -self.dim]

    def start(self, memory: Memory) -> State:
        """Return the final encoder states, and zeros as the previous attentional state."""
        return State(memory.last, memory.last.new_zeros(memory.last.size(0), self.dim))

    def advance(
        self, embedded: Float[Tensor, "rows tgt embedding"], memory: Memory, state: State
    ) -> tuple[DecoderOutput, State]:
        """Run the decoder over consecutive tokens: any number, or one with input feeding."""
        if self.input_feeding:
            embedded = torch.cat([embedded, state.attentional.unsqueeze(1)], dim=-1)
        hidden, recurrent = self.decoder(embedded, state.recurrent)
        # The hypotheses of one beam are further queries to the same source sentence.
        queries = hidden.reshape(memory.mask.size(0), -1, self.dim)
        scores = self.score(queries, memory.keys)
        values = memory.states if memory.read is None else memory.read
        contexts, weights = attend(scores, values, memory.mask.unsqueeze(1))
        if memory.read is None:
            combined = self.combine(torch.cat([contexts, queries], dim=-1))
        else:
            combined = contexts + F.linear(queries, self.combine.weight[:, -self.dim :])
        states = self.dropout(combined.tanh())
        weights, contexts = (part.reshape(*hidden.shape[:2], -1) for part in (weights, contexts))
        output = DecoderOutput(states.view_as(hidden), weights, hidden, contexts)
        return output, State(recurrent, output.states[:, -1])

    def outputs(self, tgt: Int[Tensor, "batch tgt"], memory: Memory) -> DecoderOutput:
        """Run the decoder over a target, all at once or in a loop with input feeding."""
        embedded, state = self.target(tgt), self.start(memory)
        if not self.input_feeding:
            return self.advance(embedded, memory, state)[0]
        steps = []
        for token in embedded.split(1, dim=1):
            step, state = self.advance(token, memory, state)
            steps.append(step)
        return DecoderOutput(*(torch.cat(parts, dim=1) for parts in zip(*steps, strict=True)))

    def hidden(
        self, tgt: Int[Tensor, "batch tgt"], memory: Memory, *, weights: bool = True
    ) -> Hidden:
        """Compute all positions at once, or in a loop with input feeding."""
        output = self.outputs(tgt, memory)
        return Hidden(output.states, output.weights[:, None, None] if weights else None)

    @property
    def attention_shape(self) -> tuple[int, int]:
        """One layer with one head."""
        return (1, 1)

    def attention_edits(self) -> dict[str, list[HeadEdits]]:
        """Return the edits: of the part of W_c that reads the context, and of the score."""
        enc = self.combine.in_features - self.dim

        def zero(head: int) -> None:
            """Zero the columns of W_c that read the context."""
            set_to_zero(self.combine.weight[:, :enc])

        def uniform(head: int) -> None:
            """Replace the score by the general one with a matrix of zeros: all scores are zero."""
            score = GeneralScore(self.dim, enc).to(self.combine.weight)
            set_to_zero(score.key.weight)
            self.score = score

        return {"source": [HeadEdits(1, zero, uniform)]}

    def source_reads(self, batch: Batch) -> list[SourceRead]:
        """Return the encoder states, mapped by the part of W_c that reads the context."""
        memory = self.encode_batch(batch)
        attention = self.hidden(batch.tgt_in, memory).attention
        values = (memory.states @ self.context_reader().T).unsqueeze(2)
        return [] if attention is None else [SourceRead(attention[:, 0], values)]

    def attention_steps(self, batch: Batch) -> list[AttentionSteps]:
        """Return the steps of the attention; the keys of the general score are W_a h_s."""
        memory = self.encode_batch(batch)
        output = self.outputs(batch.tgt_in, memory)
        queries, energy = output.queries, None
        if isinstance(self.score, AdditiveScore):
            queries, energy = self.score.query(queries), self.score.energy.weight[0]
        return [
            AttentionSteps(
                "dot_product" if energy is None else "additive",
                queries[:, None],
                memory.keys[:, None],
                energy,
                self.score(output.queries, memory.keys)[:, None],
                output.weights[:, None],
                memory.states[:, None],
                output.contexts[:, None],
            )
        ]

    @property
    def output_layer(self) -> OutputLayer:
        """Weight and bias of the output layer."""
        return OutputLayer(self.words.weight, self.words.bias)

    def step(
        self, token: Int[Tensor, " rows"], memory: Memory, state: State, *, weights: bool = True
    ) -> Step:
        """Read one token and predict the next."""
        output, state = self.advance(self.target(token.unsqueeze(1)), memory, state)
        logits = self.project(output.states.squeeze(1))
        return Step(logits, output.weights[:, None], state)
