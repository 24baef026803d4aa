"""How an idle worker sleeps: on the server, so that an enqueue wakes it within a round trip."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from tidegate.clock import Clock
from tidegate.errors import BackendUnavailableError
from tidegate.jobs.backend import QueueBackend

LONGEST: Final = 5.0
_SHORTEST: Final = 0.001
_RETRY: Final = 0.2


class Sleep:
    """At most one blocking wait of a worker, kept on while it still fits.

    With room for a job it waits for any of its queues; without, only for what concerns itself:
    being woken for a job it has no room for would keep that job from a worker that has.
    """

    def __init__(
        self, worker: str, backend: QueueBackend, queues: Sequence[str], clock: Clock
    ) -> None:
        self._worker = worker
        self._backend = backend
        self._queues = queues
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._has_room = False
        self._until = 0.0

    def begin(self, woken: Callable[[], None], *, has_room: bool, until: float | None) -> None:
        """Sleep, unless it sleeps just so already; `woken()` is called at its end, just once.

        Args:
            woken: What to call.
            has_room: Whether the worker could take a job.
            until: When (monotonic) it is to be awake at the latest; 5 s from now for None.
        """
        latest = self._clock.monotonic() + LONGEST
        until = latest if until is None or not has_room else min(latest, until)
        if self._task is not None:
            if self._has_room == has_room and until >= self._until - _SHORTEST:
                return
            self._task.cancel()
        self._has_room, self._until = has_room, until
        self._task = asyncio.create_task(self._sleep(woken), name="sleep")

    async def end(self) -> None:
        """Wake without a call."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _sleep(self, woken: Callable[[], None]) -> None:
        queues = self._queues if self._has_room else ()
        seconds = max(_SHORTEST, self._until - self._clock.monotonic())
        try:
            await self._backend.wait(self._worker, queues, seconds)
        except BackendUnavailableError:
            await asyncio.sleep(_RETRY)
        self._task = None
        woken()
