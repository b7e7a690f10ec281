"""Energy counters of the machine: CPUs by RAPL, NVIDIA GPUs by NVML.

The counters measure whole CPU packages and whole GPUs, including other processes. On Linux, only
root can read the CPU counters by default. Without readable counters the energy is unknown; it is
never estimated.
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
    """A monotonic energy counter that may wrap around to zero.

    Attributes:
        joules: returns the current reading in joules; raises OSError if it cannot be read.
        range: the reading in joules at which the counter wraps around; None if it never does.
    """

    joules: Callable[[], float]
    range: float | None


class Meter:
    """Measures the energy used since it was created.

    Read it regularly, at least once per wrap-around of a counter.

    Args:
        counters: the counters to sum; if empty, the energy is unknown.
        before: joules used by earlier processes of the same run; None if unknown.
    """

    def __init__(self, counters: Sequence[Counter], before: float | None = 0.0) -> None:
        self.counters, self.used = counters, before if counters else None
        self.last = [counter.joules() for counter in counters]

    def read(self) -> float | None:
        """Joules used so far; None if unknown."""
        if self.used is None:
            return None
        try:
            now = [counter.joules() for counter in self.counters]
        except OSError:  # the energy since the last reading is lost
            self.used = None
            return None
        for counter, before, after in zip(self.counters, self.last, now, strict=True):
            self.used += after - before + (0 if after >= before else counter.range or 0)
        self.last = now
        return self.used


def counters(device: torch.device, devices: int = 1) -> list[Counter]:
    """Find the readable counters of this machine.

    Args:
        device: the device in use; GPU counters are added if it is a GPU.
        devices: number of devices in use.

    Returns:
        The counters; empty if the energy cannot be measured completely.
    """
    packages = rapl()
    if device.type == "cuda":
        gpus = nvml(devices)
        return packages + gpus if gpus else []  # a sum without the GPUs would be misleading
    return packages


def rapl() -> list[Counter]:
    """Return a counter for each CPU package; an empty list if one of them is not readable."""
    readable = []
    for zone in sorted(RAPL.glob("intel-rapl:*")):  # also the name for AMD
        try:
            part = zone.name.count(":") > 1 or (zone / "name").read_text().startswith("psys")
            if not part:
                limit = int((zone / "max_energy_range_uj").read_text()) / 1e6
                counter = Counter(partial(read_rapl, zone / "energy_uj"), limit)
                counter.joules()
                readable.append(counter)
        except (OSError, ValueError):
            return []
    return readable


def read_rapl(file: Path) -> float:
    """Read a RAPL counter file (microjoules) and return joules."""
    return int(file.read_text()) / 1e6


def nvml(devices: int) -> list[Counter]:
    """Return a counter for each of the first `devices` GPUs; an empty list if one has none."""
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL("libnvidia-ml.so.1")
        checked(library.nvmlInit_v2())
        readable = []
        for number in range(devices):
            handle = ctypes.c_void_p()
            uuid = f"GPU-{torch.cuda.get_device_properties(number).uuid}".encode()
            checked(library.nvmlDeviceGetHandleByUUID(uuid, ctypes.byref(handle)))
            counter = Counter(partial(read_nvml, library, handle), None)
            counter.joules()
            readable.append(counter)
        return readable
    return []


def read_nvml(library: ctypes.CDLL, handle: ctypes.c_void_p) -> float:
    """The energy in joules that a GPU has used since its driver was loaded."""
    used = ctypes.c_ulonglong()
    checked(library.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(used)))
    return used.value / 1e3


def checked(status: int) -> None:
    """Raise OSError if an NVML call has failed."""
    if status:
        raise OSError(f"NVML returned error {status}")
