"""What people are told of a worker's queues and tasks, and why they wait. Pure.

The orchestrator publishes it on the channel `tidegate:status` whenever it changes, and keeps the
latest of each worker readable.
"""

from typing import Final, Literal

from msgspec import Struct

from tidegate.channels.backend import ChannelSettings
from tidegate.scaling.census import Census
from tidegate.scaling.observation import Observation
from tidegate.scaling.policy import Decision
from tidegate.scaling.starts import Starts
from tidegate.spec import WorkerSpec

CHANNEL: Final = "tidegate:status"
SETTINGS: Final = ChannelSettings(
    pattern=CHANNEL,
    hot_bytes=256 * 1024,
    hot_events=500,
    keep_bytes=256 * 1024,
    slow="conflate",
    replay=False,
)
"""Only the newest status matters to anybody."""


class QueueStatus(Struct, frozen=True, kw_only=True):
    """The jobs of the queues one worker serves; `depth` is ready plus running."""

    name: str
    depth: int
    ready: int
    running: int
    bound: int
    oldest_age_s: float


class TaskStatus(Struct, frozen=True, kw_only=True):
    """The tasks of one worker."""

    running: int
    starting: int
    draining: int
    desired: int
    min: int
    max: int


class Waiting(Struct, frozen=True, kw_only=True):
    """Why a job that is ready is not running, in words; None where nothing waits."""

    reason: str | None = None


class Status(Struct, frozen=True, kw_only=True):
    """One worker's queues and tasks at one moment.

    Attributes:
        at: Seconds since the epoch.
        reason: How the policy came to the number of tasks.
    """

    type: Literal["status"] = "status"
    at: float
    worker: str
    queue: QueueStatus
    tasks: TaskStatus
    waiting: Waiting
    reason: str


def status_of(
    worker: WorkerSpec, seen: Observation, census: Census, decision: Decision, starts: Starts
) -> Status:
    """The status that these amount to."""
    return Status(
        at=seen.at,
        worker=worker.name,
        queue=QueueStatus(
            name=",".join(worker.queues),
            depth=seen.depth,
            ready=seen.ready,
            running=seen.running,
            bound=seen.bound,
            oldest_age_s=round(seen.oldest_age, 1),
        ),
        tasks=TaskStatus(
            running=seen.tasks.running,
            starting=seen.tasks.starting,
            draining=seen.tasks.draining,
            desired=decision.desired,
            min=worker.scale.min,
            max=worker.scale.max,
        ),
        waiting=Waiting(reason=waiting_reason(worker, seen, census, starts)),
        reason=decision.reason,
    )


def waiting_reason(
    worker: WorkerSpec, seen: Observation, census: Census, starts: Starts
) -> str | None:
    """Why what is ready does not run yet; None where nothing is ready."""
    if seen.paused:
        return "the queue is paused"
    if not seen.ready:
        return None
    return starts.in_words(seen.at) or _coming(seen, census) or _busy(worker, seen)


def _coming(seen: Observation, census: Census) -> str | None:
    if census.oldest_start is not None:
        return f"task starting, {seen.at - census.oldest_start:.0f} s"
    return None if seen.tasks.coming else "asking for a task"


def differs(status: Status, earlier: Status | None) -> bool:
    """Whether there is something new to tell; ages and the time do not count."""
    return earlier is None or _ageless(status) != _ageless(earlier)


def _ageless(status: Status) -> tuple[object, ...]:
    queue = status.queue
    counts = (queue.depth, queue.ready, queue.running, queue.bound)
    return (*counts, status.tasks, status.waiting, status.reason)


def _busy(worker: WorkerSpec, seen: Observation) -> str | None:
    tasks, slots = seen.tasks.running, worker.slots
    if seen.running < tasks * slots:
        return None
    busy = f"all {slots} slots of the task are busy"
    if tasks > 1:
        busy = f"all {slots} slots of each of {tasks} tasks are busy"
    return f"{busy}; the maximum is reached" if tasks >= worker.scale.max else busy
