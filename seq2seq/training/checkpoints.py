"""Checkpoints of a training: the best weights so far, and those to average."""

import dataclasses
import filecmp
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn

from seq2seq.errors import UserError
from seq2seq.runs.folder import checkpoint_files
from seq2seq.runs.weights import average, read_weights, save_weights
from seq2seq.system.files import replacing
from seq2seq.training.state import read_fields
from seq2seq.training.validation import Validation


class Checkpoints:
    """The checkpoints of one run folder.

    model.safetensors always contains the best validated weights. checkpoints/ contains the best and
    the newest checkpoint, those that may still become part of the average, and those of every
    `every` updates.

    Args:
        folder: the run folder.
        by: the criterion for the best checkpoint: validation BLEU or loss.
        count: number of checkpoints to average at the end; 1 disables averaging.
        of: average the last or the best checkpoints.
        every: keep the weights after every so many updates; None keeps none of them.
    """

    def __init__(
        self,
        folder: Path,
        *,
        by: Literal["bleu", "loss"],
        count: int,
        of: Literal["last", "best"],
        every: int | None = None,
    ) -> None:
        self.folder, self.by, self.count, self.of, self.every = folder, by, count, of, every
        self.kept: list[Validation] = []  # in chronological order
        self.best: Validation | None = None
        self.since_best = 0  # validations since the best
        self.needed: set[Path] = set()  # files that the last saved state refers to

    @property
    def model(self) -> Path:
        """The path of the final weights, which the other commands read."""
        return self.folder / "model.safetensors"

    def path(self, validation: Validation) -> Path:
        """The checkpoint path of a validation."""
        return self.path_of(validation.step)

    def path_of(self, step: int) -> Path:
        """The checkpoint path of a step."""
        return self.folder / "checkpoints" / f"step-{step:08d}.safetensors"

    def due(self, step: int) -> bool:
        """Whether the weights after an update are kept whatever their score is."""
        return self.every is not None and step % self.every == 0

    def keep(self, model: nn.Module, step: int) -> None:
        """Save the weights after an update."""
        save_weights(model, self.path_of(step))

    def add(self, model: nn.Module, validation: Validation) -> bool:
        """Save the validated weights; return whether they are the best so far."""
        save_weights(model, self.path(validation))
        self.kept.append(validation)
        better = self.best is None or validation.ranking(self.by) > self.best.ranking(self.by)
        self.since_best = 0 if better else self.since_best + 1
        if better:
            self.best = validation
            save_weights(model, self.model)
        wanted = {*self.chosen(), validation}
        self.kept = [earlier for earlier in self.kept if earlier in wanted]
        return better

    def prune(self) -> None:
        """Delete the checkpoints that neither the current nor the previous save refers to.

        Those of every `every` updates are left.
        """
        previous, self.needed = self.needed, self.files()
        for step, path in checkpoint_files(self.folder).items():
            if path not in previous | self.needed and not self.due(step):
                path.unlink()

    def files(self) -> set[Path]:
        """The checkpoint files that may still be needed."""
        return {self.path(validation) for validation in (*self.kept, self.best) if validation}

    def state(self) -> dict[str, Any]:
        """The JSON metadata of the checkpoints, for a save."""
        return {
            "kept": [dataclasses.asdict(validation) for validation in self.kept],
            "best": self.best and dataclasses.asdict(self.best),
            "since_best": self.since_best,
        }

    def restore(self, state: dict[str, Any], warn: Callable[[str], None]) -> None:
        """Restore `state` from a save, and model.safetensors to the best weights at that step."""
        self.since_best = state["since_best"]
        kept, best = state["kept"], state["best"]
        self.best = read_fields(Validation, best, "a validation") if best else None
        kept = [read_fields(Validation, fields, "a validation") for fields in kept]
        self.needed = {self.path(validation) for validation in (*kept, self.best) if validation}
        intact = {path for path in self.needed if self.is_intact(path, warn)}
        self.kept = [validation for validation in kept if self.path(validation) in intact]
        best = self.best and self.path(self.best)
        if best in intact and not is_copy(self.model, best):
            with replacing(self.model, "wb") as file:
                file.write(best.read_bytes())

    def is_intact(self, path: Path, warn: Callable[[str], None]) -> bool:
        """Whether a checkpoint can be read; warn if not."""
        try:
            read_weights(path)
        except UserError as error:
            warn(f"{error}; continuing without this checkpoint")
            return False
        return True

    def chosen(self) -> list[Validation]:
        """The validations whose checkpoints the average consists of."""
        if self.of == "last":
            return self.kept[-self.count :]
        return sorted(self.kept, key=lambda kept: kept.ranking(self.by))[-self.count :]

    def averaged(self) -> dict[str, Tensor]:
        """The mean of the chosen checkpoints' weights."""
        return average([self.path(validation) for validation in self.chosen()])


def is_copy(path: Path, original: Path) -> bool:
    """Whether two files have the same content."""
    return path.is_file() and filecmp.cmp(path, original, shallow=False)
