"""What a training keeps: the best weights so far, and the checkpoints to average."""

import dataclasses
import filecmp
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn

from seq2seq.errors import UserError
from seq2seq.runs.weights import average, read_weights, save_weights
from seq2seq.system.files import replacing
from seq2seq.training.state import read_fields
from seq2seq.training.validation import Validation


class Checkpoints:
    """The checkpoints of one run folder.

    model.safetensors always holds the best weights that were validated; checkpoints/ holds those
    too, the newest, and those that may still take part in the average.

    Args:
        folder: the run folder.
        by: what best means.
        count: how many are averaged at the end; 1 is none.
        of: average the last or the best ones.
    """

    def __init__(
        self,
        folder: Path,
        *,
        by: Literal["bleu", "loss"],
        count: int,
        of: Literal["last", "best"],
    ) -> None:
        self.folder, self.by, self.count, self.of = folder, by, count, of
        self.kept: list[Validation] = []  # in order of time
        self.best: Validation | None = None
        self.since_best = 0  # validations since the best
        self.needed: set[Path] = set()  # by the last save of the training's state

    @property
    def model(self) -> Path:
        """The weights that every later verb reads."""
        return self.folder / "model.safetensors"

    def path(self, validation: Validation) -> Path:
        """Where the weights of a validation lie."""
        return self.folder / "checkpoints" / f"step-{validation.step:08d}.safetensors"

    def add(self, model: nn.Module, found: Validation) -> bool:
        """Keep the weights that a validation was of; say whether they are the best so far."""
        save_weights(model, self.path(found))
        self.kept.append(found)
        better = self.best is None or found.ranking(self.by) > self.best.ranking(self.by)
        self.since_best = 0 if better else self.since_best + 1
        if better:
            self.best = found
            save_weights(model, self.model)
        wanted = {*self.chosen(), found}
        self.kept = [validation for validation in self.kept if validation in wanted]
        return better

    def prune(self) -> None:
        """Delete what neither this save of the training's state needs nor the one before."""
        before, self.needed = self.needed, self.files()
        for path in (self.folder / "checkpoints").glob("step-*.safetensors"):
            if path not in before | self.needed:
                path.unlink()

    def files(self) -> set[Path]:
        """The checkpoints that may be asked for again."""
        return {self.path(found) for found in (*self.kept, self.best) if found}

    def state(self) -> dict[str, Any]:
        """What is known of them, for a save."""
        return {
            "kept": [dataclasses.asdict(found) for found in self.kept],
            "best": self.best and dataclasses.asdict(self.best),
            "since_best": self.since_best,
        }

    def restore(self, state: dict[str, Any], warn: Callable[[str], None]) -> None:
        """Go back to a save; model.safetensors is the best one of that time again."""
        self.since_best = state["since_best"]
        kept, best = state["kept"], state["best"]
        self.best = read_fields(Validation, best, "a validation") if best else None
        kept = [read_fields(Validation, found, "a validation") for found in kept]
        self.needed = {self.path(found) for found in (*kept, self.best) if found}
        whole = {path for path in self.needed if self.is_whole(path, warn)}
        self.kept = [found for found in kept if self.path(found) in whole]
        best = self.best and self.path(self.best)
        if best in whole and not is_copy(self.model, best):
            with replacing(self.model, "wb") as file:
                file.write(best.read_bytes())

    def is_whole(self, path: Path, warn: Callable[[str], None]) -> bool:
        """Whether a checkpoint can be read; a warning where it cannot."""
        try:
            read_weights(path)
        except UserError as error:
            warn(f"{error}; training goes on without it")
            return False
        return True

    def chosen(self) -> list[Validation]:
        """Those that an average at this moment would be of."""
        if self.of == "last":
            return self.kept[-self.count :]
        return sorted(self.kept, key=lambda found: found.ranking(self.by))[-self.count :]

    def averaged(self) -> dict[str, Tensor]:
        """The mean of the chosen checkpoints' weights."""
        return average([self.path(found) for found in self.chosen()])


def is_copy(path: Path, original: Path) -> bool:
    """Whether one file has the bytes of another."""
    return path.is_file() and filecmp.cmp(path, original, shallow=False)
