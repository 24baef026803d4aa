"""The orchestrator: looks at the queues, asks the policy, starts tasks through a launcher.

Any number of replicas may run; the one that holds a stored lease acts. It only ever starts tasks:
workers leave by themselves when they find nothing to do, so a busy one is never stopped. What it
does stop is a task that was never heard of, fell silent, or runs a job far past its timeout.
"""

import asyncio
from contextlib import suppress
from typing import Final

from tidegate.channels.backend import ChannelBackend
from tidegate.clock import SYSTEM, Clock
from tidegate.connections.valkey import Valkey
from tidegate.errors import BackendUnavailableError
from tidegate.ids import new_id
from tidegate.jobs.backend import QueueBackend
from tidegate.launchers.launcher import Launcher
from tidegate.observability.logs import Logger
from tidegate.scaling.board import Board
from tidegate.scaling.leadership import Leadership
from tidegate.scaling.steering import Steering
from tidegate.spec import AppSpec

_RENEW_EVERY: Final = 1.0
_LOOK_IDLE: Final = 5.0
_LOOK_BUSY: Final = 0.5
_LOOK_LEAST: Final = 0.05  # however many jobs are enqueued, and tasks change

log = Logger("tidegate.orchestrator")


class Orchestrator:
    """Keeps the number of tasks of every worker where its policy wants it.

    Looks when a job is enqueued or a task has changed, and otherwise every 5 s, or every 0.5 s
    while there are jobs.

    Args:
        spec: The app.
        queues: Where depth and reports come from.
        channels: Where statuses are published.
        valkey: Where lease, statuses and decisions are kept.
        launcher: What starts and stops tasks.
    """

    def __init__(
        self,
        spec: AppSpec,
        *,
        queues: QueueBackend,
        channels: ChannelBackend,
        valkey: Valkey,
        launcher: Launcher,
        clock: Clock = SYSTEM,
    ) -> None:
        self.id = new_id()
        self.leadership = Leadership(valkey, "orchestrator", self.id, clock=clock)
        self._workers = [worker.name for worker in spec.workers]
        self._queues = queues
        self._launcher = launcher
        self._clock = clock
        self._board = Board(valkey, channels)
        self._steering = Steering(
            spec,
            queues=queues,
            launcher=launcher,
            board=self._board,
            may_start=lambda: self.leadership.is_sure,
            clock=clock,
        )
        self._woken = asyncio.Event()
        self._looked_at = float("-inf")
        self._interval = _LOOK_BUSY

    async def run(self) -> None:
        """Lead or stand by until cancelled; the lease is then given up at once."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._wake_on_enqueue(), name="orchestrator-enqueue")
                group.create_task(self._wake_on_change(), name="orchestrator-change")
                while True:
                    await self._turn()
        finally:
            await self.leadership.give_up()

    async def _turn(self) -> None:
        try:
            if await self._leads():
                await self._look_if_due()
            else:
                await asyncio.sleep(_RENEW_EVERY)
        except BackendUnavailableError as error:
            log.warning("orchestrator_waits", reason=str(error))
            await asyncio.sleep(_RENEW_EVERY)

    async def _leads(self) -> bool:
        led_before = self.leadership.held.is_set()
        leads = await self.leadership.hold()
        if leads and not led_before:
            log.info("orchestrator_leads", orchestrator=self.id)
            await self._board.begin_anew(self._workers)
        return leads

    async def _look_if_due(self) -> None:
        """Look if it is time to or something woke us; then wait until it may be time again."""
        if self._woken.is_set() or self._seconds_left <= 0:
            self._woken.clear()
            self._looked_at = self._clock.monotonic()
            is_busy = await self._steering.look()
            self._interval = _LOOK_BUSY if is_busy else _LOOK_IDLE
            await asyncio.sleep(_LOOK_LEAST)
        with suppress(TimeoutError):
            async with asyncio.timeout(max(min(self._seconds_left, _RENEW_EVERY), 0)):
                await self._woken.wait()

    @property
    def _seconds_left(self) -> float:
        return self._looked_at + self._interval - self._clock.monotonic()

    async def _wake_on_enqueue(self) -> None:
        while True:
            await self.leadership.held.wait()
            try:
                if await self._queues.wait_for_work(_LOOK_IDLE):
                    self._woken.set()
                    await asyncio.sleep(_LOOK_LEAST)
            except BackendUnavailableError:
                await asyncio.sleep(_RENEW_EVERY)

    async def _wake_on_change(self) -> None:
        while True:
            await self.leadership.held.wait()
            try:
                await self._launcher.changed(_LOOK_IDLE)
                self._woken.set()
                await asyncio.sleep(_LOOK_LEAST)
            except BackendUnavailableError:
                await asyncio.sleep(_RENEW_EVERY)
