"""One optimizer update: draw batches, compute gradients, change the weights."""

import contextlib
import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seq2seq.corpora import Corpus
from seq2seq.corpora.joined import bounds_of
from seq2seq.errors import UserError
from seq2seq.runs.weights import build_model
from seq2seq.settings.config import Config
from seq2seq.system import devices
from seq2seq.system.lightning import Fabric
from seq2seq.text.batching import Batch, out_of_memory
from seq2seq.text.sampler import TokenBatches
from seq2seq.text.tokenizer import Tokenizers
from seq2seq.text.word_dropout import drop_words
from seq2seq.training.ahead import Ahead, DrawnBatch, Place
from seq2seq.training.cuda_graphs import Graphs, Losses, RecordingError, Shares, use_graphs
from seq2seq.training.examples import Examples
from seq2seq.training.flops import multiply_adds
from seq2seq.training.guidance import Guidance, guided_total
from seq2seq.training.model_checks import check_model, has_learned_positions
from seq2seq.training.moving_average import MovingAverage
from seq2seq.training.optimizer import can_skip, make_optimizer, skip_if
from seq2seq.training.state import Save, set_tensors, tensors_of


class Learner:
    """The model, the training examples and the optimizer of a run.

    Args:
        fabric: the Fabric handle of this process.
        config: the configuration of the run.
        corpus: the corpus to train on.
        tokenizers: the tokenizers of the model.

    Raises:
        UserError: the corpus cannot be trained on, or no usable pair is left.
    """

    def __init__(
        self, fabric: Fabric, config: Config, corpus: Corpus, tokenizers: Tokenizers
    ) -> None:
        self.fabric, self.config, self.settings, self.corpus = fabric, config, config.train, corpus
        self.examples = Examples.prepare(
            corpus, tokenizers, sampling=config.tokenizer.sampling, seed=config.seed
        )
        devices.seed_generators(config.seed)  # the same initial weights in every process
        self.raw_model = build_model(config.model, tokenizers)
        check_model(self.raw_model, config)
        self.guidance = Guidance.of(
            config.train, corpus, self.examples.text, tokenizers, self.raw_model
        )
        self.moving_average: MovingAverage | None = None
        self.graphs: Graphs | None = None
        self.prepare_updates()

    def prepare_updates(self) -> None:
        """Create the batches and the optimizer."""
        self.draws = self.examples.draws(self.corpus.mixed())
        self.batches = TokenBatches(
            self.examples.usable.rows,
            *self.examples.lengths(self.settings.batch_tokens, self.examples.growth),
            budget=self.settings.batch_tokens,
            seed=self.config.seed,
            ranks=self.config.trainer.devices,
            draws=self.draws,
        )
        self.stream = iter(self.batches)
        self.ahead = Ahead(self.draw_batch, self.mark, self.settings.accumulate)
        self.prepare_optimizer()

    def prepare_optimizer(self) -> None:
        """Create the optimizer, and the gradient scaler if the precision needs one."""
        self.scaler = devices.gradient_scaler(self.fabric)
        self.optimizer = make_optimizer(
            self.raw_model.parameters(), self.settings, fused=self.scaler is None
        )

    @property
    def epochs(self) -> float:
        """Number of passes over the training text so far, including the fraction of this one."""
        return self.ahead.taken.epochs

    @functools.cached_property
    def multiply_adds(self) -> float:
        """Multiply-adds per target token (`seq2seq.training.flops`).

        They are counted when first read, because counting imports torch's compiler.
        """
        return multiply_adds(self.raw_model, *self.examples.mean_lengths)

    def set_up(self) -> None:
        """Set the rank, compile if configured, and move model and optimizer to the device."""
        self.begin()
        if self.config.trainer.compile or self.fabric.device.type != "cpu":
            # Count them on the CPU and before compiling: torch no longer compiles a model later.
            _ = self.multiply_adds
        if self.config.trainer.compile:
            self.compile()
        self.model, self.optimizer = self.fabric.setup(self.raw_model, self.optimizer)
        for method in ("loss", "guided_loss"):
            self.model.mark_forward_method(method)
        if use_graphs(self.config.trainer, self.fabric.device):
            longest = None if has_learned_positions(self.raw_model) else self.corpus.max_length + 1
            self.graphs = Graphs(self.run_pass, self.raw_model, longest)
        if self.settings.ema:
            self.moving_average = MovingAverage(self.raw_model, self.settings.ema)

    def begin(self) -> None:
        """Take the batches of this process."""
        self.batches.rank, self.batches.ranks = self.fabric.global_rank, self.fabric.world_size

    def place(self) -> tuple[int, int, int]:
        """The seed of subword sampling: `TokenBatches.place` and a 0.

        It does not depend on the number of processes.
        """
        return (*self.batches.place, 0)

    def next_rows(self) -> NDArray[np.integer[Any]]:
        """Return the rows of the next batch without using it."""
        return self.batches.next_rows()

    def gather(self) -> None:
        """Collect what rank 0 saves of the other processes: nothing, their positions are equal."""

    def compile(self) -> None:
        """Compile what the loss calls; the loss has a custom backward pass and is not compiled."""
        for name in self.raw_model.compiled:
            setattr(
                self.raw_model, name, torch.compile(getattr(self.raw_model, name), dynamic=True)
            )

    def dry_run(self) -> None:
        """Compute the gradients of the next update and discard them, without side effects."""
        self.gradients(self.drawn(self.next_rows(), (0, 0, 0)))
        self.optimizer.zero_grad()

    def draw(self, rate: float, step: int) -> list[DrawnBatch]:
        """Return the batches of the next update; set its learning rate and its random seed."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.step = step
        devices.seed_generators(self.config.seed, step, self.fabric.global_rank)
        return self.ahead.take()

    def draw_batch(self) -> list[DrawnBatch]:
        """Return the next batch of the sampler; subword sampling may divide it."""
        rows = next(self.stream)
        return self.drawn(rows, self.place())

    def drawn(
        self, rows: NDArray[np.integer[Any]], place: tuple[int, int, int]
    ) -> list[DrawnBatch]:
        """Return these rows as batches within the token budget; subword sampling may need several.

        `place` is that of the seed of sampling. They are on the device already, unless words are
        dropped, which is done on the CPU when the generators have the seed of the update.
        """
        parts = self.examples.batches(rows, place, self.settings.batch_tokens)
        if self.guidance:
            parts = [(own, self.guidance.attach(own, batch)) for own, batch in parts]
        return [DrawnBatch(own, self.placed(batch)) for own, batch in parts]

    def placed(self, batch: Batch) -> Batch:
        """Return a batch with the padding of its CUDA graph, on the device if it is ready."""
        if self.graphs:
            batch = self.graphs.padded(batch)
        drops = self.settings.source_word_dropout or self.settings.target_word_dropout
        return batch if drops else batch.to(self.fabric.device)

    def gradients(self, drawn: Sequence[DrawnBatch]) -> tuple[Tensor, int]:
        """Run forward and backward; return the loss in nats and the number of target tokens.

        Both are sums over all processes. The loss, without that of guided attention, stays on its
        device, because reading it would synchronize the host with the device.

        Raises:
            UserError: a batch does not fit into memory, or torch.compile fails on this machine.
        """
        tokens = devices.sum_over_processes(
            self.fabric, sum(batch.num_tokens for _, batch in drawn)
        )
        linked = self.linked(drawn)
        # DDP averages gradients over processes; the loss is a mean over tokens.
        shares = Shares(self.fabric.world_size / tokens, 0.0)
        if self.guidance:
            guided_share = self.guidance.weight * self.fabric.world_size / max(linked, 1)
            shares = shares._replace(guided=guided_share)
        losses, guided_losses = [], []
        for i, (_, batch) in enumerate(drawn, 1):
            try:
                with self.fabric.no_backward_sync(self.model, enabled=i < len(drawn)):
                    loss, guided = self.recorded_pass(self.with_words_dropped(batch), shares)
            except (RuntimeError, MemoryError) as error:
                if out_of_memory(error):
                    raise UserError(self.too_large(batch)) from error
                if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
                    reason = " ".join(str(error).strip().splitlines()[:2])
                    raise UserError(
                        f"trainer.compile=true fails on this machine: {reason}; it needs Triton "
                        "on a GPU and a C++ compiler on a CPU"
                    ) from error
                raise
            losses.append(loss)
            guided_losses += [] if guided is None else [guided]
        if guided_losses:
            total = devices.sum_over_processes(self.fabric, torch.stack(guided_losses).sum())
            self.guided = (total, linked)
        return devices.sum_over_processes(self.fabric, torch.stack(losses).sum()), tokens

    def linked(self, drawn: Sequence[DrawnBatch]) -> int:
        """Return the number of target tokens with links, over all processes."""
        if not self.guidance:
            return 0
        linked: int = devices.sum_over_processes(
            self.fabric, sum(batch.num_linked for _, batch in drawn)
        )
        return linked

    def with_words_dropped(self, batch: Batch) -> Batch:
        """Return a batch on the device, with the word dropout of this update."""
        settings = self.settings
        return drop_words(
            batch,
            self.raw_model.special,
            source=settings.source_word_dropout,
            target=settings.target_word_dropout,
        ).to(self.fabric.device)

    def recorded_pass(self, batch: Batch, shares: Shares) -> Losses:
        """Run forward and backward, as a CUDA graph if this training uses them.

        Raises:
            UserError: trainer.cuda_graphs=true, but it cannot be recorded.
        """
        if self.graphs:
            try:
                return self.graphs(batch, shares)
            except RecordingError as error:
                if self.config.trainer.cuda_graphs:
                    raise UserError(
                        f"trainer.cuda_graphs=true: a pass cannot be recorded ({error}); resume "
                        "with trainer.cuda_graphs=false"
                    ) from error
                self.fabric.print(f"training without CUDA graphs: {error}")
                self.graphs = None
        return self.run_pass(batch, shares)

    def run_pass(self, batch: Batch, shares: Shares) -> Losses:
        """Run forward and backward; return the losses of a batch on the device."""
        loss, guided = self.losses(batch)
        self.fabric.backward(guided_total(loss, guided, *shares))
        return Losses(loss.detach(), None if guided is None else guided.detach())

    def losses(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Return the loss of a batch in nats, summed over its target tokens, and that of its links.

        The second is None without guided attention. With R-Drop the first is half of the paper's,
        the mean of two passes plus their divergence, so that it is comparable with a loss without
        R-Drop.
        """
        smoothing, r_drop = self.settings.label_smoothing, self.settings.r_drop
        if self.guidance:
            both = self.guidance.losses(
                self.model, batch.twice() if r_drop else batch, smoothing, r_drop
            )
            return (both[0] / 2, both[1] / 2) if r_drop else both
        if r_drop:
            return self.model.loss(batch.twice(), smoothing, r_drop) / 2, None
        return self.model.loss(batch, smoothing), None

    def too_large(self, batch: Batch) -> str:
        """The error message for a batch that does not fit into memory."""
        (pairs, source), target = batch.src.shape, batch.tgt_out.shape[1]
        return (
            f"out of memory on a batch of {pairs} pairs with up to {source} source and {target} "
            f"target tokens: lower train.batch_tokens={self.settings.batch_tokens} (raise "
            f"train.accumulate to keep the batch size) or data.max_length="
            f"{self.corpus.max_length}, and resume with resume=force"
        )

    def update(self, loss: Tensor) -> tuple[float, float | None]:
        """Clip the gradients and update the weights; return the loss and the gradient norm.

        If the loss or the norm is NaN or infinite, the weights are unchanged and the returned norm
        is None.
        """
        norm: Any = self.fabric.clip_gradients(
            self.model,
            self.optimizer,
            max_norm=self.settings.clip_norm or math.inf,
            error_if_nonfinite=False,
        )
        values = [loss, norm.to(loss)] + ([self.guided[0].to(loss)] if self.guidance else [])
        numbers = torch.stack(values)
        # Fused Adam decides on the device whether to skip, so that the host need not wait for it.
        early = can_skip(self.optimizer) and not self.scaler
        if early:
            skip_if(self.optimizer, ~numbers[:2].isfinite().all())
            self.optimizer.step()
            self.zero_gradients()
        self.ahead.prepare()
        loss_value, norm_value, *guided = self.read(numbers)
        finite = math.isfinite(loss_value) and math.isfinite(norm_value)
        if not early:
            if finite or self.scaler:  # the scaler skips the update itself and lowers its scale
                self.optimizer.step()
            self.zero_gradients()
        if finite and self.guidance:
            self.guidance.count(guided[0], self.guided[1])
        if finite and self.moving_average:
            self.moving_average.update(self.step + 1)
        return loss_value, norm_value if finite else None

    def zero_gradients(self) -> None:
        """Remove the gradients, or set them to zero where CUDA graphs write them."""
        if self.graphs:
            self.graphs.zero_gradients()
        else:
            self.optimizer.zero_grad()

    def read(self, values: Tensor) -> list[float]:
        """Read values from the device: the only time in an update that the host waits for it."""
        numbers: list[float] = values.tolist()
        return numbers

    def evaluated(self) -> contextlib.AbstractContextManager[None]:
        """Context manager in which the model has the weights to validate and to keep."""
        average = self.moving_average
        return average.installed() if average else contextlib.nullcontext()

    def log_fields(self, rate: float, norm: float | None) -> dict[str, float | None]:
        """The fields of a line of log.jsonl that describe the last update."""
        guided = self.guidance.log_fields() if self.guidance else {}
        return {**guided, "learning_rate": rate, "gradient_norm": norm}

    def pairs(self, drawn: Sequence[DrawnBatch]) -> list[int]:
        """The 1-based line numbers of the pairs in an update, over all processes."""
        rows = np.concatenate([rows for rows, _ in drawn]).tolist()
        return sorted(row + 1 for share in devices.gather(self.fabric, rows) for row in share)

    def mark(self) -> Place:
        """The position of the sampler, of which a batch may not have been used yet."""
        return Place(self.batches.state_dict(), self.batches.epochs)

    def sampler_state(self) -> dict[str, Any]:
        """The position in the training text after the last update."""
        return self.ahead.taken.state

    def restore_sampler(self, save: Save) -> None:
        """Continue at the position in the training text."""
        self.batches.load_state_dict(save.facts["sampler"])
        self.ahead.restart()

    def state(self) -> Save:
        """The state to resume from between two updates."""
        facts = {
            "sampler": self.sampler_state(),
            "scaler": self.scaler.state_dict() if self.scaler else None,
        }
        if self.guidance:
            facts["guided"] = {"loss": self.guidance.loss, "rows": self.guidance.rows}
        tensors = tensors_of(self.raw_model, self.optimizer)
        if self.moving_average:
            average = self.moving_average.average.items()
            tensors |= {f"average.{name}": tensor for name, tensor in average}
        return Save(tensors, facts)

    def restore(self, save: Save) -> None:
        """Restore what `state` returned.

        Raises:
            UserError: the save belongs to another model.
        """
        tensors = dict(save.tensors)
        names = [name for name in tensors if name.startswith("average.")]
        average = {name.removeprefix("average."): tensors.pop(name) for name in names}
        set_tensors(self.raw_model, self.optimizer, tensors)
        if self.moving_average:
            self.moving_average.restore(average)
        self.restore_sampler(save)
        if self.guidance and (guided := save.facts.get("guided")):
            self.guidance.count(guided["loss"], guided["rows"])
        if self.scaler and save.facts["scaler"]:
            self.scaler.load_state_dict(save.facts["scaler"])

    def facts(self) -> dict[str, Any]:
        """The fields of run.json that describe the model and the training corpus."""
        tokenizers = self.examples.tokenizers
        return {
            "parameters": self.raw_model.parameter_count,
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
                "train": self.train_facts(),
            },
        }

    def train_facts(self) -> dict[str, Any]:
        """The fields of run.json that describe the training text."""
        own = {**self.examples.facts(), **self.batch_facts()}
        return {**own, **self.part_facts(), **self.link_facts()}

    def link_facts(self) -> dict[str, Any]:
        """The fields of run.json that describe the word links of guided attention."""
        return {"links": self.guidance.links.facts()} if self.guidance else {}

    def part_facts(self) -> dict[str, Any]:
        """The fields of run.json that describe the parts of a mixture."""
        mixed, draws = self.corpus.mixed(), self.draws
        if mixed is None or draws is None:
            return {}
        weights = dict(zip(mixed.names, mixed.weights or (), strict=False))
        rows, bounds = bounds_of(self.examples.text), draws.bounds
        facts = {
            name: {
                "sha256": sha256,
                "pairs": rows[number + 1] - rows[number],
                "used": bounds[number + 1] - bounds[number],
                "weight": weights.get(name),
                "share": draws.shares[number],
            }
            for number, (name, sha256) in enumerate(
                zip(mixed.names, self.corpus.fingerprints(), strict=True)
            )
        }
        return {"parts": facts}

    def progress(self) -> dict[str, Any]:
        """The fields of run.json that describe what has been read."""
        mixed = self.corpus.mixed()
        if mixed is None:
            return {}
        seen = self.ahead.taken.state["seen"]
        return {"pairs_seen": dict(zip(mixed.names, seen, strict=True))}

    def batch_facts(self) -> dict[str, Any]:
        """The fields of run.json that describe the batches of an epoch."""
        return {"batches": len(self.batches), "padding": self.batches.padding}
