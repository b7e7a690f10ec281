"""Energy that the machine says it has used: processors by RAPL, NVIDIA's GPUs by NVML.

The counters are of whole packages and whole GPUs, other processes on them included. Linux shows
those of processors to root alone, unless told otherwise; where there is none to read, nothing is
known, and nothing is guessed.
"""

import ctypes
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch

RAPL = Path("/sys/class/powercap")


class Counter(NamedTuple):
    """A counter that only grows, until it begins again at its range.

    Attributes:
        joules: what it shows now; OSError where it cannot be read.
        range: in joules; None if it never begins again.
    """

    joules: Callable[[], float]
    range: float | None


class Meter:
    """Energy used since a beginning; to be read now and then, before a counter comes round.

    Args:
        counters: all that are to be summed; without any nothing is known.
        before: joules used by an earlier process on the same task; None if unknown.
    """

    def __init__(self, counters: Sequence[Counter], before: float | None = 0.0) -> None:
        self.counters, self.used = counters, before if counters else None
        self.last = [counter.joules() for counter in counters]

    def read(self) -> float | None:
        """Joules used so far; None where they are not known."""
        if self.used is None:
            return None
        try:
            now = [counter.joules() for counter in self.counters]
        except OSError:  # a counter has gone, and with it what it counted
            self.used = None
            return None
        for counter, before, after in zip(self.counters, self.last, now, strict=True):
            self.used += after - before + (0 if after >= before else counter.range or 0)
        self.last = now
        return self.used


def counters(device: torch.device, devices: int = 1) -> list[Counter]:
    """What can be read here.

    Args:
        device: that computes; its own counter is added where it is a GPU.
        devices: how many of its kind compute.
    """
    found = rapl()
    if device.type == "cuda":
        gpus = nvml(devices)
        return found + gpus if gpus else []  # without the GPU's the sum would mislead
    return found


def rapl() -> list[Counter]:
    """A counter for each package of processors; none where one of them is not readable."""
    found = []
    for zone in sorted(RAPL.glob("intel-rapl:*")):  # AMD's go by this name too
        try:
            part = zone.name.count(":") > 1 or (zone / "name").read_text().startswith("psys")
            if not part:
                most = int((zone / "max_energy_range_uj").read_text()) / 1e6
                counter = Counter(partial(microjoules, zone / "energy_uj"), most)
                counter.joules()
                found.append(counter)
        except (OSError, ValueError):
            return []
    return found


def microjoules(file: Path) -> float:
    """A file's number of microjoules, in joules."""
    return int(file.read_text()) / 1e6


def nvml(devices: int) -> list[Counter]:
    """A counter for each of the first GPUs that torch sees; none where one has none."""
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL("libnvidia-ml.so.1")
        checked(library.nvmlInit_v2())
        found = []
        for number in range(devices):
            handle = ctypes.c_void_p()
            uuid = f"GPU-{torch.cuda.get_device_properties(number).uuid}".encode()
            checked(library.nvmlDeviceGetHandleByUUID(uuid, ctypes.byref(handle)))
            counter = Counter(partial(millijoules, library, handle), None)
            counter.joules()
            found.append(counter)
        return found
    return []


def millijoules(library: ctypes.CDLL, handle: ctypes.c_void_p) -> float:
    """What a GPU has used since its driver was loaded, in joules."""
    used = ctypes.c_ulonglong()
    checked(library.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(used)))
    return used.value / 1e3


def checked(status: int) -> None:
    """Raise OSError unless NVML says that all is well."""
    if status:
        raise OSError(f"NVML answers {status}")
