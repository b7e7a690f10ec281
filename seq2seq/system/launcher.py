"""Which program starts the processes of a training: this one, torchrun, or srun of SLURM.

Without torchrun and srun, the first process starts the others (`start_others`) by its own command.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from seq2seq.errors import UserError


@dataclass(frozen=True)
class Launcher:
    """A program that has started all processes of a training, and this process among them.

    Attributes:
        name: torchrun or srun.
        rank: number of this process, from 0.
        processes: number of processes on all machines.
        per_machine: number of processes on each machine.
    """

    name: Literal["torchrun", "srun"]
    rank: int
    processes: int
    per_machine: int

    @property
    def machines(self) -> int:
        """Number of machines."""
        return self.processes // self.per_machine


def find(environment: Mapping[str, str] | None = None) -> Launcher | None:
    """Find the program that has started this process together with others; None if none has.

    In a job of SLURM without srun there is only one process, whatever was reserved.

    Raises:
        UserError: a variable of the environment is not a number, or the machines have different
            numbers of processes.
    """
    given = os.environ if environment is None else environment
    if "TORCHELASTIC_RUN_ID" in given:
        processes, per_machine = number(given, "WORLD_SIZE"), number(given, "LOCAL_WORLD_SIZE")
        found = Launcher("torchrun", number(given, "RANK"), processes, per_machine)
    elif "SLURM_STEP_NUM_TASKS" in given and "SLURM_PROCID" in given:
        processes, machines = number(given, "SLURM_STEP_NUM_TASKS"), 1
        for name in ("SLURM_STEP_NUM_NODES", "SLURM_NNODES"):
            if name in given:
                machines = number(given, name)
                break
        per_machine = 0 if machines < 1 or processes % machines else processes // machines
        found = Launcher("srun", number(given, "SLURM_PROCID"), processes, per_machine)
    else:
        return None
    if found.processes < 1 or found.per_machine < 1 or found.processes % found.per_machine:
        raise UserError(
            f"{found.name} has started {found.processes} processes with different numbers on the "
            "machines: start the same number on each (--nproc_per_node, --ntasks-per-node)"
        )
    return found if found.processes > 1 else None


def number(given: Mapping[str, str], name: str) -> int:
    """The value of a variable of the environment.

    Raises:
        UserError: it is not set, or not a number.
    """
    value = given.get(name, "")
    if not (value.isascii() and value.isdecimal() and len(value) <= 9):
        raise UserError(f"the environment variable {name} is {value!r} instead of a number")
    return int(value)


def processes_per_machine(
    devices: int, launcher: Launcher | None, key: str = "trainer.devices"
) -> int:
    """The number of processes on this machine: the given one, or as many as were started.

    Args:
        devices: the given number; 1, the default, stands for any number.
        launcher: the program that has started the processes, if any.
        key: the name of the setting, for the error message.

    Raises:
        UserError: another number was started.
    """
    if launcher is None:
        return devices
    if devices not in (1, launcher.per_machine):
        raise UserError(
            f"{launcher.name} has started {launcher.per_machine} processes on this machine, and "
            f"{key} asks for {devices}: remove {key}"
        )
    return launcher.per_machine


def refuse_launcher(what: str) -> None:
    """Check that torchrun or srun has not started several copies of a command.

    Raises:
        UserError: it has.
    """
    if launcher := find():
        raise UserError(
            f"{launcher.name} has started {launcher.processes} processes, which share one "
            f"training, but not {what}"
        )


def describe_unused_tasks() -> str | None:
    """A sentence if SLURM has reserved several tasks, of which this process is the only one."""
    tasks = os.environ.get("SLURM_NTASKS", "")
    if "SLURM_STEP_NUM_TASKS" in os.environ or not tasks.isdecimal() or int(tasks) < 2:
        return None
    return f"SLURM has reserved {tasks} tasks, and this is one process: srun starts {tasks}"


def start_others(count: int, **variables: str) -> list[subprocess.Popen[bytes]]:
    """Start the processes with rank 1 to `count` - 1 on this machine, by the command of this one.

    Args:
        count: number of processes, including this one.
        **variables: environment variables for the other processes.
    """
    from seq2seq.system.lightning import find_free_network_port

    os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
    os.environ.setdefault("MASTER_PORT", str(find_free_network_port()))
    os.environ["NODE_RANK"] = os.environ["LOCAL_RANK"] = "0"  # so that Fabric starts no processes
    environment = {**os.environ, **variables}
    return [
        subprocess.Popen(
            own_command(),
            env=environment | {"LOCAL_RANK": str(rank)},
            stdin=subprocess.DEVNULL,
        )
        for rank in range(1, count)
    ]


def own_command() -> list[str]:
    """The command that has started this process."""
    main = sys.modules["__main__"]
    if (spec := getattr(main, "__spec__", None)) is not None:
        return [sys.executable, "-m", spec.name, *sys.argv[1:]]
    return [sys.executable, str(Path(sys.argv[0]).absolute()), *sys.argv[1:]]
