"""Recurrent encoder-decoder without attention, with any cell: base class of rnn, elman, lstm, gru.

It has no YAML file, so it is no model by itself.
"""

from typing import Annotated, Literal, NamedTuple, NotRequired, TypedDict, Unpack

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seq2seq.layers.deep_output import DeepOutput
from seq2seq.layers.paper_initialization import Embedding, linear
from seq2seq.layers.recurrent import (
    PARTS,
    Init,
    Kind,
    Recurrence,
    initialize_recurrent,
)
from seq2seq.models.recurrent_source import RecurrentSource
from seq2seq.models.results import Hidden, OutputLayer, Step
from seq2seq.settings.ranges import Default, Layers, Share, Width


class Memory(NamedTuple):
    """The encoded source sentence."""

    last: Float[Tensor, "batch layers width"]  # final encoder state, with the cells of an LSTM
    context: Float[Tensor, "batch enc"]  # hidden state of the top layer: the paper's vector c


class Keys(TypedDict):
    """The keys of every recurrent encoder-decoder, whatever its cell.

    Args:
        context: every_step feeds the summary vector at each target token, start only initially
        embedding: size of the embeddings
        dim: recurrent units of the decoder and of each direction of the encoder
        layers: recurrent layers of the encoder and of the decoder
        bidirectional: use a bidirectional encoder
        reverse: reverse the source sentence (Sutskever et al. 2014, section 3.3)
        readout: hidden layer before the output layer, maxout or tanh
        readout_dim: size of that layer
        dropout: dropout probability between layers, and where another dropout is null
        embedding_dropout: dropout probability on embeddings; null is that of dropout
        readout_dropout: dropout probability on the readout; null is that of dropout
        init: of the weights: xavier, or paper: N(0, 0.01^2) (Bahdanau et al. 2014, B.1)
    """

    source_vocab: int
    target_vocab: int
    shared_vocab: bool
    context: Literal["every_step", "start"]
    embedding: Width
    dim: Width
    layers: Layers
    bidirectional: bool
    reverse: bool
    readout: Literal["maxout", "tanh"]
    readout_dim: Width
    dropout: Share
    embedding_dropout: NotRequired[Annotated[Share | None, Default(None)]]
    readout_dropout: NotRequired[Annotated[Share | None, Default(None)]]
    init: NotRequired[Annotated[Init, Default("paper")]]


class RecurrentEncoderDecoder(RecurrentSource):
    """Recurrent encoder-decoder whose decoder reads only the final state of the encoder.

    Cho et al. 2014 (arXiv 1406.1078) feed the summary vector c to every decoder step and to the
    output layer; so does the baseline in Bahdanau et al. 2014. Sutskever et al. 2014 use it only
    as the initial decoder state and reverse the source. The teacher-forced pass is one fused call.
    """

    def __init__(self, cell: Kind, **keys: Unpack[Keys]) -> None:
        embedding, dim, layers = keys["embedding"], keys["dim"], keys["layers"]
        dropout = keys["dropout"]
        on_embedding, on_readout = (
            dropout if part is None else part
            for part in (keys.get("embedding_dropout"), keys.get("readout_dropout"))
        )
        super().__init__(
            cell,
            keys["source_vocab"],
            embedding,
            dim,
            layers=layers,
            embedding_dropout=on_embedding,
            dropout=dropout,
            bidirectional=keys["bidirectional"],
            reverse=keys["reverse"],
        )
        directions = 2 if keys["bidirectional"] else 1
        self.every_step = keys["context"] == "every_step"
        context_dim = directions * dim if self.every_step else 0
        self.bridge = linear(directions * PARTS[cell] * dim, PARTS[cell] * dim)
        self.target = Embedding(keys["target_vocab"], embedding, on_embedding)
        self.decoder = Recurrence(
            cell, embedding + context_dim, dim, layers=layers, dropout=dropout
        )
        self.readout = DeepOutput(
            keys["readout"],
            dim + embedding + context_dim,
            keys["readout_dim"],
            keys["target_vocab"],
            on_readout,
        )
        initialize_recurrent(self.children(), keys.get("init", "paper"))

    def encode_embedded(
        self,
        embedded: Float[Tensor, "batch src embedding"],
        mask: Bool[Tensor, "batch src"],
        lengths: Int[Tensor, " batch"] | None = None,
        *,
        static: bool = False,
    ) -> Memory:
        """Encode the source and keep only the final state."""
        _, last = self.read_source(embedded, mask, lengths, static=static)
        dim = self.encoder.network.hidden_size
        return Memory(last.flatten(2), last[:, -1, :, :dim].flatten(1))

    def start(self, memory: Memory) -> Float[Tensor, "batch layers width"]:
        """Return the initial state of every layer, s_0 = tanh(V c)."""
        return self.bridge(memory.last).tanh()

    def run(
        self,
        tgt: Int[Tensor, "rows tgt"],
        memory: Memory,
        state: Float[Tensor, "rows layers width"],
    ) -> tuple[Float[Tensor, "rows tgt readout"], Float[Tensor, "rows layers width"]]:
        """Run the decoder from a state over any number of target tokens."""
        inputs = [self.target(tgt)]
        if self.every_step:
            context = memory.context.repeat_interleave(tgt.size(0) // memory.context.size(0), dim=0)
            inputs.append(context.unsqueeze(1).expand(-1, tgt.size(1), -1))
        states, state = self.decoder(torch.cat(inputs, dim=-1), state)
        return self.readout(states, *inputs), state

    def hidden(
        self, tgt: Int[Tensor, "batch tgt"], memory: Memory, *, weights: bool = True
    ) -> Hidden:
        """Run all positions in one fused call; attention is None."""
        return Hidden(self.run(tgt, memory, self.start(memory))[0], None)

    @property
    def output_layer(self) -> OutputLayer:
        """Weight and bias of the last layer of the readout."""
        return OutputLayer(self.readout.words.weight, self.readout.words.bias)

    def step(
        self,
        token: Int[Tensor, " rows"],
        memory: Memory,
        state: Float[Tensor, "rows layers width"],
        *,
        weights: bool = True,
    ) -> Step:
        """Read one token and predict the next."""
        states, state = self.run(token.unsqueeze(1), memory, state)
        return Step(self.project(states.squeeze(1)), None, state)
