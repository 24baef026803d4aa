"""One look of the orchestrator: at queues, reports and tasks; then what is missing is started."""

from collections.abc import Callable, Sequence
from typing import Final

from tidegate.clock import SYSTEM, Clock
from tidegate.errors import BackendUnavailableError, TidegateError
from tidegate.jobs.backend import QueueBackend, QueueStats, WorkerReport
from tidegate.jobs.job import State
from tidegate.launchers.launcher import Launcher, Task
from tidegate.observability.logs import Logger
from tidegate.scaling import census
from tidegate.scaling.board import Board, Recorded
from tidegate.scaling.census import Census
from tidegate.scaling.observation import Observation, observed
from tidegate.scaling.policy import Decision, decide, missing
from tidegate.scaling.starts import Starts
from tidegate.scaling.status import status_of
from tidegate.spec import AppSpec, WorkerSpec

_RUNAWAYS_EVERY: Final = 15.0
_RUNNING_LOOKED_AT: Final = 1000

log = Logger("tidegate.orchestrator")


class Steering:
    """Brings the tasks of every worker to where its policy wants them.

    Args:
        spec: The app.
        queues: Where depth and reports come from.
        launcher: What starts and stops tasks.
        board: Where statuses and decisions are posted.
        may_start: Asked just before tasks are started.
    """

    def __init__(
        self,
        spec: AppSpec,
        *,
        queues: QueueBackend,
        launcher: Launcher,
        board: Board,
        may_start: Callable[[], bool] = lambda: True,
        clock: Clock = SYSTEM,
    ) -> None:
        self._spec = spec
        self._queues = queues
        self._launcher = launcher
        self._board = board
        self._may_start = may_start
        self._clock = clock
        self._heard: set[str] = set()
        self._judged: set[str] = set()
        self._starts: dict[str, Starts] = {}
        self._decided: dict[str, int] = {}
        self._runaways_at = float("-inf")

    async def look(self) -> bool:
        """Look once at everything and act; whether there is something to look at again soon.

        Raises:
            BackendUnavailableError: Valkey or the launcher did not answer; look again later.
        """
        names = [queue.name for queue in self._spec.queues]
        stats = {each.name: each for each in await self._queues.stats(names)}
        reports = await self._queues.workers()
        tasks = await self._launcher.tasks()
        self._heard.update(report.task for report in reports if report.task)
        self._heard &= {task.id for task in tasks}
        is_busy = False
        for worker in self._spec.workers:
            theirs = [stats[name] for name in worker.queues]
            is_busy |= await self._steer(worker, theirs, tasks, reports)
        self._judged = {task.id for task in tasks if task.stopped_at is not None}
        await self._stop_runaways(reports)
        return is_busy

    async def _steer(
        self,
        worker: WorkerSpec,
        stats: Sequence[QueueStats],
        tasks: Sequence[Task],
        reports: Sequence[WorkerReport],
    ) -> bool:
        now = self._clock.now()
        people = census.taken(worker, tasks, reports, heard=self._heard, at=now)
        seen = observed(stats, people.counts, now)
        decision = decide(worker.scale, seen)
        self._judge_starts(worker, tasks, people, now)
        await self._start_missing(worker, decision, seen, people)
        await self._stop_lost(people)
        starts = self._starts[worker.name]
        await self._board.post(status_of(worker, seen, people, decision, starts))
        return bool(seen.depth or people.counts.starting or people.counts.draining)

    # Starting

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

    async def _start_missing(
        self, worker: WorkerSpec, decision: Decision, seen: Observation, people: Census
    ) -> None:
        wanted = missing(decision, seen)
        count = self._starts[worker.name].allowed(wanted, seen.at)
        started = await self._started(worker, count, people) if count else 0
        if started or self._decided.get(worker.name) != decision.desired:
            self._decided[worker.name] = decision.desired
            await self._record(worker.name, decision, seen, started)

    async def _started(self, worker: WorkerSpec, count: int, people: Census) -> int:
        """Start tasks: as many as the minimum lacks stay, the others leave when idle."""
        staying = min(max(worker.scale.min - people.staying, 0), count)
        try:
            return await self._start(worker, staying, leaves=False) + await self._start(
                worker, count - staying, leaves=True
            )
        except BackendUnavailableError:
            raise
        except TidegateError as error:
            now = self._clock.now()
            self._starts[worker.name] = self._starts[worker.name].failed(now, str(error))
            return 0

    async def _start(self, worker: WorkerSpec, count: int, *, leaves: bool) -> int:
        if not count or not self._may_start():
            return 0
        return len(await self._launcher.start(worker, count, leaves=leaves))

    async def _record(
        self, worker: str, decision: Decision, seen: Observation, started: int
    ) -> None:
        recorded = Recorded(
            at=seen.at,
            depth=seen.depth,
            tasks=seen.tasks.coming,
            desired=decision.desired,
            started=started,
            reason=decision.reason,
        )
        log.info(
            "decided",
            worker=worker,
            desired=decision.desired,
            tasks=seen.tasks.coming,
            started=started,
            reason=decision.reason,
        )
        await self._board.record(worker, recorded)

    # Stopping

    async def _stop_lost(self, people: Census) -> None:
        for task in people.overdue:
            await self._launcher.stop(task, f"not heard of for {census.START_TIMEOUT:.0f} s")
        for task in people.silent:
            await self._launcher.stop(task, "its reports have stopped")

    async def _stop_runaways(self, reports: Sequence[WorkerReport]) -> None:
        """Now and then, stop tasks whose worker could not stop a job long after its timeout."""
        if self._clock.monotonic() - self._runaways_at < _RUNAWAYS_EVERY:
            return
        self._runaways_at = self._clock.monotonic()
        tasks = {report.worker: report.task for report in reports if report.task}
        for queue in self._spec.queues:
            if any(job.policy.timeout is not None for job in queue.jobs):
                await self._stop_runaways_of(queue.name, tasks)

    async def _stop_runaways_of(self, queue: str, tasks: dict[str, str]) -> None:
        page = await self._queues.browse(queue, state=State.RUNNING, limit=_RUNNING_LOOKED_AT)
        for record in page.jobs:
            task = tasks.get(record.worker or "")
            if task is not None and census.is_runaway(record, self._clock.now()):
                log.warning("runaway_stopped", task=task, job=record.id)
                await self._launcher.stop(task, f"job {record.id} ran on, long after its timeout")
