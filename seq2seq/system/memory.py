"""Memory of this process: how glibc keeps it, and the most that was held.

Importing this module imports nothing large: the command line calls `keep_memory` before anything.
"""

import ctypes
import gc
import platform
from pathlib import Path
from typing import Any

try:
    import resource
except ModuleNotFoundError:  # Windows has none
    resource = None  # type: ignore[assignment]


def keep_freed_memory() -> None:
    """Have glibc keep large buffers instead of returning them to the system after every use.

    Otherwise each step asks the system for its pages anew, and page faults take a third of the
    time. It holds for the whole process and cannot be undone, so that only commands call it, never
    the library. Other C libraries are left alone.
    """
    if not has_glibc():
        return
    libc = ctypes.CDLL(None)
    m_trim_threshold, m_top_pad, m_mmap_max = -1, -2, -4  # <malloc.h>
    libc.mallopt(m_mmap_max, 0)
    libc.mallopt(m_trim_threshold, 2**31 - 1)
    libc.mallopt(m_top_pad, 256 * 2**20)


def has_glibc() -> bool:
    """Whether memory is managed by the GNU C library."""
    return platform.libc_ver()[0] == "glibc"


class PeakMemory:
    """The most memory held since this object was made, whatever the process did before.

    On a GPU of NVIDIA or AMD it is that of torch's tensors, on a CPU the resident memory of the
    process. Linux lets a process reset its own peak. Where that is not possible, as on macOS, the
    peak of the whole process is taken if it has grown since, for then it is of this time. What the
    mathematical libraries keep of earlier work for themselves stays in it.

    Args:
        device: of torch, that computes.
    """

    def __init__(self, device: Any) -> None:
        self.device = device
        gc.collect()
        if device.type == "cuda":
            import torch

            if torch.cuda.is_initialized():  # else it holds nothing yet
                torch.cuda.reset_peak_memory_stats(device)
        self.reset = reset_process_peak()
        self.before = process_peak()

    def read(self) -> int | None:
        """Bytes; None where they are not known."""
        if self.device.type == "cuda":
            import torch

            return torch.cuda.max_memory_allocated(self.device)
        peak = process_peak() if self.device.type == "cpu" else None
        if peak is None or self.before is None:
            return None
        return peak if self.reset or peak > self.before else None


def reset_process_peak() -> bool:
    """Have Linux forget the most that was resident; whether it did."""
    if has_glibc():
        ctypes.CDLL(None).malloc_trim(0)  # give back what `keep_memory` kept of earlier work
    try:
        Path("/proc/self/clear_refs").write_text("5")  # see proc(5)
    except OSError:
        return False
    return True


def process_peak() -> int | None:
    """The most bytes resident in this process, since `reset_process_peak` where that works."""
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM"):
                return 1024 * int(line.split()[1])
    if resource is None:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if platform.system() == "Darwin" else 1024 * most
