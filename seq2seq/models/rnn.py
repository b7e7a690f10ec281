"""Plain encoder-decoder: the whole source squeezed into one vector (Cho et al. 2014, RNNencdec)."""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from seq2seq.config import Layers, Share, Width
from seq2seq.layers.recurrent import PARTS, DeepOutput, Embedding, Kind, Recurrence, linear
from seq2seq.models.base import Autoregressive, Hidden, OutputLayer, Step


class Memory(NamedTuple):
    """All that is left of a source sentence."""

    last: Float[Tensor, "batch layers width"]  # the encoder's final state, cells of an LSTM too
    context: Float[Tensor, "batch enc"]  # its top layer's hidden part: the vector c of the paper


class RNN(Autoregressive):
    """The decoder gets the encoder's final state and never looks back.

    Cho et al. 2014 (arXiv 1406.1078) give the summary c to every step of the decoder and to its
    output layer, and so does the comparison in Bahdanau et al. 2014; Sutskever et al. 2014 give it
    at the start alone, and read the source backwards. The teacher-forced pass is one fused call.

    Args:
        cell: gru (Cho et al. 2014), lstm (Sutskever et al. 2014) or tanh (Elman 1990)
        context: every_step feeds the summary at each target word, start only before the first
        embedding: width of the word vectors
        dim: recurrent units, a direction in the encoder and in the decoder
        layers: recurrent layers of the encoder and of the decoder
        bidirectional: the encoder also reads from the end
        reverse: the encoder reads the source from its end (Sutskever et al. 2014, section 3.3)
        readout: the layer before the words, maxout or tanh
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
        context: Literal["every_step", "start"],
        embedding: Width,
        dim: Width,
        layers: Layers,
        bidirectional: bool,
        reverse: bool,
        readout: Literal["maxout", "tanh"],
        readout_dim: Width,
        dropout: Share,
    ) -> None:
        super().__init__()
        directions = 2 if bidirectional else 1
        fed = directions * dim if context == "every_step" else 0
        self.every_step, self.reverse = context == "every_step", reverse
        self.source = Embedding(source_vocab, embedding, dropout)
        self.encoder = Recurrence(
            cell, embedding, dim, layers=layers, dropout=dropout, bidirectional=bidirectional
        )
        self.bridge = linear(directions * PARTS[cell] * dim, PARTS[cell] * dim)
        self.target = Embedding(target_vocab, embedding, dropout)
        self.decoder = Recurrence(cell, embedding + fed, dim, layers=layers, dropout=dropout)
        self.readout = DeepOutput(
            readout, dim + embedding + fed, readout_dim, target_vocab, dropout
        )

    def encode(self, src: Int[Tensor, "batch src"], mask: Bool[Tensor, "batch src"]) -> Memory:
        """Read the source and keep the final state alone."""
        if self.reverse:
            src = flip(src, mask)
        _, last = self.encoder.read(self.source(src), mask)
        dim = self.encoder.network.hidden_size
        return Memory(last.flatten(2), last[:, -1, :, :dim].flatten(1))

    def start(self, memory: Memory) -> Float[Tensor, "batch layers width"]:
        """s_0 = tanh(V c), layer by layer."""
        return self.bridge(memory.last).tanh()

    def run(
        self,
        tgt: Int[Tensor, "rows tgt"],
        memory: Memory,
        state: Float[Tensor, "rows layers width"],
    ) -> tuple[Float[Tensor, "rows tgt readout"], Float[Tensor, "rows layers width"]]:
        """Go on from a state over any number of target words."""
        known = [self.target(tgt)]
        if self.every_step:
            context = memory.context.repeat_interleave(len(tgt) // len(memory.context), dim=0)
            known.append(context.unsqueeze(1).expand(-1, tgt.size(1), -1))
        states, state = self.decoder(torch.cat(known, dim=-1), state)
        return self.readout(states, *known), state

    def hidden(
        self, tgt: Int[Tensor, "batch tgt"], memory: Memory, *, weights: bool = True
    ) -> Hidden:
        """All positions in one fused call; there is no attention to return."""
        return Hidden(self.run(tgt, memory, self.start(memory))[0], None)

    @property
    def output_layer(self) -> OutputLayer:
        """The last layer of the readout."""
        return OutputLayer(self.readout.words.weight, self.readout.words.bias)

    def step(
        self,
        token: Int[Tensor, " rows"],
        memory: Memory,
        state: Float[Tensor, "rows layers width"],
        *,
        weights: bool = True,
    ) -> Step:
        """One word further."""
        states, state = self.run(token.unsqueeze(1), memory, state)
        return Step(self.project(states.squeeze(1)), None, state)


def flip(src: Int[Tensor, "batch src"], mask: Bool[Tensor, "batch src"]) -> Tensor:
    """Turn each sentence round; its padding stays on the right."""
    lengths = mask.sum(1, keepdim=True)
    places = torch.arange(src.size(1), device=src.device).unsqueeze(0)
    return src.gather(1, torch.where(mask, lengths - 1 - places, places))
