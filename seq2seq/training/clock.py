"""Time, energy and peak memory of a run, with what was used before a resume."""

import time
from collections.abc import Sequence

from seq2seq.system import energy
from seq2seq.system.memory import PeakMemory
from seq2seq.training.state import Progress


class Clock:
    """Measures a run from now on.

    Args:
        now: the counters of the run, which `measure` and `mark_save` update.
        counters: those of the energy; if empty, it is unknown.
        memory: the peak memory of this process.

    Attributes:
        saved: `seconds` at the last save.
    """

    def __init__(
        self, now: Progress, counters: Sequence[energy.Counter], memory: PeakMemory
    ) -> None:
        self.now, self.memory = now, memory
        self.meter = energy.Meter(counters, now.joules)
        self.saved = now.seconds
        self.started = time.perf_counter() - self.saved

    @property
    def seconds(self) -> float:
        """Time spent on the run in seconds, with validation."""
        return time.perf_counter() - self.started

    @property
    def minutes(self) -> float:
        """Time spent on the run in minutes, with validation."""
        return self.seconds / 60

    @property
    def learning(self) -> float:
        """Time spent on the run in seconds, without validation."""
        return self.seconds - self.now.validating

    def save_due(self, minutes: float) -> bool:
        """Whether the last save is as many minutes ago."""
        return self.seconds - self.saved >= 60 * minutes

    def mark_save(self) -> None:
        """Record that the state of the run is saved now."""
        self.now.seconds = self.saved = self.seconds

    def measure(self) -> None:
        """Read the energy and memory counters."""
        self.now.joules = self.meter.read()
        self.now.peak_memory = max(self.now.peak_memory, self.memory.read() or 0)
