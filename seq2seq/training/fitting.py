"""Training of a model that learns from all pairs at once instead of by gradients."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from seq2seq.errors import UserError
from seq2seq.models.results import Iteration
from seq2seq.settings.config import Config
from seq2seq.settings.plugins import fits
from seq2seq.training.learner import Learner
from seq2seq.training.state import Save
from seq2seq.training.update_batches import DrawnBatch


def settings_in_effect(config: Config) -> Config:
    """Return the configuration with the settings that apply to a model that fits itself.

    One update is one iteration over the whole text, so that `model.iterations` takes the place of
    the limits of the section `train`, and every iteration is logged. Checkpoints are not averaged
    or kept, and no segmentation is sampled. Other models keep their configuration.
    """
    if not fits(config.model):
        return config
    train = replace(
        config.train,
        max_steps=config.model["iterations"],
        max_epochs=None,
        max_minutes=None,
        patience=None,
        average=1,
        ema=0.0,
        guided_attention=0.0,
        guided_layer=None,
        guided_head=None,
        guided_links=None,
        keep_every=None,
        log_every=1,
    )
    return replace(config, train=train, tokenizer=replace(config.tokenizer, sampling=0.0))


class FittingLearner(Learner):
    """A `Learner` of a model that has `fit`; an update is one iteration over the training text.

    Raises:
        UserError: as for `Learner`, or the trainer is asked for several devices or to compile.
    """

    def prepare_updates(self) -> None:
        """Begin with iteration 0; nothing is read yet."""
        trainer, kind = self.config.trainer, type(self.raw_model).__name__
        if trainer.devices > 1:
            raise UserError(
                f"{kind} trains in one process: trainer.devices={trainer.devices} has no effect, "
                "remove it"
            )
        mixed = self.corpus.mixed()
        if mixed and mixed != (mixed.names, None, 1):
            raise UserError(
                f"{kind} learns from all pairs at once: the weights of data.parts and "
                "data.temperature have no effect, remove them"
            )
        if trainer.compile:
            raise UserError(f"{kind} cannot be compiled: remove trainer.compile=true")
        if trainer.cuda_graphs:
            raise UserError(f"{kind} has no gradients: remove trainer.cuda_graphs=true")
        self.done = 0
        self.rest: Iterator[Iteration] = self.iterations()

    def iterations(self) -> Iterator[Iteration]:
        """Yield the result of each iteration."""
        encoded, tokenizers = self.examples.encoded, self.examples.tokenizers
        pairs = (encoded[row] for row in self.examples.usable.rows.tolist())
        yield from self.raw_model.fit(
            pairs, tokenizers.source.vocabulary, tokenizers.target.vocabulary
        )

    @property
    def epochs(self) -> float:
        """Number of passes over the training text."""
        return float(self.done)

    def set_up(self) -> None:
        """Move the model to the device."""
        self.raw_model.to(self.fabric.device)

    def dry_run(self) -> None:
        """Do nothing: no number of threads is faster."""

    def draw(self, rate: float, step: int) -> list[DrawnBatch]:
        """Return no batches: an iteration reads all pairs."""
        return []

    def gradients(self, drawn: Sequence[DrawnBatch]) -> tuple[Tensor, int]:
        """Do one iteration; return its loss in nats and the number of target tokens."""
        self.last = next(self.rest)
        self.done += 1
        return torch.tensor(self.last.loss), self.last.tokens

    def update(self, loss: Tensor) -> tuple[float, float | None]:
        """Return the loss; the iteration has changed the weights, and there is no gradient."""
        return self.last.loss, 0.0

    def log_fields(self, rate: float, norm: float | None) -> dict[str, float | None]:
        """No fields: there is neither a learning rate nor a gradient."""
        return {}

    def state(self) -> Save:
        """The number of iterations; `restore` repeats them, which gives the same weights."""
        sampler = {"seed": self.config.seed, "epoch": self.done, "position": 0}
        return Save({}, {"sampler": sampler, "scaler": None})

    def restore(self, save: Save) -> None:
        """Repeat the iterations of a save."""
        for _ in range(save.facts["sampler"]["epoch"]):
            self.gradients([])

    def part_facts(self) -> dict[str, Any]:
        """No fields: all pairs of all parts are read."""
        return {}

    def progress(self) -> dict[str, Any]:
        """No fields: all pairs are read."""
        return {}

    def batch_facts(self) -> dict[str, Any]:
        """The fields of run.json that describe the batches: all pairs at once, without padding."""
        return {"batches": 1, "padding": 0.0}
