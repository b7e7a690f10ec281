"""Optimizers, learning-rate schedules, and the budget that a training has."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn
from torch.optim import Adadelta, Adam, AdamW, Optimizer

from seq2seq.config import TrainConfig


def make_optimizer(
    parameters: Iterable[nn.Parameter], settings: TrainConfig, *, fused: bool = True
) -> Optimizer:
    """The optimizer that the settings name; a fused one cannot have scaled gradients clipped."""
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimizer == "adadelta":
        rho = settings.betas[0]
        return Adadelta(parameters, lr=rate, rho=rho, eps=settings.eps, weight_decay=decay)
    betas = (settings.betas[0], settings.betas[1])
    kind = AdamW if settings.optimizer == "adamw" else Adam
    return kind(parameters, lr=rate, betas=betas, eps=settings.eps, weight_decay=decay, fused=fused)


@dataclass
class Schedule:
    """The learning rate at each update.

    constant; inverse_sqrt (Vaswani et al. 2017, equation 3, with its peak as the parameter);
    cosine to zero at the end of the budget (Loshchilov and Hutter 2017); plateau, which falls
    whenever a validation was in vain. All climb in a straight line during the warm-up.
    """

    settings: TrainConfig
    falls: int = 0  # of the plateau schedule so far

    def rate(self, step: int, spent: float) -> float:
        """The rate of update number `step`, from 1, when this share of the budget is spent."""
        settings = self.settings
        warmup = settings.warmup_steps
        factor = min(1.0, step / warmup) if warmup else 1.0
        if settings.schedule == "inverse_sqrt" and step > warmup:
            factor = math.sqrt(max(warmup, 1) / step)
        elif settings.schedule == "cosine":
            factor *= (1 + math.cos(math.pi * min(spent, 1.0))) / 2
        elif settings.schedule == "plateau":
            factor *= settings.plateau_factor**self.falls
        return settings.learning_rate * factor


@dataclass(frozen=True)
class Budget:
    """Updates, epochs and minutes, whichever ends first; None is no limit."""

    steps: int | None
    epochs: int | None
    minutes: float | None

    def spent(self, steps: int, epochs: float, minutes: float) -> float:
        """The share that is spent of what ends first; training stops at 1."""
        pairs = ((steps, self.steps), (epochs, self.epochs), (minutes, self.minutes))
        return max(done / limit for done, limit in pairs if limit is not None)
