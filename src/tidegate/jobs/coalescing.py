"""Jobs that are enqueued in one turn of the event loop leave in one call."""

import asyncio
from collections.abc import Sequence
from typing import Final

from tidegate.errors import QueueFullError, TidegateError
from tidegate.jobs.backend import QueueBackend
from tidegate.jobs.job import Enqueued, NewJob

LARGEST_CALL: Final = 300
_Waiting = tuple[NewJob, "asyncio.Future[Enqueued]"]


class Coalescer:
    """Gathers jobs of concurrent callers. Nothing waits longer than one turn of the loop.

    What is gathered is bounded by the callers, each of whom waits for its own job. Closing it
    waits for the calls under way.
    """

    def __init__(self, backend: QueueBackend) -> None:
        self._backend = backend
        self._waiting: list[_Waiting] = []
        self._calls: set[asyncio.Task[None]] = set()

    async def enqueue(self, job: NewJob) -> Enqueued:
        """Store one job; raises what `QueueBackend.enqueue` raises.

        Cancelling it leaves open whether the job was stored.
        """
        loop = asyncio.get_running_loop()
        stored: asyncio.Future[Enqueued] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._leave)
        self._waiting.append((job, stored))
        return await stored

    async def close(self) -> None:
        """Wait for the calls under way."""
        while self._waiting or self._calls:
            await asyncio.sleep(0)
            if self._calls:
                await asyncio.wait(self._calls)

    def _leave(self) -> None:
        waiting, self._waiting = self._waiting, []
        for first in range(0, len(waiting), LARGEST_CALL):
            part = waiting[first : first + LARGEST_CALL]
            call = asyncio.create_task(self._store(part), name="enqueue")
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)

    async def _store(self, waiting: Sequence[_Waiting]) -> None:
        try:
            answers = await self._backend.enqueue([job for job, _ in waiting])
        except QueueFullError as error:
            await self._refuse(waiting, error)
        except Exception as error:  # noqa: BLE001 - every caller is told, whatever it is
            for _, stored in waiting:
                _fail(stored, error)
        else:
            for (_, stored), answer in zip(waiting, answers, strict=True):
                if not stored.done():
                    stored.set_result(answer)

    async def _refuse(self, waiting: Sequence[_Waiting], error: TidegateError) -> None:
        # One full queue refuses the whole call; its neighbours are not to suffer for it.
        if len(waiting) == 1:
            _fail(waiting[0][1], error)
            return
        for each in waiting:
            await self._store([each])


def _fail(stored: "asyncio.Future[Enqueued]", error: Exception) -> None:
    if not stored.done():
        stored.set_exception(error)
