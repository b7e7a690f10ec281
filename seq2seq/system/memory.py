"""Memory of this process: settings of glibc's allocator, and peak memory.

This module imports nothing large, because commands call `keep_freed_memory` first.
"""

import ctypes
import gc
import platform
from pathlib import Path
from typing import Any

try:
    import resource
except ModuleNotFoundError:  # not available on Windows
    resource = None  # type: ignore[assignment]


def keep_freed_memory() -> None:
    """Make glibc keep large freed buffers instead of returning them to the system.

    Otherwise each step requests its pages again, and page faults take a third of the time. The
    setting applies to the whole process and cannot be undone, so that only commands call this
    function, never the library. It has no effect with other C libraries.
    """
    if not has_glibc():
        return
    libc = ctypes.CDLL(None)
    m_trim_threshold, m_top_pad, m_mmap_max = -1, -2, -4  # <malloc.h>
    libc.mallopt(m_mmap_max, 0)
    libc.mallopt(m_trim_threshold, 2**31 - 1)
    libc.mallopt(m_top_pad, 256 * 2**20)


def has_glibc() -> bool:
    """Whether this process uses the GNU C library."""
    return platform.libc_ver()[0] == "glibc"


class PeakMemory:
    """Measures the peak memory since this object was created.

    On an NVIDIA or AMD GPU this is the memory allocated by torch, on a CPU the resident memory of
    the process. On Linux, the peak of the process is reset. Where that is not possible, as on
    macOS, the peak since the start of the process is used if it has grown since this object was
    created. Memory that math libraries keep from earlier work is included.

    Args:
        device: the torch.device in use.
    """

    def __init__(self, device: Any) -> None:
        self.device = device
        gc.collect()
        if device.type == "cuda":
            import torch

            if torch.cuda.is_initialized():  # else nothing is allocated yet
                torch.cuda.reset_peak_memory_stats(device)
        self.reset = reset_process_peak()
        self.before = process_peak()

    def read(self) -> int | None:
        """The peak memory in bytes; None if unknown."""
        if self.device.type == "cuda":
            import torch

            return torch.cuda.max_memory_allocated(self.device)
        peak = process_peak() if self.device.type == "cpu" else None
        if peak is None or self.before is None:
            return None
        return peak if self.reset or peak > self.before else None


def reset_process_peak() -> bool:
    """Reset the peak resident memory of this process; return whether that is supported."""
    if has_glibc():
        ctypes.CDLL(None).malloc_trim(0)  # free what `keep_freed_memory` has kept
    try:
        Path("/proc/self/clear_refs").write_text("5")  # see proc(5)
    except OSError:
        return False
    return True


def process_peak() -> int | None:
    """The peak resident memory in bytes since `reset_process_peak`; None if unknown."""
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM"):
                return 1024 * int(line.split()[1])
    if resource is None:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else 1024 * peak  # bytes on macOS, else KiB
