"""One update: from rows of the corpus to gradients to other weights."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor

from seq2seq.config import Config
from seq2seq.corpora import Corpus
from seq2seq.errors import UserError
from seq2seq.runs.weights import build_model
from seq2seq.system import devices
from seq2seq.text.batching import Batch, out_of_memory
from seq2seq.text.sampler import TokenBatches
from seq2seq.text.tokenizer import Tokenizers
from seq2seq.training.examples import Examples
from seq2seq.training.flops import multiply_adds
from seq2seq.training.optimizer import make_optimizer
from seq2seq.training.state import Save, set_tensors, tensors_of


class DrawnBatch(NamedTuple):
    """Rows of the training text, and the batch that they make."""

    rows: NDArray[np.integer[Any]]
    batch: Batch


class Learner:
    """The weights of a run, what they learn from, and what changes them.

    Args:
        fabric: the process.
        config: the run's configuration.
        corpus: its training text.
        tokenizers: of the model.

    Raises:
        UserError: the corpus, or what is left of it, cannot be trained on.
    """

    def __init__(
        self, fabric: Fabric, config: Config, corpus: Corpus, tokenizers: Tokenizers
    ) -> None:
        self.fabric, self.config, self.settings, self.corpus = fabric, config, config.train, corpus
        self.examples = Examples.prepare(
            corpus, tokenizers, sampling=config.tokenizer.sampling, seed=config.seed
        )
        self.batches = TokenBatches(
            self.examples.usable.rows,
            *self.examples.lengths(self.settings.batch_tokens),
            budget=self.settings.batch_tokens,
            seed=config.seed,
            ranks=config.trainer.devices,
        )
        self.stream = iter(self.batches)
        devices.seed_generators(config.seed)  # every process begins with the same weights
        self.raw_model = build_model(config.model, tokenizers)
        # Counted before anything is compiled, for what was counted torch does not compile any more.
        self.multiply_adds = multiply_adds(self.raw_model, *self.examples.mean_lengths)
        self.scaler = devices.gradient_scaler(fabric)
        self.optimizer = make_optimizer(
            self.raw_model.parameters(), self.settings, fused=self.scaler is None
        )

    def set_up(self) -> None:
        """Take this process's place among all, on its device."""
        self.batches.rank, self.batches.ranks = self.fabric.global_rank, self.fabric.world_size
        if self.config.trainer.compile:
            self.compile()
        self.model, self.optimizer = self.fabric.setup(self.raw_model, self.optimizer)
        self.model.mark_forward_method("loss")

    def compile(self) -> None:
        """Have torch compile how the model reads; the loss, whose gradient is our own, is not.

        Raises:
            UserError: this model cannot be compiled.
        """
        if not self.raw_model.compilable:
            raise UserError(
                f"trainer.compile=true is not for {type(self.raw_model).__name__}, whose loop over "
                "words would be compiled anew for every length: leave it out"
            )
        for name in ("encode", "hidden"):
            setattr(
                self.raw_model, name, torch.compile(getattr(self.raw_model, name), dynamic=True)
            )

    def dry_run(self) -> None:
        """Do the work of the next update and forget it: nothing changes."""
        rows = self.batches.next_rows()
        self.gradients(self.drawn(rows, (0, 0, 0)))
        self.optimizer.zero_grad()

    def draw(self, rate: float, step: int) -> list[DrawnBatch]:
        """Batches for the next update at a learning rate, and its own stream of chance."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        rank, batches = self.fabric.global_rank, self.batches
        devices.seed_generators(self.config.seed, step, rank)
        drawn = []
        for _ in range(self.settings.accumulate):
            rows = next(self.stream)
            drawn += self.drawn(rows, (batches.epoch, batches.position, rank))
        return drawn

    def drawn(
        self, rows: NDArray[np.integer[Any]], place: tuple[int, int, int]
    ) -> list[DrawnBatch]:
        """These rows as batches within the budget: one, or with sampling sometimes more."""
        parts = self.examples.batches(rows, place, self.settings.batch_tokens)
        return [DrawnBatch(*part) for part in parts]

    def gradients(self, drawn: Sequence[DrawnBatch]) -> tuple[Tensor, int]:
        """Forward and backward; the loss in nats and the target tokens, over all processes.

        The loss stays on its device, for reading it would make the host wait.

        Raises:
            UserError: a batch does not fit into the memory, or the model cannot be compiled here.
        """
        tokens = devices.sum_over_processes(
            self.fabric, sum(batch.num_tokens for _, batch in drawn)
        )
        losses = []
        for i, (_, batch) in enumerate(drawn, 1):
            try:
                with self.fabric.no_backward_sync(self.model, enabled=i < len(drawn)):
                    loss = self.model.loss(
                        batch.to(self.fabric.device), self.settings.label_smoothing
                    )
                    # Processes average their gradients, but the loss is a mean over tokens.
                    self.fabric.backward(loss * (self.fabric.world_size / tokens))
            except (RuntimeError, MemoryError) as error:
                if out_of_memory(error):
                    raise UserError(self.too_large(batch)) from error
                if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
                    reason = " ".join(str(error).strip().splitlines()[:2])
                    raise UserError(
                        f"trainer.compile=true cannot compile here: {reason}; a GPU needs Triton "
                        "for it and a CPU a C++ compiler"
                    ) from error
                raise
            losses.append(loss.detach())
        return devices.sum_over_processes(self.fabric, torch.stack(losses).sum()), tokens

    def too_large(self, batch: Batch) -> str:
        """What to do about a batch for which there is no memory."""
        (pairs, source), target = batch.src.shape, batch.tgt_out.shape[1]
        return (
            f"out of memory on {pairs} pairs of up to {source} and {target} pieces: lower "
            f"train.batch_tokens={self.settings.batch_tokens} (train.accumulate makes up for it) "
            f"or data.max_length={self.corpus.max_length}, and go on with resume=force"
        )

    def update(self, loss: Tensor) -> tuple[float, float | None]:
        """Clip and change the weights; the loss and the gradient's norm as numbers.

        Where one of them is none the weights stay as they are, and the norm is None.
        """
        norm: Any = self.fabric.clip_gradients(
            self.model,
            self.optimizer,
            max_norm=self.settings.clip_norm or math.inf,
            error_if_nonfinite=False,
        )
        # The only place where the host waits for its device, once for both.
        loss_value, length = torch.stack([loss, norm.to(loss)]).tolist()
        sound = math.isfinite(loss_value) and math.isfinite(length)
        if sound or self.scaler:  # which leaves the update out by itself, and lowers its scale
            self.optimizer.step()
        self.optimizer.zero_grad()
        return loss_value, length if sound else None

    def pairs(self, drawn: Sequence[DrawnBatch]) -> list[int]:
        """The numbers, from 1, of the pairs in an update of all processes."""
        rows = np.concatenate([rows for rows, _ in drawn]).tolist()
        shares = [self.fabric.broadcast(rows, src=rank) for rank in range(self.fabric.world_size)]
        return sorted(row + 1 for share in shares for row in share)

    def state(self) -> Save:
        """All that a learner needs to go on between two updates."""
        facts = {
            "sampler": self.batches.state_dict(),
            "scaler": self.scaler.state_dict() if self.scaler else None,
        }
        return Save(tensors_of(self.raw_model, self.optimizer), facts)

    def restore(self, save: Save) -> None:
        """Go on from what `state` returned.

        Raises:
            UserError: it is of another model.
        """
        set_tensors(self.raw_model, self.optimizer, save.tensors)
        self.batches.load_state_dict(save.facts["sampler"])
        if self.scaler and save.facts["scaler"]:
            self.scaler.load_state_dict(save.facts["scaler"])

    def facts(self) -> dict[str, Any]:
        """What run.json says of model and corpus."""
        tokenizers = self.examples.tokenizers
        return {
            "parameters": self.raw_model.parameter_count,
            "multiply_adds_per_target_token": self.multiply_adds,
            "model": {
                "kind": type(self.raw_model).__name__,
                "source_vocab": len(tokenizers.source),
                "target_vocab": len(tokenizers.target),
                "shared_vocab": tokenizers.shared,
            },
            "tokenizer": {
                "source": tokenizers.source.fingerprint,
                "target": tokenizers.target.fingerprint,
            },
            "data": {
                "source": self.corpus.source,
                "target": self.corpus.target,
                **({"split": division} if (division := self.corpus.division()) else {}),
                "train": {
                    **self.examples.facts(),
                    "batches": len(self.batches),
                    "padding": self.batches.padding,
                },
            },
        }
