"""Work that several processes divide among themselves, with the same result as in one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any, TypeVar

from seq2seq.system.signals import Interrupted

Item = TypeVar("Item")
Result = TypeVar("Result")
Run = Callable[[Callable[[], list[Any]]], list[Any] | None]
MISSING: Any = object()


def run_at_once(work: Callable[[], list[Any]]) -> list[Any]:
    """Do some work without interruption."""
    return work()


@dataclass(frozen=True)
class Share:
    """The part of the work that one of several processes does.

    Args:
        rank: number of this process, from 0.
        count: number of processes.
        gather: returns the values of all processes, by rank, from the value of this one; all
            processes have to call it.
        run: does the work of this process; returns None if it is interrupted.
    """

    rank: int
    count: int
    gather: Callable[[Any], list[Any]]
    run: Run = run_at_once

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """Return the results of all items, in order; this process works on every `count`-th item.

        Each item is worked on as a single process would, so that the results are the same. All
        processes have to call this with the same items, and all receive all results.

        Raises:
            Interrupted: the work of any process was interrupted.
        """
        own = self.run(lambda: [work(item) for item in items[self.rank :: self.count]])
        shares = self.gather(own)
        if any(share is None for share in shares):
            raise Interrupted
        rounds = zip_longest(*shares, fillvalue=MISSING)
        return [result for result in chain.from_iterable(rounds) if result is not MISSING]


ALONE = Share(0, 1, lambda value: [value])
