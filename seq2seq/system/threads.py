"""The number of CPU threads for training.

The number of threads changes the order of summation and thus rounding errors, so that two trainings
diverge. A deterministic training therefore uses a number that does not depend on timing. With
deterministic=false, an update is timed with 1, 2, 4, ... threads: small matrix products on two
cores can be twice as fast as on one, or, next to another busy process, twenty times slower. A
resumed training always keeps its original number.
"""

import os
import time
from collections.abc import Callable
from typing import Any

import torch

from seq2seq.settings.config import THREADS as LIMIT
from seq2seq.settings.config import Config

MAX_DETERMINISTIC = 4  # maximum number of threads of a deterministic training
ROUNDS = 3  # the first is a warm-up
WORTH = 0.95  # use more threads only if they take less than this share of the time


def given(config: Config) -> int | None:
    """The number of threads per process that a configuration fixes; None if it is to be timed.

    `trainer.devices` is the number of processes on this machine. Call it before launching the
    processes, because launching sets OMP_NUM_THREADS.
    """
    if config.trainer.threads is not None:
        return config.trainer.threads
    return repeatable(config.trainer.devices) if config.deterministic else None


def repeatable(processes: int = 1) -> int:
    """The number of threads per process of a deterministic training.

    OMP_NUM_THREADS if that is a number; else half of the processors, at most MAX_DETERMINISTIC over
    all processes. Small models gain little from more threads, and if another program uses a
    processor, every thread waits for the slowest. Machines with eight or more processors thus use
    the same number.
    """
    if number := requested():
        return number
    return max(1, min(MAX_DETERMINISTIC, processes * share(processes) // 2) // processes)


def most(processes: int) -> int:
    """The largest number of threads per process, of several on this machine, that is sensible."""
    return requested() or share(processes)


def requested() -> int | None:
    """OMP_NUM_THREADS if that is a number; None otherwise.

    torchrun sets it to 1 for several processes unless the user has set it, so that 1 of torchrun
    does not count; trainer.threads=1 does.
    """
    number = os.environ.get("OMP_NUM_THREADS", "")
    if number == "1" and "TORCHELASTIC_RUN_ID" in os.environ:
        return None
    return int(number) if number.isdecimal() and 1 <= int(number) <= LIMIT else None


def share(processes: int) -> int:
    """The number of processors per process, of several on this machine, at least 1."""
    reserved = os.environ.get("SLURM_CPUS_PER_TASK", "")
    if processes > 1 and "SLURM_STEP_NUM_TASKS" in os.environ and reserved.isdecimal():
        return max(1, int(reserved))  # each task of SLURM may use only its own processors
    return max(1, processors() // processes)


def processors() -> int:
    """The number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def probe(work: Callable[[], Any], most: int) -> dict[int, float]:
    """Time some work with 1, 2, 4, ... threads; torch is left with the last number.

    Every round tries all numbers, so that other load on the machine affects all of them equally.

    Args:
        work: the function to time.
        most: maximum number of threads.

    Returns:
        Mean seconds per call, by number of threads.
    """
    seconds = {2**i: 0.0 for i in range(most.bit_length())} | {most: 0.0}
    for number in range(ROUNDS):
        for count in seconds:
            torch.set_num_threads(count)
            started = time.perf_counter()
            work()
            seconds[count] += (time.perf_counter() - started) / (ROUNDS - 1) if number else 0.0
    return seconds


def fastest(seconds: dict[int, float]) -> int:
    """The number of threads to use; the smaller one if two take about the same time."""
    best = 1
    for count in sorted(seconds):
        if seconds[count] < WORTH * seconds[best]:
            best = count
    return best


def describe(seconds: dict[int, float]) -> str:
    """Format the chosen number and the timings."""
    times = ", ".join(f"{taken:.2f} s with {count}" for count, taken in sorted(seconds.items()))
    return f"{fastest(seconds)} (an update takes {times})"
