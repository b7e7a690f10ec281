"""The number of threads of a training on a CPU."""

from collections.abc import Callable

import torch

from seq2seq.settings.config import Config
from seq2seq.system import devices, threads
from seq2seq.system.lightning import Fabric
from seq2seq.training.state import Save


def choose_threads(
    fabric: Fabric, config: Config, save: Save | None, dry_run: Callable[[], None]
) -> str:
    """Set the number of threads, unless it is configured or the device is not a CPU.

    It is that of the save, if the number of processes has not changed; otherwise a fixed number if
    the training is deterministic, and the fastest one if not.

    Args:
        fabric: the Fabric handle of this process.
        config: the configuration of the run.
        save: the save that the training resumes from.
        dry_run: one update without side effects, to measure the time of.

    Returns:
        The number and its reason; an empty string if it is configured.
    """
    if config.trainer.threads is not None or fabric.device.type != "cpu":
        return ""
    now = fabric.world_size
    if save and "threads" in save.facts and save.facts.get("processes", now) == now:
        count = save.facts["threads"]
        reason = f"{count}, as when this run started"
    elif config.deterministic:
        count = torch.get_num_threads()
        reason = (
            f"{count} of {threads.processors()} processors, chosen without timing (trainer.threads "
            "sets another number, deterministic=false measures the fastest)"
        )
    else:
        # The same number of trials in all processes, which compute gradients together.
        timings = threads.probe(dry_run, devices.broadcast(fabric, torch.get_num_threads()))
        count = devices.broadcast(fabric, threads.fastest(timings))
        reason = threads.describe(timings)
    torch.set_num_threads(count)
    return reason
