"""The interface of every translation model.

    embed_source  source            -> vectors  what the first layer of the encoder reads
    encode        source            -> memory   computed once, never modified
    hidden        memory + target   -> states   all positions at once (teacher forcing)
    maps          source + target   -> maps     all attention weights of such a pass
    output_layer  weight and bias, linear, so that the loss need not hold all logits at once
    share         memory            -> memory   with products that the hypotheses of a beam share
    start         memory            -> state    \\
    step          token + state     -> output    > one position at a time (search)

Memory and state are opaque to callers: any nested tuple of tensors in which each tensor has the
batch as its first axis. This lets search reorder the state of any model. `step` accepts several
consecutive rows of token and state for each row of memory: the hypotheses of a beam share one
encoded sentence.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, Literal

import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from seq2seq.layers.attention import AttentionSteps
from seq2seq.layers.head_edits import HeadEdits
from seq2seq.layers.host_sizes import chosen
from seq2seq.layers.loss import cross_entropy, guided_cross_entropy
from seq2seq.models.results import (
    GuidedLoss,
    Hidden,
    Iteration,
    Maps,
    Memory,
    Output,
    OutputLayer,
    SourceRead,
    State,
    Step,
)
from seq2seq.text.batching import Batch, Ids
from seq2seq.text.special_ids import SpecialIds


class Seq2Seq(nn.Module, ABC):
    """Abstract model that scores a target sentence given a source sentence.

    The constructor of a subclass takes keyword arguments only. `source_vocab`, `target_vocab` and
    `shared_vocab` come from the tokenizers; every other keyword is a key of the model's YAML file.

    Attributes:
        kind: the kind of model, in the words of an error message.
        natural_search: the choice of `search=` that training uses if the user chooses none.
        teacher_forced: whether training predicts each target token from the ones before it.
        pseudo_likelihood: whether the loss in evaluation mode is not that of a probability
            distribution over targets, so that its perplexity is not comparable with others.
        compilable: whether torch.compile can use one compiled graph for all sentence lengths. A
            model with a Python loop over target tokens cannot.
        fits: whether the model learns by `fit`, not by gradients of `loss`. The trainer then does
            `iterations` iterations, an attribute of the model.
        compiled: the methods to compile.
        special: the ids of special tokens. `build_model` replaces the default by those of the
            tokenizers, after the constructor and before the model is used.
        joint_attention: whether one softmax covers source and target, see `Maps`.
        target_input: which tokens of a Batch the columns of `Maps.target` are.
    """

    kind: ClassVar[str] = "a model of its own kind"
    natural_search: ClassVar[str] = "beam"
    teacher_forced: ClassVar[bool] = True
    pseudo_likelihood: ClassVar[bool] = False
    compilable: ClassVar[bool] = False
    fits: ClassVar[bool] = False
    compiled: ClassVar[tuple[str, ...]] = ("encode", "hidden")
    joint_attention: ClassVar[bool] = False
    target_input: ClassVar[Literal["tgt_in", "tgt_out"]] = "tgt_in"
    iterations: int
    special: SpecialIds = SpecialIds()

    @abstractmethod
    def embed_source(self, src: Int[Tensor, "batch src"]) -> Float[Tensor, "batch src width"]:
        """Return all that the first layer of the encoder reads, one vector for each source token.

        This includes scaling, positions and dropout. It is apart from `encode`, so that vectors can
        be replaced, and derivatives with respect to them taken, in any model.
        """

    @abstractmethod
    def encode_embedded(
        self, embedded: Float[Tensor, "batch src width"], mask: Bool[Tensor, "batch src"]
    ) -> Memory:
        """Encode vectors of `embed_source`; mask is True at tokens and False at padding."""

    def encode(self, src: Int[Tensor, "batch src"], mask: Bool[Tensor, "batch src"]) -> Memory:
        """Encode the source; mask is True at tokens and False at padding."""
        return self.encode_embedded(self.embed_source(src), mask)

    def encode_batch(self, batch: Batch) -> Memory:
        """Encode the source of a batch."""
        return self.encode(batch.src, batch.src_mask)

    @abstractmethod
    def hidden(
        self, tgt: Int[Tensor, "batch tgt"], memory: Memory, *, weights: bool = True
    ) -> Hidden:
        """Compute the decoder states at all target positions (teacher forcing).

        With `weights=False` the model may omit the attention weights.
        """

    @property
    def attention_shape(self) -> tuple[int, int]:
        """Number of layers and of heads of the attention of `hidden`; zeros if there is none."""
        return (0, 0)

    def hidden_of_layer(
        self, tgt: Int[Tensor, "batch tgt"], memory: Memory, layer: int
    ) -> tuple[Float[Tensor, "batch tgt width"], Float[Tensor, "batch heads tgt src"]]:
        """Compute what `hidden` does, with the attention weights of one layer, counted from 0.

        A model overrides this if it can omit those of the other layers.
        """
        states, attention = self.hidden(tgt, memory)
        if attention is None:
            raise NotImplementedError(f"{type(self).__name__} has no attention")
        return states, attention[:, layer]

    @property
    def output_layer(self) -> OutputLayer:
        """Weight and bias of the output layer.

        A model without a linear output layer overrides `project` and `target_loss` instead.
        """
        raise NotImplementedError(f"{type(self).__name__} has no linear output layer")

    def project(self, states: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch vocab"]:
        """Apply the output layer: return the logits of the next token."""
        return F.linear(states, *self.output_layer)

    def decode(self, tgt: Int[Tensor, "batch tgt"], memory: Memory) -> Output:
        """Predict the next token at every position of a given target (teacher forcing)."""
        states, attention = self.hidden(tgt, memory)
        return Output(self.project(states), attention)

    def forward(self, batch: Batch) -> Output:
        """Encode and decode a batch."""
        return self.decode(batch.tgt_in, self.encode_batch(batch))

    def maps(self, batch: Batch) -> Maps:
        """Return all attention weights of a forced pass.

        A model with self-attention overrides this. Search returns attention to the source alone.
        """
        return Maps(self.hidden(batch.tgt_in, self.encode_batch(batch)).attention)

    def attention_edits(self) -> dict[str, list[HeadEdits]]:
        """Return how to switch off the heads of each layer, by map (a field of `Maps`).

        Empty if the model has no attention layers. With `joint_attention` all is under `source`.
        """
        return {}

    def source_reads(self, batch: Batch) -> list[SourceRead]:
        """Return what each attention layer reads of the source in a forced pass.

        The list is empty if the model has no such vectors.
        """
        return []

    def attention_steps(self, batch: Batch) -> list[AttentionSteps]:
        """Return how each attention layer computes its attention to the source in a forced pass.

        The list is empty if the model has no attention that is a softmax over the source alone.
        """
        return []

    def loss(self, batch: Batch, smoothing: float = 0.0, r_drop: float = 0.0) -> Float[Tensor, ""]:
        """Return the cross-entropy in nats, summed over all target tokens that are not padding.

        Divide it by batch.num_tokens for the mean. `smoothing` is the probability mass spread
        uniformly over the vocabulary (label smoothing, Szegedy et al. 2016). `r_drop` is the weight
        of the divergence between the two halves of a batch of `Batch.twice` (R-Drop, see
        `seq2seq.layers.loss.cross_entropy`).
        """
        memory = self.encode_batch(batch)
        return self.target_loss(batch, memory, smoothing, r_drop)

    def target_loss(
        self, batch: Batch, memory: Memory, smoothing: float, r_drop: float = 0.0
    ) -> Float[Tensor, ""]:
        """Return the loss of `loss` given the encoded source."""
        states = self.hidden(batch.tgt_in, memory, weights=False).states
        return self.states_loss(states, batch, smoothing, r_drop)

    def guided_loss(
        self, batch: Batch, layer: int, head: int, smoothing: float = 0.0, r_drop: float = 0.0
    ) -> GuidedLoss:
        """Return the loss of `loss`, and that of one head with `batch.links`.

        Args:
            batch: a batch with links.
            layer: the decoder layer, counted from 0.
            head: the head, counted from 0.
            smoothing: label smoothing, of the first loss only.
            r_drop: weight of the divergence of R-Drop, of the first loss only.
        """
        memory = self.encode_batch(batch)
        return self.guided_target_loss(batch, memory, layer, head, smoothing, r_drop)

    def guided_target_loss(
        self,
        batch: Batch,
        memory: Memory,
        layer: int,
        head: int,
        smoothing: float,
        r_drop: float,
    ) -> GuidedLoss:
        """Return the losses of `guided_loss` given the encoded source."""
        states, weights = self.hidden_of_layer(batch.tgt_in, memory, layer)
        links = weights.new_zeros(weights[:, head].shape) if batch.links is None else batch.links
        loss = self.states_loss(states, batch, smoothing, r_drop)
        return GuidedLoss(loss, guided_cross_entropy(weights[:, head], links))

    def states_loss(
        self,
        states: Float[Tensor, "batch tgt width"],
        batch: Batch,
        smoothing: float,
        r_drop: float,
    ) -> Float[Tensor, ""]:
        """Return the loss of `loss` given the decoder states."""
        targets = batch.tgt_out.flatten()
        return self.loss_at(
            targets != self.special.pad,
            None if batch.static else batch.num_tokens,
            states.flatten(0, 1),
            self.output_layer,
            targets,
            smoothing,
            r_drop,
        )

    def loss_at(
        self,
        real: Bool[Tensor, " positions"],
        count: int | None,
        states: Float[Tensor, "positions width"],
        output_layer: OutputLayer,
        targets: Int[Tensor, " positions"],
        smoothing: float,
        r_drop: float = 0.0,
    ) -> Float[Tensor, ""]:
        """Return the cross-entropy at the positions where `real` is True, summed.

        `count` is their number. If it is None, the logits of all positions are computed.
        """
        if count is None:
            return cross_entropy(states, *output_layer, targets, smoothing, r_drop, real)
        # The output layer is the largest matrix product, so the others are removed first.
        places = chosen(real, count)
        states, targets = states.index_select(0, places), targets[places]
        return cross_entropy(states, *output_layer, targets, smoothing, r_drop)

    def fit(
        self, pairs: Iterable[tuple[Ids, Ids]], source: Sequence[str], target: Sequence[str]
    ) -> Iterator[Iteration]:
        """Learn from all training pairs at once, if `fits` is True; yield after each iteration.

        The model can be used after each iteration. The same pairs give the same weights, so that a
        training is resumed by repeating its iterations.

        Args:
            pairs: the training pairs as ids, without BOS and EOS.
            source: the pieces of the source vocabulary.
            target: the pieces of the target vocabulary.
        """
        raise NotImplementedError(f"{type(self).__name__} learns by gradients")

    def token_log_probability(
        self, states: Float[Tensor, "batch tgt width"], batch: Batch, memory: Memory
    ) -> Float[Tensor, "batch tgt"]:
        """Return the log-probability of each target token in nats, from the result of `hidden`.

        It is 0 at padding.
        """
        logits, pad = self.project(states), self.special.pad
        return -F.cross_entropy(logits.mT, batch.tgt_out, ignore_index=pad, reduction="none")

    def log_probability(
        self, states: Float[Tensor, "batch tgt width"], batch: Batch, memory: Memory
    ) -> Float[Tensor, " batch"]:
        """Return the log-probability of each target in nats, from the result of `hidden`."""
        return self.token_log_probability(states, batch, memory).sum(1)

    def training_pass(self, batch: Batch) -> Float[Tensor, "*positions vocab"]:
        """Run one forward pass as in training, to count its arithmetic; return the logits."""
        return self(batch).logits

    @property
    def parameter_count(self) -> int:
        """Number of parameters; tied parameters are counted once."""
        return sum(p.numel() for p in self.parameters())


class Autoregressive(Seq2Seq):
    """Abstract model that can also decode one target token at a time."""

    kind = "an autoregressive model"

    def share(self, memory: Memory) -> Memory:
        """Return a memory for search with several hypotheses of each sentence.

        It may have further tensors, computed once for each sentence, with which `step` has less to
        do for each hypothesis. `step` accepts both and returns the same up to rounding.
        """
        return memory

    @abstractmethod
    def start(self, memory: Memory) -> State:
        """Return the decoder state before the first target token."""

    @abstractmethod
    def step(
        self, token: Int[Tensor, " rows"], memory: Memory, state: State, *, weights: bool = True
    ) -> Step:
        """Read one token and predict the next.

        With `weights=False` the model may omit the attention weights. The number of rows is a
        multiple of the number of sentences in memory: each sentence has the same number of
        consecutive rows, for example the hypotheses of its beam.
        """


class MaskedLM(Seq2Seq):
    """Abstract model that predicts masked target tokens from the source and the other tokens.

    `hidden` returns the states that predict each token when that token alone is masked. Their
    log-probabilities add up to the pseudo-log-likelihood of the target (Salazar et al. 2020).

    The mask token is `special.mask`, an input only, which is never predicted. The constructor sets
    `special` to `SpecialIds(mask=target_vocab)`.
    """

    kind = "a masked language model"
    natural_search = "mask_predict"
    teacher_forced = False
    pseudo_likelihood = True
    compiled = ("encode", "fill")
    target_input = "tgt_out"

    @abstractmethod
    def length_log_p(
        self, memory: Memory, caps: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch lengths"]:
        """Return the log-probability of each target length from 0 to the largest cap, without EOS.

        The probability of lengths above the cap of a sentence is added to that of its cap.
        """

    @abstractmethod
    def fill(
        self, tgt: Int[Tensor, "batch tgt"], memory: Memory, *, weights: bool = True
    ) -> Hidden:
        """Compute the states that predict the masked tokens of a target, all at once.

        Args:
            tgt: tokens + EOS, padded, in which any tokens are replaced by the mask. The length is
                known to the model, so EOS is never masked.
            memory: the encoded source, with a row for each row of tgt.
            weights: return the attention weights.
        """


def select(tree: Any, rows: Int[Tensor, " rows"]) -> Any:
    """Select rows (with repetition) of every tensor in a nested tuple, to reorder a beam."""
    if tree is None:
        return None
    if isinstance(tree, Tensor):
        return tree.index_select(0, rows)
    parts = (select(part, rows) for part in tree)
    return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)
