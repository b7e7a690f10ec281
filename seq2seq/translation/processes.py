"""Several processes that translate one text together (`seq2seq evaluate --devices`)."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch

from seq2seq.errors import UserError
from seq2seq.settings.config import TrainerConfig
from seq2seq.system import devices, isolation, threads
from seq2seq.system import launcher as launching
from seq2seq.system.processes import Processes
from seq2seq.system.share import ALONE, Share


class TranslationProcesses:
    """The processes that divide the batches of a translation, seen from one of them.

    Args:
        count: number of processes on this machine; torchrun and srun have started them already.
        device: auto, cpu, cuda or mps; several processes use the first GPUs, one each.

    Attributes:
        device: the device of this process.
        share: its share of the work, once it has started.

    Raises:
        UserError: the device is not available, or there are fewer GPUs than processes.
    """

    def __init__(self, count: int, device: str) -> None:
        self.launcher = launching.find()
        self.count = launching.processes_per_machine(count, self.launcher, "--devices")
        self.processes = Processes(self.count, self.launcher)
        self.device, self.share = device, ALONE
        if self.processes.count == 1:
            return
        if ":" in device:
            raise UserError(
                f"--device {device} is one GPU, and --devices {self.count} uses the first "
                f"{self.count}: remove one of the two"
            )
        kind: Any = devices.pick_device(device).type
        if kind != "cpu" and self.count > (most := torch.get_device_module(kind).device_count()):
            raise UserError(f"--devices {self.count}, but this machine has {most} GPUs")
        settings = TrainerConfig(
            kind, self.count, "32-true", threads=None, compile=False, tf32=False, cuda_graphs=None
        )
        self.fabric = devices.fabric(settings, launcher=self.launcher)
        self.device = str(self.fabric.device)

    @contextmanager
    def ended_together(self) -> Iterator[None]:
        """End all processes when one of them fails inside the context.

        Raises:
            UserError: another process failed; the message is the one of that process.
        """
        with ExitStack() as after:
            if self.processes.count > 1:
                after.enter_context(isolation.restored(compiled=False))
            after.enter_context(self.processes.ended_together())
            yield

    def start(self) -> None:
        """Start or join the other processes."""
        if self.processes.count == 1:
            return
        count = threads.most(self.count)  # before launching, which sets OMP_NUM_THREADS
        self.processes.start(self.fabric)
        torch.set_num_threads(count)
        gather = partial(devices.gather, self.fabric)
        self.share = Share(self.fabric.global_rank, self.processes.count, gather)

    @property
    def leads(self) -> bool:
        """Whether this process has rank 0, which reads, scores and writes."""
        return self.share.rank == 0

    def begin(self) -> None:
        """In rank 0: let the others begin with the next text."""
        self.processes.ready()

    def wait(self) -> bool:
        """In rank > 0: wait for the next text; False if there is none."""
        return self.processes.wait_until_ready()
