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
from typing import Annotated, Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from seq2seq.errors import UserError
from seq2seq.runs.weights import read_tensors, save_tensors, set_weights
from seq2seq.settings.config import THREADS
from seq2seq.settings.ranges import Natural, Positive, Within
from seq2seq.settings.schema import check, coerce

Record = TypeVar("Record")  # a dataclass


NAME = re.compile(r"save-[0-9]{8,15}\.safetensors", re.ASCII)
FACTS = {"progress", "falls", "sampler", "scaler", "checkpoints", "logs"}
FORMAT = 2  # format number of `facts`; seq2seq 0.1.0 wrote format 1 without the number
RENAMED = {  # keys of `progress` and `checkpoints` in format 1
    "heard": "tokens_since_log",
    "in_a_row": "skipped_in_a_row",
    "told": "seconds_at_log",
    "in_vain": "since_best",
}


def upgrade(facts: dict[str, Any], path: Path) -> dict[str, Any]:
    """Convert the metadata of a save, written by this or an older version, to this FORMAT.

    When you rename a key, or a field of `Progress` or `Validation`, increment FORMAT and rename it
    here in the metadata of lower formats.

    Raises:
        UserError: a newer version wrote the save, or keys are missing.
    """
    number = facts.get("format", 1)
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise UserError(f"{path} has the invalid format {number!r}")
    if number > FORMAT:
        raise UserError(
            f"{path} has format {number}, this version of seq2seq reads up to {FORMAT}: resume "
            "with the newer version that trained it, choose another name=, or start over with "
            "fresh=true (moves the existing run aside)"
        )
    if missing := FACTS - facts.keys():
        raise UserError(f"{path} is not a saved state: missing {', '.join(sorted(missing))}")
    facts = from_format_1(facts) if number == 1 else dict(facts)
    try:
        facts["sampler"] = check(SamplerFacts, facts["sampler"], "sampler")
        facts["checkpoints"] = check(CheckpointFacts, facts["checkpoints"], "checkpoints")
        if "guided" in facts:
            facts["guided"] = check(GuidedFacts, facts["guided"], "guided")
        for key, kind in KINDS.items():
            if key in facts:
                facts[key] = coerce(facts[key], kind, key)
        logs = facts["logs"].items()
        facts["logs"] = {name: coerce(length, Natural, f"logs.{name}") for name, length in logs}
    except UserError as error:
        raise UserError(f"{path} cannot be resumed from: {error}") from error
    return facts | {"format": FORMAT}


def from_format_1(facts: dict[str, Any]) -> dict[str, Any]:
    """Rename the metadata of a save of version 0.1.0."""
    renamed = dict(facts)
    for name in ("progress", "checkpoints"):
        if isinstance(facts[name], dict):
            renamed[name] = {RENAMED.get(key, key): value for key, value in facts[name].items()}
    return renamed


@dataclass
class SamplerFacts:
    """The position of the sampler; version 0.1.0 did not store `batches`.

    Only a mixture has `seen`, the number of pairs of each part so far, and only a streamed text
    `streams`, the position of each process.
    """

    seed: Natural
    epoch: Natural
    position: Natural
    batches: Positive | None = None
    seen: list[Natural] | None = None
    streams: list[dict[str, Any]] | None = None


@dataclass
class CheckpointFacts:
    """The checkpoints that were kept, each as a `Validation`."""

    kept: list[dict[str, Any]]
    best: dict[str, Any] | None
    since_best: Natural


@dataclass
class GuidedFacts:
    """The sums of guided attention since the last log line; absent without it."""

    loss: float
    rows: Natural


# Types of the other metadata; version 0.1.0 did not always store `threads`, nor `processes`.
KINDS: dict[str, Any] = {
    "falls": Natural,
    "processes": Positive,
    "threads": Annotated[int, Within(1, THREADS)],
    "logs": dict[str, Any],
    "scaler": dict[str, Any] | None,
}


def read_fields(kind: type[Record], facts: Any, what: str) -> Record:
    """Build a dataclass from the metadata of a save; `what` names it in the error message.

    Raises:
        UserError: a field is missing, unknown or has the wrong type; the message names it.
    """
    known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    stored = facts.keys() if isinstance(facts, dict) else set()
    if wrong := sorted(known ^ stored):
        raise UserError(
            f"the saved state has {what} with missing or unknown fields ({', '.join(wrong)}): "
            "resume with the version of seq2seq that trained it, choose another name=, or start "
            "over with fresh=true (moves the existing run aside)"
        )
    fields = check(kind, facts, what)
    if negative := [key for key, value in fields.items() if value is not None and value < 0]:
        key = negative[0]
        raise UserError(f"the saved state has {what} with {key}={fields[key]}, which is below 0")
    return kind(**fields)


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
        found = [
            path for path in self.folder.glob("save-*.safetensors") if NAME.fullmatch(path.name)
        ]
        return sorted(found, reverse=True)

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
            if kind != "optimizer" or not re.fullmatch("[0-9]{1,9}", index):
                raise UserError(f"the save is of another optimizer: it has {name!r}")
            state.setdefault(int(index), {})[key] = tensor.clone()  # not memory-mapped
    set_weights(model, weights, Path("the save"))
    refuse_other_memory(optimizer, state)
    param_groups = optimizer.state_dict()["param_groups"]  # from the current configuration
    optimizer.load_state_dict({"state": state, "param_groups": param_groups})


def refuse_other_memory(optimizer: Optimizer, memory: Mapping[int, Mapping[str, Tensor]]) -> None:
    """Check stored optimizer state against what one update of this optimizer stores.

    Raises:
        UserError: a name or shape differs.
    """
    probe = nn.Parameter(torch.zeros(2, 3))
    probe.grad = torch.zeros(2, 3)
    kind: Any = type(getattr(optimizer, "optimizer", optimizer))  # Fabric wraps it
    one = kind([probe])
    one.step()
    shapes = {
        name: None if value.shape == probe.shape else list(value.shape)
        for name, value in one.state[probe].items()
    }  # None: the shape of the parameter
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    if memory and sorted(memory) != list(range(len(parameters))):
        raise UserError("the save is of another optimizer: its parameters differ")
    for index, found in memory.items():
        own = list(parameters[index].shape)
        expected = {name: own if shape is None else shape for name, shape in shapes.items()}
        if {name: list(tensor.shape) for name, tensor in found.items()} != expected or any(
            not tensor.is_floating_point() for tensor in found.values()
        ):
            raise UserError("the save is of another optimizer: its state differs")
