"""The scheduler: fires schedules, and sweeps what time alone changes. Run as many as you like.

Every scheduler fires every time; the job's id is derived from schedule and time, so one job
results. The time last fired is kept with the queues.
"""

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Final

from tidegate.clock import at
from tidegate.errors import BackendUnavailableError, QueueFullError
from tidegate.handler import Options
from tidegate.ids import derived_id
from tidegate.jobs.cron import Cron
from tidegate.jobs.job import WAITING
from tidegate.jobs.schedule import due
from tidegate.jobs.sweeper import Sweeper
from tidegate.observability.logs import Logger
from tidegate.spec import ScheduleSpec

if TYPE_CHECKING:
    from tidegate.client import Client

log = Logger("tidegate.scheduler")

SWEEP_EVERY: Final = 1.0
SWEEP_CHANNELS_EVERY: Final = 5.0
LONGEST_SLEEP: Final = 30.0
_SHORTEST_SLEEP: Final = 0.02
_RETRY: Final = 1.0
_FIRED: Final = "schedules"
_DAY: Final = 86400.0


class Scheduler:
    """Fires the app's schedules and sweeps its queues and channels until it is cancelled.

    Args:
        client: The app's open connection.
        sweep_every: Seconds between two sweeps where nothing is due earlier.
    """

    def __init__(self, client: "Client", *, sweep_every: float = SWEEP_EVERY) -> None:
        self._client = client
        self._sweeper = Sweeper(client.queue_backend, list(client.app.queues), every=sweep_every)
        self._schedules = [
            (spec, Cron(spec.cron, spec.timezone)) for spec in client.app.spec.schedules
        ]

    async def run(self) -> None:
        """Run until cancelled. Valkey's being away is waited out."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sweeper.run(), name="sweep-queues")
            group.create_task(self._sweep_channels(), name="sweep-channels")
            if self._schedules:
                group.create_task(self._fire_schedules(), name="fire-schedules")

    async def _fire_schedules(self) -> None:
        while True:
            try:
                pause = await self.fire()
            except (BackendUnavailableError, QueueFullError) as error:
                # What has not been fired is due still, and `misfire` decides if it gets late.
                log.warning("schedules_wait", error=str(error))
                pause = _RETRY
            await asyncio.sleep(pause)

    async def fire(self) -> float:
        """Fire what is due; seconds until more is.

        Raises:
            QueueFullError: A queue took no more; schedules behind it have still been fired.
            BackendUnavailableError: Valkey does not answer.
        """
        now = await self._now()
        refusals = [
            refusal
            for spec, cron in self._schedules
            if (refusal := await self._fire_due(spec, cron, now)) is not None
        ]
        if refusals:
            raise refusals[0]
        soonest = min(cron.next_after(now) for _, cron in self._schedules)
        # The server's clock decides, and may be set; so look again now and then.
        left = (soonest - await self._now()).total_seconds()
        return min(LONGEST_SLEEP, max(_SHORTEST_SLEEP, left))

    async def _fire_due(
        self, spec: ScheduleSpec, cron: Cron, now: datetime
    ) -> QueueFullError | None:
        last = await self._last_fired(spec, now)
        found = due(cron, last=last, now=now, misfire=spec.misfire, limit=spec.misfire_limit)
        if found.has_missed:
            log.warning("schedule_missed", schedule=spec.name, since=last.isoformat())
        try:
            for time in found.times:
                await self._enqueue(spec, time)
        except QueueFullError as error:
            return error
        await self._keep_fired(spec, now)
        return None

    async def _enqueue(self, spec: ScheduleSpec, time: datetime) -> None:
        name = f"schedule:{spec.name}"
        instance = f"{name}:{time.isoformat()}"
        job = derived_id(instance, time.timestamp())
        if spec.overlap == "queue" and await self._one_waits(spec):
            log.info("schedule_overlaps", schedule=spec.name, at=time.isoformat())
            return
        options = {
            "allow": Options(id=job, dedupe=instance, dedupe_window=_DAY),
            "skip": Options(id=job, dedupe=name),
            "queue": Options(id=job, dedupe=instance, dedupe_window=_DAY, key=name),
        }[spec.overlap]
        handle = await self._client.enqueue_named(
            spec.queue, spec.job, spec.payload.encode(), options
        )
        await self._keep_job(spec, handle.id)

    async def _one_waits(self, spec: ScheduleSpec) -> bool:
        """Whether this schedule's latest job has not started yet."""
        latest = await self._client.valkey.call("HGET", self._key("jobs"), spec.name)
        record = await self._client.job(latest.decode()) if latest else None
        return record is not None and record.state in WAITING

    async def _keep_job(self, spec: ScheduleSpec, job: str) -> None:
        await self._client.valkey.call("HSET", self._key("jobs"), spec.name, job)

    async def _last_fired(self, spec: ScheduleSpec, now: datetime) -> datetime:
        """Up to when times have been fired; a schedule never seen before begins now."""
        key = self._key("fired")
        await self._client.valkey.call("ZADD", key, "NX", now.timestamp(), spec.name)
        return at(float(await self._client.valkey.call("ZSCORE", key, spec.name)))

    async def _keep_fired(self, spec: ScheduleSpec, now: datetime) -> None:
        # Only ever forward: another scheduler may be ahead of this one.
        key = self._key("fired")
        await self._client.valkey.call("ZADD", key, "XX", "GT", now.timestamp(), spec.name)

    def _key(self, what: str) -> str:
        return f"{self._client.valkey.prefix}{_FIRED}:{what}"

    async def _now(self) -> datetime:
        seconds, microseconds = await self._client.valkey.call("TIME")
        return at(int(seconds) + int(microseconds) / 1e6)

    async def _sweep_channels(self) -> None:
        while True:
            try:
                await self._client.channels.backend.sweep()
            except BackendUnavailableError as error:
                log.warning("sweep_waits", error=str(error))
            await asyncio.sleep(SWEEP_CHANNELS_EVERY)
