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
# Short jobs fill and empty a worker all the time; changing what it waits for costs a round trip.
_MOMENT: Final = 0.01


class Sleep:
    """At most one blocking wait of a worker, kept on while it still fits.

    With room for a job it waits for any of its queues; without, after a moment, only for what
    concerns itself: being woken for a job it has no room for keeps it from a worker that has.

    Args:
        worker: The worker's id.
        backend: The queues.
        queues: Those it serves.
        clock: Where monotonic time comes from.
        woken: Called at the end of each sleep, whatever ended it.
    """

    def __init__(
        self,
        worker: str,
        backend: QueueBackend,
        queues: Sequence[str],
        *,
        clock: Clock,
        woken: Callable[[], None],
    ) -> None:
        self._worker = worker
        self._backend = backend
        self._queues = queues
        self._clock = clock
        self._woken = woken
        self._task: asyncio.Task[None] | None = None
        self._has_room = False
        self._until = 0.0
        self._change: asyncio.TimerHandle | None = None

    def begin(self, *, has_room: bool, until: float | None) -> None:
        """Sleep, unless it sleeps just so already.

        Args:
            has_room: Whether the worker could take a job.
            until: When (monotonic) it is to be awake at the latest; 5 s from now for None.
        """
        self._keep_as_it_is()
        if self._task is not None and self._has_room and not has_room:
            self._change = asyncio.get_running_loop().call_later(_MOMENT, self._turn_inward)
            return
        latest = self._clock.monotonic() + LONGEST
        wanted = latest if until is None or not has_room else min(latest, until)
        if self._task is not None:
            if self._has_room == has_room and wanted >= self._until - _SHORTEST:
                return
            self._task.cancel()
        self._start(has_room=has_room, until=wanted)

    async def end(self) -> None:
        """Wake without a call."""
        self._keep_as_it_is()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def _keep_as_it_is(self) -> None:
        if self._change is not None:
            self._change.cancel()
            self._change = None

    def _turn_inward(self) -> None:
        self._change = None
        if self._task is not None:
            self._task.cancel()
            self._start(has_room=False, until=self._clock.monotonic() + LONGEST)

    def _start(self, *, has_room: bool, until: float) -> None:
        self._has_room, self._until = has_room, until
        self._task = asyncio.create_task(self._sleep(), name="sleep")

    async def _sleep(self) -> None:
        queues = self._queues if self._has_room else ()
        if not self._has_room:
            await asyncio.sleep(_MOMENT)
        seconds = max(_SHORTEST, self._until - self._clock.monotonic())
        try:
            await self._backend.wait(self._worker, queues, seconds)
        except BackendUnavailableError:
            await asyncio.sleep(_RETRY)
        self._task = None
        self._keep_as_it_is()
        self._woken()
