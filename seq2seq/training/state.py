"""What a training saves of itself, so that it can go on as if it had never stopped.

    runs/NAME/state/save-00000042.safetensors

A save has the number of its format, the weights, what the optimizer remembers, and plain facts:
where the sampler stands, the numbers of the log's next line, how long the log is. The newest save
and the one before are kept. Random states are not saved: what is drawn in an update depends on
seed and step alone (`runtime.chance`), and saves are made between two updates.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from torch import Tensor, nn
from torch.optim import Optimizer

from seq2seq.errors import UserError
from seq2seq.runs.weights import read_tensors, save_tensors, set_weights

Record = TypeVar("Record")  # a dataclass


FACTS = {"progress", "falls", "sampler", "scaler", "checkpoints", "logs"}
FORMAT = 2  # of the facts of a save; those of version 0.1.0 have no number and are of format 1
RENAMED = {  # fields of `Progress` in format 1
    "heard": "tokens_since_log",
    "told": "seconds_at_log",
    "in_a_row": "skipped_in_a_row",
}


def upgrade(facts: dict[str, Any], path: Path) -> dict[str, Any]:
    """The facts of a save as this version names them, whatever version wrote it.

    When a fact, or a field of `Progress` or `Validation`, is renamed, raise FORMAT and rename it
    here in the facts of lower formats.

    Raises:
        UserError: a newer version wrote it, or they are no facts of a save.
    """
    number = facts.get("format", 1)
    if not isinstance(number, int) or number < 1:
        raise UserError(f"{path} has format {number!r}, which no version of seq2seq writes")
    if number > FORMAT:
        raise UserError(
            f"{path} has format {number}, this seq2seq reads up to {FORMAT}: go on with the newer "
            "version that trained it, choose another name=, or begin again with fresh=true (the "
            "old run is moved aside)"
        )
    if lacking := FACTS - facts.keys():
        raise UserError(f"{path} is no save of a training: it lacks {', '.join(sorted(lacking))}")
    return from_format_1(facts) if number == 1 else facts


def from_format_1(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts of a save of version 0.1.0 under their names of today."""
    progress, checkpoints = facts["progress"], facts["checkpoints"]
    if not (isinstance(progress, dict) and isinstance(checkpoints, dict)):
        return facts  # whoever reads them says so
    progress, checkpoints = dict(progress), dict(checkpoints)
    for old, new in RENAMED.items():
        if old in progress:
            progress[new] = progress.pop(old)
    if "in_vain" in checkpoints:
        checkpoints["since_best"] = checkpoints.pop("in_vain")
    return facts | {"format": FORMAT, "progress": progress, "checkpoints": checkpoints}


def read_fields(kind: type[Record], facts: Any, what: str) -> Record:
    """A dataclass from the facts of a save.

    Raises:
        UserError: a field is missing, or unknown; the sentence names it.
    """
    known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    given = facts.keys() if isinstance(facts, dict) else set()
    if wrong := sorted(known ^ given):
        raise UserError(
            f"the saved state has {what} with other fields than this version of seq2seq knows "
            f"({', '.join(wrong)}): go on with the version that trained it, choose another name=, "
            "or begin again with fresh=true (the old run is moved aside)"
        )
    return kind(**facts)


@dataclass
class Progress:
    """How far a training is: plain numbers that start at nothing."""

    step: int = 0  # updates, with those that were skipped
    spent: float = 0.0  # share of the budget
    target_tokens: int = 0
    loss: float = 0.0  # nats since the last line of the log
    tokens_since_log: int = 0  # target tokens since then
    norm: float | None = None  # of the last gradient
    skipped: int = 0  # updates
    skipped_in_a_row: int = 0  # of them, up to now
    validated: int = 0  # the step of the last validation
    seconds: float = 0.0  # in all
    validating: float = 0.0  # of them
    seconds_at_log: float = 0.0  # seconds of learning at the last line of the log
    joules: float | None = 0.0  # used in all; None if unknown
    peak_memory: int = 0  # bytes

    def count_update(self, loss: float, tokens: int, norm: float) -> None:
        """Count an update; its loss in nats is the sum over its target tokens."""
        self.loss, self.tokens_since_log = self.loss + loss, self.tokens_since_log + tokens
        self.target_tokens, self.norm, self.skipped_in_a_row = self.target_tokens + tokens, norm, 0


class Save(NamedTuple):
    """What is saved: tensors by name, and plain facts."""

    tensors: dict[str, Tensor]
    facts: dict[str, Any]


class Saves:
    """The saves of one run folder.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "state"
        self.number = 0  # of the newest

    def files(self) -> list[Path]:
        """All there are, the newest first."""
        return sorted(self.folder.glob("save-*.safetensors"), reverse=True)

    def write(self, save: Save) -> None:
        """Add one, and forget all but the last two."""
        save_tensors(self.path(self.number + 1), save.tensors, {"format": FORMAT, **save.facts})
        self.number += 1
        for path in self.files():
            if path not in (self.path(self.number), self.path(self.number - 1)):
                path.unlink()

    def read(self, warn: Callable[[str], None]) -> Save | None:
        """The newest that is whole, with a warning of those that are not; None if there is none.

        Raises:
            UserError: there are some, and none is whole, or a newer version wrote them.
        """
        files = self.files()
        for path in files:
            try:
                tensors, facts = read_tensors(path)
            except UserError as error:
                warn(f"{error}; going back to the save before it")
                continue
            self.number = int(re.sub(r"\D", "", path.stem))
            return Save(tensors, upgrade(facts, path))
        if files:
            raise UserError(
                f"no save in {self.folder} is whole: begin again with fresh=true (the old run is "
                "moved aside)"
            )
        return None

    def path(self, number: int) -> Path:
        """Where a save lies."""
        return self.folder / f"save-{number:08d}.safetensors"


def tensors_of(model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    """Weights, and what the optimizer remembers of each, by name."""
    found: dict[str, Tensor] = {f"weights.{name}": p for name, p in model.named_parameters()}
    for index, memory in optimizer.state_dict()["state"].items():
        found |= {f"optimizer.{index}.{name}": tensor for name, tensor in memory.items()}
    return found


def set_tensors(model: nn.Module, optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `tensors_of` took.

    Raises:
        UserError: they are of another model.
    """
    weights: dict[str, Tensor] = {}
    memory: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "weights":
            weights[rest] = tensor
        else:
            index, _, key = rest.partition(".")
            memory.setdefault(int(index), {})[key] = tensor.clone()  # off the file's own pages
    set_weights(model, weights, Path("the save"))
    settings = optimizer.state_dict()["param_groups"]  # as configured now
    optimizer.load_state_dict({"state": memory, "param_groups": settings})
