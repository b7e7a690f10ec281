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
from typing import Annotated, Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from seq2seq.config import THREADS, Natural, Positive, Within, check, coerce
from seq2seq.errors import UserError
from seq2seq.runs.weights import read_tensors, save_tensors, set_weights

Record = TypeVar("Record")  # a dataclass


NAME = re.compile(r"save-[0-9]{8,15}\.safetensors", re.ASCII)
FACTS = {"progress", "falls", "sampler", "scaler", "checkpoints", "logs"}
FORMAT = 2  # of the facts of a save; saves of seq2seq 0.1.0 have format 1 and no number
RENAMED = {  # fields of `Progress` since format 1
    "heard": "tokens_since_log",
    "in_a_row": "skipped_in_a_row",
    "told": "seconds_at_log",
}


def upgrade(facts: dict[str, Any], path: Path) -> dict[str, Any]:
    """The facts of a save as this version names them, whatever version wrote it.

    When a fact, or a field of `Progress` or `Validation`, is renamed, raise FORMAT and rename it
    here in the facts of lower formats.

    Raises:
        UserError: a newer version wrote it, or they are no facts of a save.
    """
    number = facts.get("format", 1)
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise UserError(f"{path} has format {number!r}, which no version of seq2seq writes")
    if number > FORMAT:
        raise UserError(
            f"{path} has format {number}, this seq2seq reads up to {FORMAT}: go on with the newer "
            "version that trained it, choose another name=, or begin again with fresh=true (the "
            "old run is moved aside)"
        )
    if lacking := FACTS - facts.keys():
        raise UserError(f"{path} is no save of a training: it lacks {', '.join(sorted(lacking))}")
    found = dict(facts)
    progress = facts["progress"]
    if number == 1 and isinstance(progress, dict):
        found["progress"] = {RENAMED.get(key, key): value for key, value in progress.items()}
    try:
        found["sampler"] = check(SamplerFacts, facts["sampler"], "sampler")
        found["checkpoints"] = check(CheckpointFacts, facts["checkpoints"], "checkpoints")
        for key, kind in KINDS.items():
            if key in facts:
                found[key] = coerce(facts[key], kind, key)
        logs = found["logs"].items()
        found["logs"] = {name: coerce(length, Natural, f"logs.{name}") for name, length in logs}
    except UserError as error:
        raise UserError(f"{path} cannot be gone on from: {error}") from error
    return found | {"format": FORMAT}


@dataclass
class SamplerFacts:
    """Where the stream of batches stands; `batches` is younger than version 0.1.0."""

    seed: Natural
    epoch: Natural
    position: Natural
    batches: Positive | None = None


@dataclass
class CheckpointFacts:
    """What is known of the checkpoints, each as `Validation` has it."""

    kept: list[dict[str, Any]]
    best: dict[str, Any] | None
    in_vain: Natural


# Of the other facts that have a type of their own; `threads` is younger than version 0.1.0
KINDS: dict[str, Any] = {
    "falls": Natural,
    "threads": Annotated[int, Within(1, THREADS)],
    "logs": dict[str, Any],
    "scaler": dict[str, Any] | None,
}


def read_fields(kind: type[Record], facts: Any, what: str) -> Record:
    """A dataclass from the facts of a save.

    Raises:
        UserError: a field is missing, unknown or of another type; the sentence names it.
    """
    known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    given = facts.keys() if isinstance(facts, dict) else set()
    if wrong := sorted(known ^ given):
        raise UserError(
            f"the saved state has {what} with other fields than this version of seq2seq knows "
            f"({', '.join(wrong)}): go on with the version that trained it, choose another name=, "
            "or begin again with fresh=true (the old run is moved aside)"
        )
    fields = check(kind, facts, what)
    if negative := [key for key, value in fields.items() if value is not None and value < 0]:
        key = negative[0]
        raise UserError(f"the saved state has {what} with {key}={fields[key]}, which is below 0")
    return kind(**fields)


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
        found = [
            path for path in self.folder.glob("save-*.safetensors") if NAME.fullmatch(path.name)
        ]
        return sorted(found, reverse=True)

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
            if kind != "optimizer" or not re.fullmatch("[0-9]{1,9}", index):
                raise UserError(f"the save is of another optimizer: it has {name!r}")
            memory.setdefault(int(index), {})[key] = tensor.clone()  # off the file's own pages
    set_weights(model, weights, Path("the save"))
    refuse_other_memory(optimizer, memory)
    settings = optimizer.state_dict()["param_groups"]  # as configured now
    optimizer.load_state_dict({"state": memory, "param_groups": settings})


def refuse_other_memory(optimizer: Optimizer, memory: Mapping[int, Mapping[str, Tensor]]) -> None:
    """Refuse what another optimizer remembered, or this one of other parameters.

    Raises:
        UserError: a name or shape is another than an update of this optimizer leaves.
    """
    probe = nn.Parameter(torch.zeros(2, 3))
    probe.grad = torch.zeros(2, 3)
    kind: Any = type(getattr(optimizer, "optimizer", optimizer))  # Fabric wraps its own
    one = kind([probe])
    one.step()
    shapes = {
        name: None if value.shape == probe.shape else list(value.shape)
        for name, value in one.state[probe].items()
    }  # None is the parameter's own
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    if memory and sorted(memory) != list(range(len(parameters))):
        raise UserError("the save is of another optimizer: it remembers other parameters")
    for index, found in memory.items():
        own = list(parameters[index].shape)
        expected = {name: own if shape is None else shape for name, shape in shapes.items()}
        if {name: list(tensor.shape) for name, tensor in found.items()} != expected or any(
            not tensor.is_floating_point() for tensor in found.values()
        ):
            raise UserError("the save is of another optimizer: it remembers other values")
