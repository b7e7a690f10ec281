"""RNNsearch: an RNN encoder-decoder with additive attention (Bahdanau et al. 2014)."""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seq2seq.layers.attention import AdditiveInit, AdditiveScore, AttentionSteps, attend
from seq2seq.layers.deep_output import DeepOutput
from seq2seq.layers.dropout import Dropout
from seq2seq.layers.head_edits import HeadEdits, set_to_zero
from seq2seq.layers.paper_initialization import Embedding, linear
from seq2seq.layers.recurrent import (
    GATES,
    PARTS,
    Cell,
    Init,
    Kind,
    initialize_recurrent,
)
from seq2seq.models.recurrent_source import RecurrentSource
from seq2seq.models.results import Hidden, OutputLayer, SourceRead, Step
from seq2seq.settings.ranges import Layers, Share, Width
from seq2seq.text.batching import Batch


class Memory(NamedTuple):
    """The encoder states of a source sentence, and the tensors computed from them once."""

    states: Float[Tensor, "batch src enc"]  # annotations h_j, both directions concatenated
    keys: Float[Tensor, "batch src align"]  # U_a h_j
    mask: Bool[Tensor, "batch src"]
    first: Float[Tensor, "batch layers width"]  # state of the backward direction at position 1
    read: Float[Tensor, "batch src reads"] | None = None  # of `share`: C h_j, of both readers


State = tuple[Float[Tensor, "rows width"], ...]  # one tensor for each layer


class DecoderStep(NamedTuple):
    """Result of one decoder step: inputs of the readout, attention weights and the new state."""

    hidden: Float[Tensor, "rows dim"]  # hidden state of the top layer
    context: Float[Tensor, "rows context"]  # c_i; after `share` its product in the readout
    weights: Float[Tensor, "rows src"]
    state: State


class Bahdanau(RecurrentSource):
    """RNN encoder-decoder with additive attention over the states of a bidirectional encoder.

    Appendix A.2 of the paper: alpha_i = softmax(v tanh(W s_(i-1) + U h_j)), c_i = sum alpha_ij h_j,
    s_i = GRU([E y_(i-1), c_i], s_(i-1)), s_0 = tanh(W_s h<-_1). The next token is predicted from
    s_i. The loop over target tokens contains only what depends on s_(i-1); the input products of
    the embeddings, the keys and the readout are computed for all positions at once.

    Args:
        cell: gru (as in the paper), lstm or tanh
        embedding: size of the embeddings
        dim: recurrent units of the decoder
        encoder_dim: recurrent units of each direction of the encoder; null means the same as dim
        align_dim: hidden units of the alignment model
        layers: recurrent layers of the encoder and of the decoder
        readout: hidden layer before the output layer, maxout (as in the paper) or tanh
        readout_dim: size of that layer
        dropout: dropout probability between layers, and where another dropout is null
        embedding_dropout: dropout probability on embeddings; null is that of dropout
        readout_dropout: dropout probability on the readout; null is that of dropout
        context_dropout: dropout probability on the states of the encoder
        init: of all weights but the alignment model: xavier, or paper: N(0, 0.01^2) (appendix B.1)
        align_init: of the alignment model: xavier, or paper: almost zero (appendix B.1)
    """

    def __init__(
        self,
        *,
        source_vocab: int,
        target_vocab: int,
        shared_vocab: bool,
        cell: Kind,
        embedding: Width,
        dim: Width,
        align_dim: Width,
        layers: Layers,
        readout: Literal["maxout", "tanh"],
        readout_dim: Width,
        dropout: Share,
        encoder_dim: Width | None = None,
        embedding_dropout: Share | None = None,
        readout_dropout: Share | None = None,
        context_dropout: Share = 0.0,
        init: Init = "paper",
        align_init: AdditiveInit = "paper",
    ) -> None:
        encoder_dim = dim if encoder_dim is None else encoder_dim
        gates, parts, enc = GATES[cell] * dim, PARTS[cell], 2 * encoder_dim
        on_embedding = dropout if embedding_dropout is None else embedding_dropout
        on_readout = dropout if readout_dropout is None else readout_dropout
        super().__init__(
            cell,
            source_vocab,
            embedding,
            encoder_dim,
            layers=layers,
            embedding_dropout=on_embedding,
            dropout=dropout,
            bidirectional=True,
        )
        self.dim = dim
        self.context_dropout = Dropout(context_dropout)
        self.bridge = linear(parts * encoder_dim, parts * dim)
        self.score = AdditiveScore(dim, enc, align_dim, align_init)
        self.target = Embedding(target_vocab, embedding, on_embedding)
        self.from_word = linear(embedding, gates)
        self.from_context = linear(enc, gates, bias=False)
        self.cells = nn.ModuleList(Cell(cell, dim) for _ in range(layers))
        self.between = nn.ModuleList(linear(dim, gates) for _ in range(layers - 1))
        self.layer_dropout = Dropout(dropout if layers > 1 else 0.0)
        self.readout = DeepOutput(
            readout, dim + embedding + enc, readout_dim, target_vocab, on_readout
        )
        initialize_recurrent(
            (module for module in self.children() if module is not self.score), init
        )

    def encode_embedded(
        self,
        embedded: Float[Tensor, "batch src embedding"],
        mask: Bool[Tensor, "batch src"],
        lengths: Int[Tensor, " batch"] | None = None,
        *,
        static: bool = False,
    ) -> Memory:
        """Run the bidirectional encoder and project the attention keys once."""
        states, last = self.read_source(embedded, mask, lengths, static=static)
        states = self.context_dropout(states)
        return Memory(states, self.score.project(states), mask, last[:, :, 1])

    def share(self, memory: Memory) -> Memory:
        """Return the memory with the products of the encoder states in all readers of the context.

        They are linear, C c_i = sum alpha_ij C h_j: the right-hand side needs one product for each
        source token instead of one for each hypothesis and step.
        """
        return memory._replace(read=memory.states @ self.context_readers().T)

    def context_readers(self) -> Float[Tensor, "reads enc"]:
        """Return the matrices that read the context, one above the other."""
        enc = self.from_context.in_features
        return torch.cat([self.from_context.weight, self.readout.mix.weight[:, -enc:]])

    def start(self, memory: Memory) -> State:
        """Return the initial state of every layer, s_0 = tanh(W_s h<-_1)."""
        return self.bridge(memory.first).tanh().unbind(dim=1)

    def advance(
        self, product: Float[Tensor, "rows gates"], memory: Memory, state: State
    ) -> DecoderStep:
        """Compute attention, context and the next state from the input product of the embedding.

        Only the part of a decoder step that depends on the previous state is computed here.
        """
        query = self.hidden_part(state[-1]).unflatten(0, (memory.mask.size(0), -1))
        scores = self.score(query, memory.keys)
        values = memory.states if memory.read is None else memory.read
        context, weights = attend(scores, values, memory.mask.unsqueeze(1))
        context, new_state = context.flatten(0, 1), []
        if memory.read is None:
            inputs = product + self.from_context(context)
        else:
            gates, context = context.split([product.size(-1), self.readout.mix.out_features], -1)
            inputs = product + gates
        for i, cell in enumerate(self.cells):
            new_state.append(cell(inputs, state[i]))
            if i < len(self.between):
                inputs = self.between[i](self.layer_dropout(self.hidden_part(new_state[-1])))
        return DecoderStep(
            self.hidden_part(new_state[-1]), context, weights.flatten(0, 1), tuple(new_state)
        )

    def hidden_part(self, state: Float[Tensor, "batch width"]) -> Float[Tensor, "batch dim"]:
        """Return the hidden state without the cell state of an LSTM."""
        return state.split(self.dim, dim=-1)[0]

    def loop(
        self, embedded: Float[Tensor, "batch tgt embedding"], memory: Memory
    ) -> list[DecoderStep]:
        """Run the decoder over embedded target tokens."""
        state, steps = self.start(memory), []
        for product in self.from_word(embedded).unbind(dim=1):
            steps.append(self.advance(product, memory, state))
            state = steps[-1].state
        return steps

    def hidden(
        self, tgt: Int[Tensor, "batch tgt"], memory: Memory, *, weights: bool = True
    ) -> Hidden:
        """Loop over the target tokens, then apply the readout to all positions at once."""
        embedded = self.target(tgt)
        steps = self.loop(embedded, memory)
        states = torch.stack([step.hidden for step in steps], dim=1)
        contexts = torch.stack([step.context for step in steps], dim=1)
        attention = torch.stack([step.weights for step in steps], dim=1) if weights else None
        return Hidden(
            self.readout(states, embedded, contexts),
            None if attention is None else attention[:, None, None],
        )

    @property
    def attention_shape(self) -> tuple[int, int]:
        """One layer with one head."""
        return (1, 1)

    def attention_edits(self) -> dict[str, list[HeadEdits]]:
        """Return the edits: of all matrices that read the context, and of v."""
        enc, readers = self.from_context.in_features, (self.from_context, self.readout.mix)

        def zero(head: int) -> None:
            """Zero what reads the context, which is the last input of each matrix."""
            set_to_zero(*(reader.weight[:, -enc:] for reader in readers))

        def uniform(head: int) -> None:
            """Zero v, so that all scores are zero."""
            set_to_zero(self.score.energy.weight)

        return {"source": [HeadEdits(1, zero, uniform)]}

    def source_reads(self, batch: Batch) -> list[SourceRead]:
        """Return the encoder states, mapped by all matrices that read the context, stacked."""
        memory = self.encode_batch(batch)
        attention = self.hidden(batch.tgt_in, memory).attention
        values = memory.states @ self.context_readers().T
        return [] if attention is None else [SourceRead(attention[:, 0], values.unsqueeze(2))]

    def attention_steps(self, batch: Batch) -> list[AttentionSteps]:
        """Return the steps of the attention; the query is W s_(i-1), the keys are U h_j."""
        memory = self.encode_batch(batch)
        steps = self.loop(self.target(batch.tgt_in), memory)
        before = [self.start(memory), *(step.state for step in steps[:-1])]
        queries = torch.stack([self.hidden_part(state[-1]) for state in before], dim=1)
        weights = torch.stack([step.weights for step in steps], dim=1)
        context = torch.stack([step.context for step in steps], dim=1)
        return [
            AttentionSteps(
                "additive",
                self.score.query(queries)[:, None],
                memory.keys[:, None],
                self.score.energy.weight[0],
                self.score(queries, memory.keys)[:, None],
                weights[:, None],
                memory.states[:, None],
                context[:, None],
            )
        ]

    @property
    def output_layer(self) -> OutputLayer:
        """Weight and bias of the last layer of the readout."""
        return OutputLayer(self.readout.words.weight, self.readout.words.bias)

    def step(
        self, token: Int[Tensor, " rows"], memory: Memory, state: State, *, weights: bool = True
    ) -> Step:
        """Read one token and predict the next."""
        embedded = self.target(token)
        step = self.advance(self.from_word(embedded), memory, state)
        if memory.read is None:
            output = self.readout(step.hidden, embedded, step.context)
        else:
            output = self.readout(step.hidden, embedded, product=step.context)
        return Step(self.project(output), step.weights[:, None, None], step.state)
