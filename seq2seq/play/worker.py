"""One thread for the models, so that the server answers while they compute."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from seq2seq.play.guard import RefusedError
from seq2seq.play.limits import QUEUE

Result = TypeVar("Result")
Gone = Callable[[], Awaitable[bool]]


class GoneError(Exception):
    """The client of a request has closed its connection."""


class Worker:
    """Runs one job at a time, in the order of arrival.

    Args:
        most: maximum number of jobs that wait.
    """

    def __init__(self, most: int = QUEUE) -> None:
        self.most = most
        self.waiting: dict[object, Gone] = {}  # of each job that waits
        self.turn = asyncio.Lock()
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="models")

    async def run(self, job: Callable[[], Result], gone: Gone) -> Result:
        """Run a job and return its result.

        Args:
            job: the work.
            gone: whether the client has closed its connection; such a job is not started.

        Raises:
            RefusedError: too many jobs wait.
            GoneError: the client has closed its connection before the job could start.
        """
        await self.check_room()
        place = object()
        self.waiting[place] = gone
        try:
            async with self.turn:
                self.waiting.pop(place, None)
                if await gone():
                    raise GoneError
                return await asyncio.get_running_loop().run_in_executor(self.pool, job)
        finally:
            self.waiting.pop(place, None)

    async def check_room(self) -> None:
        """Check that one more job may wait.

        Jobs whose clients have gone are not counted: a page aborts its requests when it has newer
        ones, which must not be refused because of them.

        Raises:
            RefusedError: too many jobs wait.
        """
        if len(self.waiting) < self.most:
            return
        for place, gone in list(self.waiting.items()):
            if await gone():
                self.waiting.pop(place, None)  # it ends at its turn
        if len(self.waiting) >= self.most:
            raise RefusedError(
                503, f"{self.most} requests are waiting already: try again in a few seconds"
            )

    def close(self) -> None:
        """Drop the jobs that wait."""
        self.pool.shutdown(wait=False, cancel_futures=True)
