"""Which tasks of a worker there are, and what each is doing. Pure.

A launcher knows that a task's container runs; only the worker's own report says that it claims
jobs. Between the two a task is starting, which is what people who wait are told.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from msgspec import Struct

from tidegate.jobs.backend import WorkerReport
from tidegate.jobs.job import JobRecord
from tidegate.launchers.launcher import Phase, Task
from tidegate.scaling.observation import TaskCounts
from tidegate.spec import WorkerSpec

START_TIMEOUT: Final = 90.0
"""Seconds after which a task never heard of counts as failed; ECS takes up to a minute."""

CRASHED_WITHIN: Final = 10.0
"""A task that ends by itself this soon, with an error, counts as one that failed to start."""


RUNAWAY_GRACE: Final = 60.0
"""Seconds past its timeout that a job has to be stopped by its own worker."""


class Census(Struct, frozen=True, kw_only=True):
    """The tasks of one worker declaration.

    Attributes:
        counts: How many are starting, running, draining.
        staying: Live tasks that do not leave by themselves.
        oldest_start: When the oldest of the starting ones was asked for; None if none is.
        overdue: Tasks asked for too long ago and never heard of.
        silent: Tasks heard of once, whose reports have stopped.
    """

    counts: TaskCounts = TaskCounts()
    staying: int = 0
    oldest_start: float | None = None
    overdue: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()


def taken(
    worker: WorkerSpec,
    tasks: Sequence[Task],
    reports: Sequence[WorkerReport],
    *,
    heard: Collection[str],
    at: float,
) -> Census:
    """The census of `worker`.

    Args:
        worker: The declaration.
        tasks: Every task the launcher knows, of any worker.
        reports: What workers said lately; one without a task was started by hand and counts too.
        heard: Ids of tasks that have reported at some time.
        at: Seconds since the epoch.
    """
    by_task = {report.task: report for report in reports if report.task}
    mine = [task for task in tasks if task.worker == worker.name]
    live = [task for task in mine if task.phase in (Phase.STARTING, Phase.RUNNING)]
    starting = [task for task in live if task.id not in heard and task.id not in by_task]
    leaving = [task for task in live if _is_draining(by_task, task.id)]
    stopping = [task for task in mine if task.phase is Phase.STOPPING]
    by_hand = [report for report in reports if _is_by_hand(report, worker)]
    silent = [task for task in live if task.id in heard and task.id not in by_task]
    running = len(live) - len(starting) - len(leaving) - len(silent)
    return Census(
        counts=TaskCounts(
            starting=len(starting),
            running=running + sum(not report.draining for report in by_hand),
            draining=len(leaving) + len(stopping) + sum(report.draining for report in by_hand),
        ),
        staying=sum(not task.leaves for task in live if task not in leaving),
        oldest_start=min((task.started_at for task in starting), default=None),
        overdue=tuple(task.id for task in starting if at - task.started_at > START_TIMEOUT),
        silent=tuple(task.id for task in silent),
    )


def is_runaway(record: JobRecord, at: float) -> bool:
    """Whether a job runs so far past its timeout that its worker cannot be stopping it."""
    timeout = record.policy.timeout
    if timeout is None or record.started_at is None:
        return False
    return at - record.started_at > timeout + RUNAWAY_GRACE


def failed_starts(tasks: Sequence[Task], worker: str, *, heard: Collection[str]) -> list[Task]:
    """Tasks of `worker` that ended before they were of use, with an error."""
    return [
        task
        for task in tasks
        if task.worker == worker and task.phase is Phase.STOPPED and _is_failed(task, heard)
    ]


def _is_failed(task: Task, heard: Collection[str]) -> bool:
    if task.stopped_at is None or not task.exit_code:
        return False
    return task.id not in heard or task.stopped_at - task.started_at < CRASHED_WITHIN


def _is_draining(reports: Mapping[str, WorkerReport], task: str) -> bool:
    return task in reports and reports[task].draining


def _is_by_hand(report: WorkerReport, worker: WorkerSpec) -> bool:
    return not report.task and set(report.queues) == set(worker.queues)
