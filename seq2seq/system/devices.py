"""Devices, processes (Lightning Fabric), determinism and random seeds."""

import os
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from seq2seq.errors import UserError
from seq2seq.settings.config import TrainerConfig
from seq2seq.system.launcher import Launcher

# Lightning is imported only for training, because its import takes longer than translating a line.
if TYPE_CHECKING:
    from seq2seq.system.lightning import ClusterEnvironment, Fabric, Logger

DEVICES = re.compile("cpu|mps|cuda(:[0-9]{1,4})?")  # valid names of a single device


# (accelerator, unsupported precision): precision to use instead. Lightning would replace the first
# without a message.
UNSUPPORTED = {("cpu", "16-mixed"): "bf16-mixed", ("mps", "64-true"): "32-true"}


def first_process() -> bool:
    """Whether this process has rank 0; True if no launcher has set a rank."""
    from seq2seq.system.lightning import rank_zero_only

    return getattr(rank_zero_only, "rank", 0) == 0


def fabric(
    settings: TrainerConfig,
    *,
    tensorboard: Path | None = None,
    launcher: Launcher | None = None,
) -> "Fabric":
    """Create the Fabric handle of a run; its `launch` joins the processes.

    Args:
        settings: accelerator, number of devices on this machine, and precision.
        tensorboard: the run folder to write TensorBoard events to; None writes none.
        launcher: the program that has started the processes, if any.

    Raises:
        UserError: the machine does not support the settings.
    """
    from seq2seq.system.lightning import Fabric

    accelerator: str = settings.accelerator
    if accelerator == "auto":
        accelerator = pick_device().type  # as in Translator; Lightning's choice may differ
    elif accelerator == "gpu":
        accelerator = "mps" if torch.backends.mps.is_available() else "cuda"
    if instead := UNSUPPORTED.get((accelerator, settings.precision)):
        raise UserError(
            f"trainer.precision={settings.precision} is not supported with "
            f"trainer.accelerator={accelerator}: use {instead}"
        )
    if settings.tf32 and accelerator != "cuda":
        raise UserError(
            f"trainer.tf32=true has no effect with trainer.accelerator={accelerator}: it is for "
            "NVIDIA GPUs; remove it"
        )
    if settings.cuda_graphs and accelerator != "cuda":
        raise UserError(
            f"trainer.cuda_graphs=true has no effect with trainer.accelerator={accelerator}: it is "
            "for NVIDIA GPUs; remove it"
        )
    set_tf32(settings.tf32)
    try:
        return Fabric(
            accelerator=accelerator,
            devices=settings.devices,
            precision=settings.precision,
            loggers=None if tensorboard is None else [event_logger(tensorboard)],
            num_nodes=launcher.machines if launcher else 1,
            plugins=[cluster_environment(launcher)],
        )
    except (RuntimeError, ValueError, TypeError, ImportError) as error:  # ImportError: torch_xla
        reason = str(error).strip().split("\n")[0]
        raise UserError(
            f"trainer.accelerator={settings.accelerator} trainer.devices={settings.devices} "
            f"trainer.precision={settings.precision} is not available on this machine: {reason}"
        ) from error


def cluster_environment(launcher: Launcher | None) -> "ClusterEnvironment":
    """Fabric's description of the processes that a launcher has started, or of our own."""
    from seq2seq.system.lightning import (
        LightningEnvironment,
        SLURMEnvironment,
        TorchElasticEnvironment,
    )

    if launcher is None:  # also in a job of SLURM, where Fabric would wait for other tasks
        return LightningEnvironment()
    if launcher.name == "torchrun":
        return TorchElasticEnvironment()
    # What Fabric reads may be that of the job instead of the step, or missing.
    os.environ["SLURM_NTASKS"] = str(launcher.processes)
    os.environ["SLURM_NTASKS_PER_NODE"] = str(launcher.per_machine)
    os.environ["SLURM_NNODES"] = str(launcher.machines)
    return SLURMEnvironment()


def set_determinism(deterministic: bool, *, compiled: bool) -> None:
    """Make torch use deterministic operations, or the fastest ones.

    An operation without a deterministic implementation, as some on a GPU, is still used; torch
    warns about it by name.

    Args:
        deterministic: whether the operations are deterministic.
        compiled: whether torch.compile is used, to which this applies as well.
    """
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # before CUDA is first used
    if compiled:
        torch.use_deterministic_algorithms(deterministic, warn_only=True)
    else:  # the same without the compiler, which the other function imports
        torch.set_deterministic_debug_mode("warn" if deterministic else "default")
    torch.backends.cudnn.benchmark = False
    # Filling costs time and is not needed: no code here reads uninitialized memory.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def set_tf32(allowed: bool) -> None:
    """Allow TensorFloat-32 in products of float32 matrices on an NVIDIA GPU, or not.

    torch allows it in cuDNN, which computes recurrent layers, and not in other products. Here one
    key decides for all, so that recurrent and other models are compared in the same precision.
    """
    if not torch.cuda.is_available():
        return
    with warnings.catch_warnings():  # some versions of torch announce other names of both
        warnings.simplefilter("ignore")
        torch.set_float32_matmul_precision("high" if allowed else "highest")
        torch.backends.cudnn.allow_tf32 = allowed


def synchronize(device: torch.device) -> None:
    """Wait until a GPU has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def seed_generators(seed: int, *place: int) -> None:
    """Seed torch's generators from a seed and a position in training, such as (step, rank).

    Seeding every update makes it unnecessary to save the state of the generators.
    """
    torch.manual_seed(int(np.random.default_rng([seed, *place]).integers(2**63)))


def gradient_scaler(fabric: "Fabric") -> Any:
    """The gradient scaler of 16-mixed precision; None for any other precision."""
    return getattr(fabric.strategy.precision, "scaler", None)


def largest(fabric: "Fabric", number: int) -> int:
    """The maximum of a number over all processes."""
    if fabric.world_size == 1:
        return number
    maximum: Any = fabric.all_reduce(torch.tensor(number, device=fabric.device), reduce_op="max")
    return int(maximum)


def broadcast(fabric: "Fabric", value: Any) -> Any:
    """The value of rank 0, in all processes."""
    return fabric.broadcast(value) if fabric.world_size > 1 else value


def gather(fabric: "Fabric", value: Any) -> list[Any]:
    """The values of all processes, by rank, in all processes; any object that can be pickled."""
    if fabric.world_size == 1:
        return [value]
    values: list[Any] = [None] * fabric.world_size
    torch.distributed.all_gather_object(values, value)
    return values


def broadcast_weights(fabric: "Fabric", model: torch.nn.Module) -> None:
    """Give the model of every process the weights of rank 0."""
    if fabric.world_size > 1:
        for parameter in model.parameters():
            torch.distributed.broadcast(parameter.data, 0)


def sum_over_processes(fabric: "Fabric", value: Any) -> Any:
    """The sum of an integer or a tensor over all processes."""
    if fabric.world_size == 1:
        return value
    total: Any = fabric.all_reduce(torch.as_tensor(value), reduce_op="sum")
    return int(total) if isinstance(value, int) else total


def event_logger(folder: Path) -> "Logger":
    """Create the TensorBoard logger.

    Raises:
        UserError: TensorBoard is not installed.
    """
    from seq2seq.system.lightning import TensorBoardLogger

    try:
        return TensorBoardLogger(root_dir=folder, name="tensorboard", version="")
    except ModuleNotFoundError as error:
        raise UserError(
            "train.tensorboard=true needs TensorBoard: pip install 'seq2seq-toolkit[tensorboard]'"
        ) from error


def pick_device(name: str = "auto") -> torch.device:
    """Return the device with a name, for training and translation.

    auto is cuda if there is a GPU, else cpu. Apple's mps is never chosen automatically, because not
    every operation has been tested on it.

    Raises:
        UserError: the name is not valid, or this machine does not have the device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if not DEVICES.fullmatch(name):
        raise UserError(f"there is no device {name!r} here: choose auto, cpu, cuda, cuda:1 or mps")
    kind, _, number = name.partition(":")
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.mps.is_available()}
    if not available[kind]:
        raise UserError(f"there is no device {name!r} here: torch finds no {kind.upper()} device")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise UserError(
            f"there is no device {name!r} here: the GPUs are cuda:0 to "
            f"cuda:{torch.cuda.device_count() - 1}"
        )
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # e.g. a failing driver or a full GPU
        reason = str(error).splitlines()[0]
        raise UserError(f"the device {name!r} cannot be used: {reason}") from error
    return device
