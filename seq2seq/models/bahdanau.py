"""RNNsearch: the decoder looks back at the source before every word (Bahdanau et al. 2014)."""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seq2seq.config import Layers, Share, Width
from seq2seq.layers.attention import AdditiveScore, attend
from seq2seq.layers.recurrent import (
    GATES,
    PARTS,
    Cell,
    DeepOutput,
    Embedding,
    Kind,
    Recurrence,
    linear,
)
from seq2seq.models.base import Autoregressive, Hidden, OutputLayer, Step


class Memory(NamedTuple):
    """The annotations of a source sentence, and what is made of them once."""

    states: Float[Tensor, "batch src enc"]  # h_j, both directions side by side
    keys: Float[Tensor, "batch src align"]  # U_a h_j
    mask: Bool[Tensor, "batch src"]
    first: Float[Tensor, "batch layers width"]  # the backward reading's state at the first word


State = tuple[Float[Tensor, "rows width"], ...]  # a tensor for each layer


class DecoderStep(NamedTuple):
    """What one step of the decoder gives to the readout, and to the next step."""

    hidden: Float[Tensor, "rows dim"]  # of the top layer
    context: Float[Tensor, "rows enc"]
    weights: Float[Tensor, "rows src"]
    state: State


class Bahdanau(Autoregressive):
    """At each word: score every source state against the decoder's last state, read their average.

    Appendix A.2 of the paper: alpha_i = softmax(v tanh(W s_(i-1) + U h_j)), c_i = sum alpha_ij h_j,
    s_i = GRU([E y_(i-1), c_i], s_(i-1)), s_0 = tanh(W_s h<-_1). The state that the next word is
    read from is s_i. Only what needs s_(i-1) is inside the loop over target words; the word
    vectors' input product, the keys and the readout are made for all positions at once.

    Args:
        cell: gru (the paper's), lstm or tanh
        embedding: width of the word vectors
        dim: recurrent units of the decoder
        encoder_dim: recurrent units of the encoder, a direction; null is as many as the decoder's
        align_dim: units of the alignment model
        layers: recurrent layers of the encoder and of the decoder
        readout: the layer before the words, maxout (the paper's) or tanh
        readout_dim: width of that layer
        dropout: probability on embeddings, between layers and on the readout
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
    ) -> None:
        super().__init__()
        read = dim if encoder_dim is None else encoder_dim
        gates, parts, enc = GATES[cell] * dim, PARTS[cell], 2 * read
        self.dim = dim
        self.source = Embedding(source_vocab, embedding, dropout)
        self.encoder = Recurrence(
            cell, embedding, read, layers=layers, dropout=dropout, bidirectional=True
        )
        self.bridge = linear(parts * read, parts * dim)
        self.score = AdditiveScore(dim, enc, align_dim)
        self.target = Embedding(target_vocab, embedding, dropout)
        self.from_word = linear(embedding, gates)
        self.from_context = linear(enc, gates, bias=False)
        self.cells = nn.ModuleList(Cell(cell, dim) for _ in range(layers))
        self.between = nn.ModuleList(linear(dim, gates) for _ in range(layers - 1))
        self.readout = DeepOutput(
            readout, dim + embedding + enc, readout_dim, target_vocab, dropout
        )

    def encode(self, src: Int[Tensor, "batch src"], mask: Bool[Tensor, "batch src"]) -> Memory:
        """Annotate every source word from both sides, and project the keys once."""
        states, last = self.encoder.read(self.source(src), mask)
        return Memory(states, self.score.project(states), mask, last[:, :, 1])

    def start(self, memory: Memory) -> State:
        """s_0 = tanh(W_s h<-_1), layer by layer."""
        return self.bridge(memory.first).tanh().unbind(dim=1)

    def advance(
        self, word: Float[Tensor, "rows gates"], memory: Memory, state: State
    ) -> DecoderStep:
        """One pass of the loop: align, read, move the state. `word` is its input product."""
        query = self.hidden_part(state[-1]).unflatten(0, (len(memory.mask), -1))
        scores = self.score(query, memory.keys)
        context, weights = attend(scores, memory.states, memory.mask.unsqueeze(1))
        context, moved = context.flatten(0, 1), []
        inputs = word + self.from_context(context)
        for i, cell in enumerate(self.cells):
            moved.append(cell(inputs, state[i]))
            if i < len(self.between):
                inputs = self.between[i](self.hidden_part(moved[-1]))
        return DecoderStep(
            self.hidden_part(moved[-1]), context, weights.flatten(0, 1), tuple(moved)
        )

    def hidden_part(self, state: Float[Tensor, "batch width"]) -> Float[Tensor, "batch dim"]:
        """What other layers see of a state: an LSTM keeps its cells to itself."""
        return state.split(self.dim, dim=-1)[0]

    def hidden(
        self, tgt: Int[Tensor, "batch tgt"], memory: Memory, *, weights: bool = True
    ) -> Hidden:
        """The loop over target words, then one readout for all of them."""
        embedded, state = self.target(tgt), self.start(memory)
        steps = []
        for word in self.from_word(embedded).unbind(dim=1):
            steps.append(self.advance(word, memory, state))
            state = steps[-1].state
        states = torch.stack([m.hidden for m in steps], dim=1)
        contexts = torch.stack([m.context for m in steps], dim=1)
        seen = torch.stack([m.weights for m in steps], dim=1) if weights else None
        return Hidden(
            self.readout(states, embedded, contexts),
            None if seen is None else seen[:, None, None],
        )

    @property
    def output_layer(self) -> OutputLayer:
        """The last layer of the readout."""
        return OutputLayer(self.readout.words.weight, self.readout.words.bias)

    def step(
        self, token: Int[Tensor, " rows"], memory: Memory, state: State, *, weights: bool = True
    ) -> Step:
        """One word further."""
        embedded = self.target(token)
        step = self.advance(self.from_word(embedded), memory, state)
        known = self.readout(step.hidden, embedded, step.context)
        return Step(self.project(known), step.weights[:, None, None], step.state)
