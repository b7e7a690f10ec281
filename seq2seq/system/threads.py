"""How many threads an update is fastest with: found by trying, for the machine decides.

Small products on two cores can run at twice the speed of one, or, beside a busy neighbour, at a
quarter of it. The number of threads changes the order of sums and with it their last bits, which
is why a training keeps the number that it began with.
"""

import time
from collections.abc import Callable
from typing import Any

import torch

ROUNDS = 3  # the first warms up
WORTH = 0.95  # more threads are to take at most this share of the time


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
