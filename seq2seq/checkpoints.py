"""What a training keeps: the best weights so far, and the checkpoints to average."""

from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from seq2seq.validate import Validation
from seq2seq.weights import average, save_weights


class Checkpoints:
    """The checkpoints of one run folder.

    model.safetensors always holds the best weights that were validated; checkpoints/ holds those
    that may still take part in the average, and the newest.

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
        self.in_vain = 0  # validations since the best

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
        better = self.best is None or found.worth(self.by) > self.best.worth(self.by)
        self.in_vain = 0 if better else self.in_vain + 1
        if better:
            self.best = found
            save_weights(model, self.model)
        wanted = {*self.chosen(), found}
        for validation in self.kept:
            if validation not in wanted:
                self.path(validation).unlink()
        self.kept = [validation for validation in self.kept if validation in wanted]
        return better

    def chosen(self) -> list[Validation]:
        """Those that an average at this moment would be of."""
        if self.of == "last":
            return self.kept[-self.count :]
        return sorted(self.kept, key=lambda found: found.worth(self.by))[-self.count :]

    def averaged(self) -> dict[str, Tensor]:
        """The mean of the chosen checkpoints' weights."""
        return average([self.path(found) for found in self.chosen()])
