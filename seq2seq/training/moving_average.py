"""Exponential moving average of the weights during training."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from seq2seq.errors import UserError
from seq2seq.layers.loss import at_least_float32


class MovingAverage:
    """Exponential moving average of the weights (Polyak and Juditsky 1992).

    After update t, average = d average + (1 - d) weights, where d is the smaller one of `decay` and
    (1 + t) / (10 + t), as in TensorFlow's ExponentialMovingAverage. Otherwise the initial weights
    would count for 1 / (1 - decay) updates.

    Args:
        model: the model, whose weights are the initial average.
        decay: the weight of the old average, from 0 to 1.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model, self.decay = model, decay
        self.restart()

    def restart(self) -> None:
        """Set the average to the weights."""
        # In single precision at least: half precision would lose most of a small change.
        self.average = {
            name: at_least_float32(p.detach()).clone() for name, p in self.model.named_parameters()
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Set the average to the tensors of a save; to the weights if there are none.

        Raises:
            UserError: they belong to another model.
        """
        self.restart()
        if not tensors:
            return
        if {n: t.shape for n, t in tensors.items()} != {
            n: t.shape for n, t in self.average.items()
        }:
            raise UserError("the save is of another model: its average of the weights differs")
        self.average = {
            name: tensors[name].to(own, copy=True) for name, own in self.average.items()
        }

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Include the weights after update `step`, counted from 1."""
        decay = min(self.decay, (1 + step) / (10 + step))
        averages = list(self.average.values())
        pairs = zip(averages, self.model.parameters(), strict=True)
        weights = [parameter.to(average.dtype) for average, parameter in pairs]
        torch._foreach_lerp_(averages, weights, 1 - decay)  # one kernel for all on a GPU

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Context manager in which the model has the average as its weights."""
        weights = {name: p.detach().clone() for name, p in self.model.named_parameters()}
        self._set(self.average)
        try:
            yield
        finally:
            self._set(weights)

    @torch.no_grad()
    def _set(self, tensors: Mapping[str, Tensor]) -> None:
        for name, parameter in self.model.named_parameters():
            parameter.copy_(tensors[name])
