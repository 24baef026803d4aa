"""What the orchestrator sees of one kind of worker at one moment. Pure."""

from collections.abc import Sequence

from msgspec import Struct

from tidegate.jobs.backend import QueueStats


class TaskCounts(Struct, frozen=True, kw_only=True):
    """Tasks of one worker declaration, by what they are doing.

    Attributes:
        starting: Asked for, and not yet heard of.
        running: Claiming jobs, or able to.
        draining: Told to stop, or leaving by themselves: they take nothing more.
    """

    starting: int = 0
    running: int = 0
    draining: int = 0

    @property
    def coming(self) -> int:
        """Tasks that take jobs, now or soon; what is subtracted from the wanted number."""
        return self.starting + self.running


class Observation(Struct, frozen=True, kw_only=True):
    """The queues of one worker declaration, and its tasks.

    Attributes:
        at: Seconds since the epoch.
        ready: Jobs that could be claimed now.
        running: Jobs under lease.
        bound: Jobs waiting for the one worker that holds their affinity; not part of the depth.
        oldest_age: Seconds that the oldest ready job has waited.
        paused: Whether every queue is paused, so that nothing can be claimed.
    """

    at: float
    ready: int = 0
    running: int = 0
    bound: int = 0
    oldest_age: float = 0.0
    paused: bool = False
    tasks: TaskCounts = TaskCounts()

    @property
    def depth(self) -> int:
        """Jobs that want or hold a slot."""
        return self.ready + self.running


def observed(stats: Sequence[QueueStats], tasks: TaskCounts, at: float) -> Observation:
    """The observation of a worker that claims from the queues `stats` tells of.

    The ready jobs of a paused queue cannot be claimed and are left out: a task started for them
    would only leave again.
    """
    claimable = [queue for queue in stats if not queue.paused]
    return Observation(
        at=at,
        ready=sum(queue.ready for queue in claimable),
        running=sum(queue.running for queue in stats),
        bound=sum(queue.bound for queue in stats),
        oldest_age=max((queue.oldest_age for queue in stats), default=0.0),
        paused=bool(stats) and not claimable,
        tasks=tasks,
    )
