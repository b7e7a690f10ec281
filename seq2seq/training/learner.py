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
from seq2seq.runs.facts import model_facts
from seq2seq.runs.weights import build_model
from seq2seq.settings.config import Config
from seq2seq.system import devices
from seq2seq.system.lightning import Fabric
from seq2seq.text.sampler import TokenBatches
from seq2seq.text.tokenizer import Tokenizers
from seq2seq.training.examples import Examples
from seq2seq.training.flops import multiply_adds
from seq2seq.training.guidance import Guidance
from seq2seq.training.model_checks import check_model
from seq2seq.training.moving_average import MovingAverage
from seq2seq.training.optimizer import can_skip, make_optimizer, skip_if
from seq2seq.training.passes import Passes
from seq2seq.training.state import Save, set_tensors, tensors_of
from seq2seq.training.update_batches import DrawnBatch, Place, UpdateBatches


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
        self.updates = UpdateBatches(self.draw_batch, self.mark, self.settings.accumulate)
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
        return self.updates.taken.epochs

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
        longest = self.corpus.max_length
        self.passes = Passes(
            self.fabric, self.config, self.model, self.raw_model, self.guidance, longest
        )
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
        return self.updates.take()

    def draw_batch(self) -> list[DrawnBatch]:
        """Return the next batch of the sampler; subword sampling may divide it."""
        rows = next(self.stream)
        return self.drawn(rows, self.place())

    def drawn(
        self, rows: NDArray[np.integer[Any]], place: tuple[int, int, int]
    ) -> list[DrawnBatch]:
        """Return these rows as batches within the token budget; subword sampling may need several.

        `place` is that of the seed of sampling.
        """
        parts = self.examples.batches(rows, place, self.settings.batch_tokens)
        if self.guidance:
            parts = [(own, self.guidance.attach(own, batch)) for own, batch in parts]
        return [DrawnBatch(own, self.passes.placed(batch)) for own, batch in parts]

    def gradients(self, drawn: Sequence[DrawnBatch]) -> tuple[Tensor, int]:
        """Compute the gradients of an update, see `Passes.gradients`."""
        return self.passes.gradients([batch for _, batch in drawn])

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
        values = [loss, norm.to(loss)]
        if self.guidance:
            values.append(self.passes.guided.loss.to(loss))
        numbers = torch.stack(values)
        # Fused Adam decides on the device whether to skip, so that the host need not wait for it.
        early = can_skip(self.optimizer) and not self.scaler
        if early:
            skip_if(self.optimizer, ~numbers[:2].isfinite().all())
            self.optimizer.step()
            self.passes.zero_gradients(self.optimizer)
        self.updates.prepare()
        loss_value, norm_value, *guided = self.read(numbers)
        finite = math.isfinite(loss_value) and math.isfinite(norm_value)
        if not early:
            if finite or self.scaler:  # the scaler skips the update itself and lowers its scale
                self.optimizer.step()
            self.passes.zero_gradients(self.optimizer)
        if finite and self.guidance:
            self.guidance.count(guided[0], self.passes.guided.rows)
        if finite and self.moving_average:
            self.moving_average.update(self.step + 1)
        return loss_value, norm_value if finite else None

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
        return self.updates.taken.state

    def restore_sampler(self, save: Save) -> None:
        """Continue at the position in the training text."""
        self.batches.load_state_dict(save.facts["sampler"])
        self.updates.restart()

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
        return {
            **model_facts(self.raw_model, self.examples.tokenizers),
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
        seen = self.updates.taken.state["seen"]
        return {"pairs_seen": dict(zip(mixed.names, seen, strict=True))}

    def batch_facts(self) -> dict[str, Any]:
        """The fields of run.json that describe the batches of an epoch."""
        return {"batches": len(self.batches), "padding": self.batches.padding}
