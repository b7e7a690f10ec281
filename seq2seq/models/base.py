"""What every translation model promises.

    encode   source            -> memory   read once, never changed
    hidden   memory + target   -> states   all positions at once (teacher forcing)
    words    the output layer, linear, so that a loss need not hold all logits at once
    start    memory            -> state    \\
    step     token + state     -> output    > one position at a time (search)

Memory and state belong to the model: any nested tuple of tensors, so long as each tensor has the
batch as its first axis. That one rule lets search reorder any model. A step may be given several
rows of state and token, one after the other, for each row of memory: those of a beam share its
sentence.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seq2seq.layers.loss import cross_entropy
from seq2seq.text.batching import PAD, Batch

Memory = Any
State = Any


class Hidden(NamedTuple):
    """What the output layer reads at each target position, and where the model looked.

    attention is None in a model that has none, and where nobody asked for it.
    """

    states: Float[Tensor, "batch tgt width"]
    attention: Float[Tensor, "batch layers heads tgt src"] | None


class OutputLayer(NamedTuple):
    """The output layer: how each word of the vocabulary reads a state."""

    weight: Float[Tensor, "vocab width"]
    bias: Float[Tensor, " vocab"]


class Output(NamedTuple):
    """Predictions for a whole target; attention is None in a model that has none."""

    logits: Float[Tensor, "batch tgt vocab"]
    attention: Float[Tensor, "batch layers heads tgt src"] | None


class Step(NamedTuple):
    """Predictions for one target position, and the state to pass to the next."""

    logits: Float[Tensor, "rows vocab"]
    attention: Float[Tensor, "rows layers heads src"] | None
    state: State


class Seq2Seq(nn.Module, ABC):
    """A model that scores a target sentence given a source sentence.

    A variant's constructor takes keywords only. `source_vocab`, `target_vocab` and `shared_vocab`
    come from the tokenizers; every other keyword is a key of its YAML.

    compilable: whether torch.compile serves sentences of all lengths with one piece of code, as it
    cannot where a loop goes from word to word.
    """

    compilable: ClassVar[bool] = False

    @abstractmethod
    def encode(self, src: Int[Tensor, "batch src"], mask: Bool[Tensor, "batch src"]) -> Memory:
        """Read the source; mask is True at real tokens."""

    @abstractmethod
    def hidden(
        self, tgt: Int[Tensor, "batch tgt"], memory: Memory, *, weights: bool = True
    ) -> Hidden:
        """Read the target so far at every position; `weights=False` may leave attention out."""

    @property
    @abstractmethod
    def output_layer(self) -> OutputLayer:
        """The output layer."""

    def project(self, states: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch vocab"]:
        """Logits of the next token."""
        return F.linear(states, *self.output_layer)

    def decode(self, tgt: Int[Tensor, "batch tgt"], memory: Memory) -> Output:
        """Predict every next token of a known target (teacher forcing)."""
        states, attention = self.hidden(tgt, memory)
        return Output(self.project(states), attention)

    def forward(self, batch: Batch) -> Output:
        """Encode and decode a batch."""
        return self.decode(batch.tgt_in, self.encode(batch.src, batch.src_mask))

    def loss(self, batch: Batch, smoothing: float = 0.0) -> Float[Tensor, ""]:
        """Cross-entropy in nats summed over real target tokens; divide by batch.num_tokens.

        `smoothing` is the share of the target given to all tokens alike (Szegedy et al. 2016).
        """
        memory = self.encode(batch.src, batch.src_mask)
        states = self.hidden(batch.tgt_in, memory, weights=False).states.flatten(0, 1)
        # The output layer is the largest product: spare it the padding. Sorting finds the real
        # tokens without the host's having to wait for their number, as it would with a mask.
        words = batch.tgt_out.flatten()
        real = (words == PAD).sort(stable=True).indices[: batch.num_tokens]
        return cross_entropy(
            states.index_select(0, real), *self.output_layer, words[real], smoothing
        )

    @property
    def parameter_count(self) -> int:
        """Learned numbers, tied ones counted once."""
        return sum(p.numel() for p in self.parameters())


class Autoregressive(Seq2Seq):
    """A model that can also be run one target token at a time."""

    @abstractmethod
    def start(self, memory: Memory) -> State:
        """The state before the first target token."""

    @abstractmethod
    def step(
        self, token: Int[Tensor, " rows"], memory: Memory, state: State, *, weights: bool = True
    ) -> Step:
        """Take in one token, predict the next; `weights=False` may leave attention out.

        There may be several rows, equally many, for each sentence in memory: those of a beam.
        """


def select(tree: Any, rows: Int[Tensor, " rows"]) -> Any:
    """Pick rows (with repeats) of every tensor in a nested tuple: how a beam is reordered."""
    if tree is None:
        return None
    if isinstance(tree, Tensor):
        return tree.index_select(0, rows)
    parts = (select(part, rows) for part in tree)
    return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)
