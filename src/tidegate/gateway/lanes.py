"""Commands that wait for something: those of one lane one after the other, lanes side by side."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Self

Step = Callable[[], Awaitable[None]]


class Lanes:
    """Runs steps; a lane exists only while it has some, so an idle client costs nothing.

    How many steps may wait is for those to bound who put them in: a session stops reading its
    socket. Used as an async context manager; leaving it cancels what still runs.
    """

    def __init__(self) -> None:
        self._lanes: dict[Hashable, deque[Step]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def put(self, lane: Hashable, step: Step) -> None:
        """Run `step` once all that was put into the lane before it has ended. It must not raise."""
        waiting = self._lanes.get(lane)
        if waiting is not None:
            waiting.append(step)
            return
        self._lanes[lane] = deque((step,))
        task = asyncio.create_task(self._run(lane), name=f"lane-{lane}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, lane: Hashable) -> None:
        steps = self._lanes[lane]
        try:
            while steps:
                await steps[0]()
                steps.popleft()
        finally:
            del self._lanes[lane]
