"""How many threads a training computes with.

The number of threads changes the order of sums and with it their last bits, after which two
trainings drift apart. A repeatable training therefore takes a number that no clock decides. One
that need not be repeatable times an update with 1, 2, 4, ... threads: small products on two cores
can run at twice the speed of one, or, beside another busy process, at a twentieth of it. In either
case a training that goes on keeps the number it began with.
"""

import os
import time
from collections.abc import Callable
from typing import Any

import torch

from seq2seq.config import THREADS as LIMIT
from seq2seq.config import Config

MOST = 4  # threads of a repeatable training
ROUNDS = 3  # the first warms up
WORTH = 0.95  # more threads are to take at most this share of the time


def given(config: Config) -> int | None:
    """The threads that a configuration fixes for each process; None where they are to be timed.

    Call it before the processes are launched, for launching sets OMP_NUM_THREADS.
    """
    if config.trainer.threads is not None:
        return config.trainer.threads
    return repeatable(config.trainer.devices) if config.deterministic else None


def repeatable(processes: int = 1) -> int:
    """Threads for each process of a repeatable training: OMP_NUM_THREADS where that is a number.

    Else half of the processors, at most MOST in all: models this small gain little from more, and
    where another program takes a processor, every thread waits for the slowest. So machines with
    eight processors or more take the same number.
    """
    number = os.environ.get("OMP_NUM_THREADS", "")
    if number.isdecimal() and 1 <= int(number) <= LIMIT:
        return int(number)
    return max(1, min(MOST, processors() // 2) // processes)


def processors() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def probe(work: Callable[[], Any], most: int) -> dict[int, float]:
    """Seconds of some work with 1, 2, 4, ... threads; torch is left with the last number.

    Rounds go through all numbers by turns, so that what else the machine does falls on all alike.

    Args:
        work: what is to be fast, always the same.
        most: threads to try at the most.
    """
    seconds = {2**i: 0.0 for i in range(most.bit_length())} | {most: 0.0}
    for turn in range(ROUNDS):
        for count in seconds:
            torch.set_num_threads(count)
            started = time.perf_counter()
            work()
            seconds[count] += (time.perf_counter() - started) / (ROUNDS - 1) if turn else 0.0
    return seconds


def fastest(seconds: dict[int, float]) -> int:
    """The number of threads to take, the smaller of two that are about equal."""
    best = 1
    for count in sorted(seconds):
        if seconds[count] < WORTH * seconds[best]:
            best = count
    return best


def describe(seconds: dict[int, float]) -> str:
    """The choice and its reason in words."""
    times = ", ".join(f"{taken:.2f} s with {count}" for count, taken in sorted(seconds.items()))
    return f"{fastest(seconds)} (an update takes {times})"
