"""Optimizers, learning-rate schedules and the training budget."""

import inspect
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor, nn
from torch.optim import Adadelta, Adam, AdamW, Optimizer

from seq2seq.settings.config import TrainConfig


def make_optimizer(
    parameters: Iterable[nn.Parameter], settings: TrainConfig, *, fused: bool = True
) -> Optimizer:
    """Create the configured optimizer.

    Args:
        parameters: the weights to train.
        settings: the `train` section of the configuration.
        fused: use the fused Adam or AdamW, whose gradients cannot be clipped with a gradient
            scaler.
    """
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimizer == "adadelta":
        rho = settings.betas[0]
        return without_compiler(Adadelta)(
            parameters, lr=rate, rho=rho, eps=settings.eps, weight_decay=decay
        )
    betas = (settings.betas[0], settings.betas[1])
    kind = without_compiler(AdamW if settings.optimizer == "adamw" else Adam)
    return kind(parameters, lr=rate, betas=betas, eps=settings.eps, weight_decay=decay, fused=fused)


# Methods of an optimizer that torch excludes from compilation
EXCLUDED = ("step", "zero_grad", "add_param_group", "state_dict", "load_state_dict")


def without_compiler(kind: type[Optimizer]) -> Any:
    """Return a subclass of an optimizer whose methods do not import torch's compiler.

    torch decorates these methods so that its compiler does not compile them. The decorators import
    the compiler, which takes nearly a second, although nothing here compiles an optimizer
    (`trainer.compile` compiles layers of the model). The subclass has the methods without their
    decorators. Of these, only that of `step` does something else: it turns gradients off.
    """
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in EXCLUDED}
    methods["step"] = torch.no_grad()(methods["step"])
    return type(kind.__name__, (kind,), methods)


def can_skip(optimizer: Optimizer) -> bool:
    """Whether an optimizer leaves the weights unchanged if its `found_inf` is 1: Adam, if fused."""
    return bool(optimizer.param_groups[0].get("fused"))


def skip_if(optimizer: Optimizer, condition: Bool[Tensor, ""]) -> None:
    """Make the next updates of an optimizer that `can_skip` leave the weights unchanged or not.

    This is how torch's gradient scaler skips an update.
    """
    own: Any = getattr(optimizer, "optimizer", optimizer)  # Fabric wraps it
    own.found_inf = condition.float()


@dataclass
class Schedule:
    """The learning rate at each update.

    constant; inverse_sqrt (Vaswani et al. 2017, equation 3, parametrized by its peak); cosine to
    zero at the end of the budget (Loshchilov and Hutter 2017); plateau, which decays after every
    validation without improvement. A linear warm-up multiplies all of them except inverse_sqrt,
    which begins after it.
    """

    settings: TrainConfig
    falls: int = 0  # number of decays of the plateau schedule so far

    def rate(self, step: int, spent: float) -> float:
        """The learning rate of update `step` (1-based), given the `spent` share of the budget."""
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
    """Limits in updates, epochs and minutes, whichever is reached first; None is no limit."""

    steps: int | None
    epochs: int | None
    minutes: float | None

    def spent(self, steps: int, epochs: float, minutes: float) -> float:
        """The spent share of the limit that is closest to being reached; training stops at 1."""
        pairs = ((steps, self.steps), (epochs, self.epochs), (minutes, self.minutes))
        return max(done / limit for done, limit in pairs if limit is not None)
