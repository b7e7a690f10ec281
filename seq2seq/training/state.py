"""Saved training state, from which a run resumes exactly.

    runs/NAME/state/save-00000042.safetensors

A save contains its format number, the weights, the optimizer state, and JSON metadata: the position
of the sampler, the running sums for the next log line, the size of the logs. The two newest saves
are kept. Random states are not saved: saves are written between updates, and the random numbers of
an update depend only on seed and step (`seq2seq.system.devices.seed_generators`).
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
FORMAT = 2  # format number of `facts`; seq2seq 0.1.0 wrote format 1 without the number
RENAMED = {  # fields of `Progress` in format 1
    "heard": "tokens_since_log",
    "told": "seconds_at_log",
    "in_a_row": "skipped_in_a_row",
}


def upgrade(facts: dict[str, Any], path: Path) -> dict[str, Any]:
    """Convert the metadata of a save, written by this or an older version, to this FORMAT.

    When you rename a key, or a field of `Progress` or `Validation`, increment FORMAT and rename it
    here in the metadata of lower formats.

    Raises:
        UserError: a newer version wrote the save, or keys are missing.
    """
    number = facts.get("format", 1)
    if not isinstance(number, int) or number < 1:
        raise UserError(f"{path} has the invalid format {number!r}")
    if number > FORMAT:
        raise UserError(
            f"{path} has format {number}, this version of seq2seq reads up to {FORMAT}: resume "
            "with the newer version that trained it, choose another name=, or start over with "
            "fresh=true (moves the existing run aside)"
        )
    if missing := FACTS - facts.keys():
        raise UserError(f"{path} is not a saved state: missing {', '.join(sorted(missing))}")
    return from_format_1(facts) if number == 1 else facts


def from_format_1(facts: dict[str, Any]) -> dict[str, Any]:
    """Rename the metadata of a save of version 0.1.0."""
    progress, checkpoints = facts["progress"], facts["checkpoints"]
    if not (isinstance(progress, dict) and isinstance(checkpoints, dict)):
        return facts  # `read_fields` reports the error
    progress, checkpoints = dict(progress), dict(checkpoints)
    for old, new in RENAMED.items():
        if old in progress:
            progress[new] = progress.pop(old)
    if "in_vain" in checkpoints:
        checkpoints["since_best"] = checkpoints.pop("in_vain")
    return facts | {"format": FORMAT, "progress": progress, "checkpoints": checkpoints}


def read_fields(kind: type[Record], facts: Any, what: str) -> Record:
    """Build a dataclass from the metadata of a save; `what` names it in the error message.

    Raises:
        UserError: a field is missing or unknown; the message names it.
    """
    known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    stored = facts.keys() if isinstance(facts, dict) else set()
    if wrong := sorted(known ^ stored):
        raise UserError(
            f"the saved state has {what} with missing or unknown fields ({', '.join(wrong)}): "
            "resume with the version of seq2seq that trained it, choose another name=, or start "
            "over with fresh=true (moves the existing run aside)"
        )
    return kind(**facts)


@dataclass
class Progress:
    """Counters of a training; all start at zero."""

    step: int = 0  # updates, including skipped ones
    spent: float = 0.0  # share of the budget, 0 to 1
    target_tokens: int = 0
    loss: float = 0.0  # sum in nats since the last log line
    tokens_since_log: int = 0  # target tokens since the last log line
    norm: float | None = None  # last gradient norm
    skipped: int = 0  # skipped updates
    skipped_in_a_row: int = 0  # consecutive skipped updates up to now
    validated: int = 0  # step of the last validation
    seconds: float = 0.0  # training time with validation
    validating: float = 0.0  # time spent in validation, in seconds
    seconds_at_log: float = 0.0  # training time without validation at the last log line
    joules: float | None = 0.0  # energy used; None if unknown
    peak_memory: int = 0  # bytes

    def count_update(self, loss: float, tokens: int, norm: float) -> None:
        """Count an update, whose loss is the sum over its target tokens, in nats."""
        self.loss, self.tokens_since_log = self.loss + loss, self.tokens_since_log + tokens
        self.target_tokens, self.norm, self.skipped_in_a_row = self.target_tokens + tokens, norm, 0


class Save(NamedTuple):
    """A save: tensors by name, and JSON metadata (`facts`)."""

    tensors: dict[str, Tensor]
    facts: dict[str, Any]


class Saves:
    """The saves of one run folder.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "state"
        self.number = 0  # number of the newest save

    def files(self) -> list[Path]:
        """All save files, newest first."""
        return sorted(self.folder.glob("save-*.safetensors"), reverse=True)

    def write(self, save: Save) -> None:
        """Write a save and delete all but the last two."""
        save_tensors(self.path(self.number + 1), save.tensors, {"format": FORMAT, **save.facts})
        self.number += 1
        for path in self.files():
            if path not in (self.path(self.number), self.path(self.number - 1)):
                path.unlink()

    def read(self, warn: Callable[[str], None]) -> Save | None:
        """Read the newest intact save, with a warning for damaged ones; None if there is no save.

        Raises:
            UserError: all saves are damaged, or a newer version wrote them.
        """
        files = self.files()
        for path in files:
            try:
                tensors, facts = read_tensors(path)
            except UserError as error:
                warn(f"{error}; trying the previous save")
                continue
            self.number = int(re.sub(r"\D", "", path.stem))
            return Save(tensors, upgrade(facts, path))
        if files:
            raise UserError(
                f"all saves in {self.folder} are damaged: start over with fresh=true (moves the "
                "existing run aside)"
            )
        return None

    def path(self, number: int) -> Path:
        """The path of a save."""
        return self.folder / f"save-{number:08d}.safetensors"


def tensors_of(model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    """The weights and the optimizer state of each, by name."""
    tensors: dict[str, Tensor] = {f"weights.{name}": p for name, p in model.named_parameters()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in state.items()}
    return tensors


def set_tensors(model: nn.Module, optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Restore the tensors that `tensors_of` returned.

    Raises:
        UserError: they belong to another model.
    """
    weights: dict[str, Tensor] = {}
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "weights":
            weights[rest] = tensor
        else:
            index, _, key = rest.partition(".")
            state.setdefault(int(index), {})[key] = tensor.clone()  # not memory-mapped
    set_weights(model, weights, Path("the save"))
    param_groups = optimizer.state_dict()["param_groups"]  # from the current configuration
    optimizer.load_state_dict({"state": state, "param_groups": param_groups})
