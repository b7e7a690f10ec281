"""The machine: devices and processes (Lightning Fabric), seeds, versions."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from seq2seq.config import TrainerConfig
from seq2seq.errors import UserError

# Only training waits for Lightning, whose import takes longer than translating a line.
if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from lightning_fabric.loggers.logger import Logger

DEVICES = re.compile("cpu|mps|cuda(:[0-9]{1,4})?")  # names of one device


# Precisions that a device does not have, and what to take; Lightning would change the first in
# silence.
UNKNOWN_TO = {("cpu", "16-mixed"): "bf16-mixed", ("mps", "64-true"): "32-true"}


def first_process() -> bool:
    """Whether this process is the first of a run, as its launcher says; true where none has."""
    from lightning_fabric.utilities.rank_zero import rank_zero_only

    return getattr(rank_zero_only, "rank", 0) == 0


def fabric(settings: TrainerConfig, *, tensorboard: Path | None = None) -> "Fabric":
    """The handle to the devices and processes of a run; `launch` it to start them.

    Args:
        settings: which devices, how many, and how they compute.
        tensorboard: a run folder for events of TensorBoard, if they are wanted.

    Raises:
        UserError: the machine does not have what the settings ask for.
    """
    from lightning_fabric import Fabric

    accelerator: str = settings.accelerator
    if accelerator == "auto":
        accelerator = pick_device().type  # Lightning's own choice may be another than Translator's
    elif accelerator == "gpu":
        accelerator = "mps" if torch.backends.mps.is_available() else "cuda"
    if instead := UNKNOWN_TO.get((accelerator, settings.precision)):
        raise UserError(
            f"trainer.precision={settings.precision} is not for trainer.accelerator={accelerator}: "
            f"take {instead}"
        )
    try:
        return Fabric(
            accelerator=accelerator,
            devices=settings.devices,
            precision=settings.precision,
            loggers=None if tensorboard is None else [event_logger(tensorboard)],
        )
    except (RuntimeError, ValueError, TypeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise UserError(
            f"trainer.accelerator={settings.accelerator} trainer.devices={settings.devices} "
            f"trainer.precision={settings.precision} is not to be had here: {reason}"
        ) from error


def set_determinism(wanted: bool) -> None:
    """Have torch choose the operations that give the same bits every time, or the fastest.

    An operation that has none of the first kind, as some on a GPU, is used all the same, and torch
    warns of it by name.
    """
    if wanted:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # before CUDA is first used
    torch.use_deterministic_algorithms(wanted, warn_only=True)
    torch.backends.cudnn.benchmark = False
    # It would cost, and decide nothing: no code here reads what it has not written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def seed_generators(seed: int, *place: int) -> None:
    """Begin the stream of chance that belongs to a seed and a place in training.

    With a stream for each update there is no generator whose state would have to be saved.
    """
    torch.manual_seed(int(np.random.default_rng([seed, *place]).integers(2**63)))


def gradient_scaler(fabric: "Fabric") -> Any:
    """What keeps small gradients from vanishing in 16-mixed precision; None in any other."""
    return getattr(fabric.strategy.precision, "scaler", None)


def largest(fabric: "Fabric", number: int) -> int:
    """The largest of all processes' numbers."""
    if fabric.world_size == 1:
        return number
    found: Any = fabric.all_reduce(torch.tensor(number, device=fabric.device), reduce_op="max")
    return int(found)


def broadcast(fabric: "Fabric", value: Any) -> Any:
    """The first process's word, so that all do the same."""
    return fabric.broadcast(value) if fabric.world_size > 1 else value


def sum_over_processes(fabric: "Fabric", value: Any) -> Any:
    """The sum over all processes, of a whole number or of a tensor."""
    if fabric.world_size == 1:
        return value
    found: Any = fabric.all_reduce(torch.as_tensor(value), reduce_op="sum")
    return int(found) if isinstance(value, int) else found


def event_logger(folder: Path) -> "Logger":
    """A writer of TensorBoard's events (an extra)."""
    from lightning_fabric.loggers.tensorboard import TensorBoardLogger

    try:
        return TensorBoardLogger(root_dir=folder, name="tensorboard", version="")
    except ModuleNotFoundError as error:
        raise UserError(
            "train.tensorboard=true needs TensorBoard: pip install 'seq2seq-toolkit[tensorboard]'"
        ) from error


def pick_device(name: str = "auto") -> torch.device:
    """The device that a name means, for training and translating alike.

    auto is cuda where there is a GPU, else cpu. Apple's mps has to be named: not every operation
    has been tried on it.

    Raises:
        UserError: it is no name of a device, or this machine does not have it.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if not DEVICES.fullmatch(name):
        raise UserError(f"there is no device {name!r} here: choose auto, cpu, cuda, cuda:1 or mps")
    kind, _, number = name.partition(":")
    seen = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.mps.is_available()}
    if not seen[kind]:
        raise UserError(f"there is no device {name!r} here: torch sees no {kind.upper()} device")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise UserError(
            f"there is no device {name!r} here: the GPUs are cuda:0 to "
            f"cuda:{torch.cuda.device_count() - 1}"
        )
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # a driver that fails, a GPU that is full
        reason = str(error).splitlines()[0]
        raise UserError(f"the device {name!r} cannot be used: {reason}") from error
    return device
