"""The orchestrator: looks at the queues, asks the policy, starts tasks through a launcher.

Any number of replicas may run; the one that holds a stored lease acts. It only ever starts tasks:
workers leave by themselves when they find nothing to do, so a busy one is never stopped. What it
does stop is a task that was never heard of, fell silent, or runs a job far past its timeout.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec

from tidegate.channels.backend import ChannelBackend
from tidegate.clock import SYSTEM, Clock
from tidegate.connections.valkey import Valkey
from tidegate.errors import BackendUnavailableError, TidegateError
from tidegate.ids import new_id
from tidegate.jobs.backend import QueueBackend, QueueStats, WorkerReport
from tidegate.jobs.job import State
from tidegate.launchers.launcher import Launcher, Task
from tidegate.observability.logs import Logger
from tidegate.scaling import census, status
from tidegate.scaling.census import Census
from tidegate.scaling.observation import Observation, observed
from tidegate.scaling.policy import Decision, decide, missing
from tidegate.scaling.starts import Starts
from tidegate.scaling.status import Status
from tidegate.spec import AppSpec, WorkerSpec

LEASE: Final = 3.5
"""Seconds that a leader which has died still counts as one; another follows within LEASE + 1."""

_LOOK_EVERY: Final = 1.0  # how often the lease is renewed, or asked for
_TICK_IDLE: Final = 5.0
_TICK_BUSY: Final = 0.5
_SHORTEST_TICK: Final = 0.05
_DECISIONS_KEPT: Final = 500
_RUNAWAYS_EVERY: Final = 15.0
_RUNNING_LOOKED_AT: Final = 1000

log = Logger("tidegate.orchestrator")


class Orchestrator:
    """Keeps the number of tasks of every worker where its policy wants it.

    Args:
        spec: The app.
        queues: Where depth and reports come from.
        channels: Where the status is published.
        valkey: Where lease, status and decisions are kept.
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
        self._spec = spec
        self._queues = queues
        self._channels = channels
        self._valkey = valkey
        self._launcher = launcher
        self._clock = clock
        self._leading = asyncio.Event()
        self._woken = asyncio.Event()
        self._is_busy = True
        self._heard: set[str] = set()
        self._judged: set[str] = set()
        self._starts: dict[str, Starts] = {}
        self._told: dict[str, Status] = {}
        self._decided: dict[str, int] = {}
        self._runaways_at = float("-inf")

    @property
    def is_leading(self) -> bool:
        """Whether this replica is the one that acts."""
        return self._leading.is_set()

    async def run(self) -> None:
        """Lead or stand by until cancelled; the lease is then given up at once."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._wake_on_enqueue(), name="orchestrator-enqueue")
                group.create_task(self._wake_on_change(), name="orchestrator-tasks")
                await self._lead_or_stand_by()
        finally:
            await self._give_up_lease()

    async def _lead_or_stand_by(self) -> None:
        ticked_at = float("-inf")
        while True:
            try:
                if await self._hold_lease():
                    if self._woken.is_set() or self._is_due(ticked_at):
                        self._woken.clear()
                        ticked_at = self._clock.monotonic()
                        await self.tick()
                    await self._pause(ticked_at)
                else:
                    await asyncio.sleep(_LOOK_EVERY)
            except BackendUnavailableError as error:
                log.warning("orchestrator_waits", reason=str(error))
                await asyncio.sleep(_LOOK_EVERY)

    def _is_due(self, ticked_at: float) -> bool:
        return self._clock.monotonic() - ticked_at >= self._interval

    @property
    def _interval(self) -> float:
        return _TICK_BUSY if self._is_busy else _TICK_IDLE

    async def _pause(self, ticked_at: float) -> None:
        """Until woken, the next tick or the next renewal, but never less than the shortest tick."""
        await asyncio.sleep(_SHORTEST_TICK)
        left = ticked_at + self._interval - self._clock.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(min(left, _LOOK_EVERY), 0)):
                await self._woken.wait()

    # Leading

    async def _hold_lease(self) -> bool:
        held = bool(await self._valkey.fcall("hold", "", "orchestrator", self.id, LEASE))
        if held and not self._leading.is_set():
            log.info("orchestrator_leads", orchestrator=self.id)
            self._leading.set()
            self._told.clear()
            await self._forget_workers_gone()
        elif not held:
            self._leading.clear()
        return held

    async def _give_up_lease(self) -> None:
        with suppress(BackendUnavailableError):
            await self._valkey.fcall("unhold", "", "orchestrator", self.id)

    async def _wake_on_enqueue(self) -> None:
        while True:
            await self._leading.wait()
            try:
                if await self._queues.wait_for_work(_TICK_IDLE):
                    self._woken.set()
                    # A stream of enqueues wakes at most once per shortest tick.
                    await asyncio.sleep(_SHORTEST_TICK)
            except BackendUnavailableError:
                await asyncio.sleep(_LOOK_EVERY)

    async def _wake_on_change(self) -> None:
        while True:
            await self._leading.wait()
            try:
                await self._launcher.changed(_TICK_IDLE)
                self._woken.set()
                await asyncio.sleep(_SHORTEST_TICK)
            except TidegateError:
                await asyncio.sleep(_LOOK_EVERY)

    # Acting

    async def tick(self) -> None:
        """Look once at everything, and start what is missing."""
        names = [queue.name for queue in self._spec.queues]
        stats = {each.name: each for each in await self._queues.stats(names)}
        reports = await self._queues.workers()
        tasks = await self._launcher.tasks()
        self._heard.update(report.task for report in reports if report.task)
        self._heard &= {task.id for task in tasks}
        self._is_busy = False
        for worker in self._spec.workers:
            await self._steer(worker, [stats[name] for name in worker.queues], tasks, reports)
        if self._clock.monotonic() - self._runaways_at > _RUNAWAYS_EVERY:
            self._runaways_at = self._clock.monotonic()
            await self._stop_runaways(reports)

    async def _steer(
        self,
        worker: WorkerSpec,
        stats: Sequence[QueueStats],
        tasks: Sequence[Task],
        reports: Sequence[WorkerReport],
    ) -> None:
        now = self._clock.now()
        people = census.taken(worker, tasks, reports, heard=self._heard, at=now)
        seen = observed(stats, people.counts, now)
        decision = decide(worker.scale, seen)
        self._judge_starts(worker, tasks, people, now)
        await self._start_missing(worker, decision, seen, people)
        await self._stop_lost(people)
        starts = self._starts.get(worker.name, Starts())
        self._is_busy |= bool(seen.depth or people.counts.starting or people.counts.draining)
        await self._tell(status.status_of(worker, seen, people, decision, starts))

    def _judge_starts(
        self, worker: WorkerSpec, tasks: Sequence[Task], people: Census, now: float
    ) -> None:
        """Count the starts that failed since the last look; a task at work wipes the slate."""
        starts = self._starts.get(worker.name, Starts())
        for task in census.failed_starts(tasks, worker.name, heard=self._heard):
            if task.id not in self._judged:
                starts = starts.failed(now, task.stop_reason)
                log.warning("task_failed", task=task.id, worker=worker.name, why=task.stop_reason)
        if people.counts.running and now >= starts.retry_at:
            starts = Starts()
        self._starts[worker.name] = starts
        ids = {task.id for task in tasks}
        self._judged = (self._judged & ids) | {
            task.id for task in tasks if task.worker == worker.name and task.stopped_at is not None
        }

    async def _start_missing(
        self, worker: WorkerSpec, decision: Decision, seen: Observation, people: Census
    ) -> None:
        wanted = missing(decision, seen)
        count = self._starts[worker.name].allowed(wanted, seen.at)
        started = await self._started(worker, count, people) if count else 0
        if started or self._decided.get(worker.name) != decision.desired:
            self._decided[worker.name] = decision.desired
            await self._record(worker, decision, seen, started)

    async def _started(self, worker: WorkerSpec, count: int, people: Census) -> int:
        """Start tasks: as many as the minimum lacks stay, the others leave when idle."""
        staying = min(max(worker.scale.min - people.staying, 0), count)
        try:
            tasks = [
                *(await self._launcher.start(worker, staying, leaves=False) if staying else ()),
                *(
                    await self._launcher.start(worker, count - staying, leaves=True)
                    if count > staying
                    else ()
                ),
            ]
        except BackendUnavailableError:
            raise
        except TidegateError as error:
            self._starts[worker.name] = self._starts[worker.name].failed(
                self._clock.now(), str(error)
            )
            return 0
        return len(tasks)

    async def _stop_lost(self, people: Census) -> None:
        for task in people.overdue:
            await self._launcher.stop(task, f"not heard of for {census.START_TIMEOUT:.0f} s")
        for task in people.silent:
            await self._launcher.stop(task, "its reports have stopped")

    async def _stop_runaways(self, reports: Sequence[WorkerReport]) -> None:
        """Stop tasks whose worker could not stop a job long after its timeout."""
        tasks = {report.worker: report.task for report in reports}
        for queue in self._spec.queues:
            if any(job.policy.timeout is not None for job in queue.jobs):
                page = await self._queues.browse(
                    queue.name, state=State.RUNNING, limit=_RUNNING_LOOKED_AT
                )
                for record in page.jobs:
                    task = tasks.get(record.worker or "")
                    if task and census.is_runaway(record, self._clock.now()):
                        why = f"job {record.id} ran on, long after its timeout"
                        log.warning("runaway_stopped", task=task, job=record.id)
                        await self._launcher.stop(task, why)

    # Telling

    async def _forget_workers_gone(self) -> None:
        """Keep no status of workers that the app no longer declares."""
        key = f"{self._valkey.prefix}status"
        declared = {worker.name for worker in self._spec.workers}
        kept = [name.decode() for name in await self._valkey.call("HKEYS", key)]
        if gone := [name for name in kept if name not in declared]:
            await self._valkey.call("HDEL", key, *gone)

    async def _tell(self, now: Status) -> None:
        if not status.differs(now, self._told.get(now.worker)):
            return
        self._told[now.worker] = now
        text = msgspec.json.encode(now)
        await self._valkey.call("HSET", f"{self._valkey.prefix}status", now.worker, text)
        await self._channels.append(status.CHANNEL, [text])

    async def _record(
        self, worker: WorkerSpec, decision: Decision, seen: Observation, started: int
    ) -> None:
        entry = {
            "at": seen.at,
            "depth": seen.depth,
            "tasks": seen.tasks.coming,
            "desired": decision.desired,
            "started": started,
            "reason": decision.reason,
        }
        key = f"{self._valkey.prefix}decisions:{worker.name}"
        log.info("decided", worker=worker.name, **entry)
        await self._valkey.call("LPUSH", key, msgspec.json.encode(entry))
        await self._valkey.call("LTRIM", key, 0, _DECISIONS_KEPT - 1)


async def statuses(valkey: Valkey) -> list[Status]:
    """The latest status of every worker, by name; nothing before an orchestrator has run."""
    stored = await valkey.call("HGETALL", f"{valkey.prefix}status")
    found = [msgspec.json.decode(text, type=Status) for text in stored.values()]
    return sorted(found, key=lambda each: each.worker)
