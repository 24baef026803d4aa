"""What every queue backend promises. `tidegate.testing.queue` holds the suite that checks it.

All times a caller gives are durations in seconds, counted on the server's clock. Calls that take
several jobs take them in one round trip. Cancelling a call never loses a job: at worst a claimed
one becomes claimable again when its lease ends.
"""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from tidegate.jobs.job import Claim, Enqueued, JobRecord, NewJob, State


class QueueSettings(Struct, frozen=True, kw_only=True):
    """The settings of a queue that the server-side functions need.

    Attributes:
        lanes: How many priorities it has.
        lease: Seconds a claim lasts without renewal.
        ageing: Seconds of waiting that lift a job by one priority; 0 never lifts.
        max_depth: Jobs held at which enqueue is refused, 0 for no bound; held are those ready,
            running, bound to a worker or behind their key, not those due later.
        concurrency: Jobs of this queue that may run at once, anywhere; 0 for no bound.
        rate: Starts per second, averaged; 0 for no bound.
        burst: Starts that may come at once under `rate`.
    """

    name: str
    lanes: int = 3
    lease: float = 30.0
    ageing: float = 60.0
    max_depth: int = 0
    concurrency: int = 0
    rate: float = 0.0
    burst: int = 1


class Complete(Struct, frozen=True, kw_only=True, tag=True):
    """The handler returned. `result` is JSON or None; `end` is the whole end event as JSON."""

    id: str
    fence: int
    result: bytes | None = None
    end: bytes | None = None


class Fail(Struct, frozen=True, kw_only=True, tag=True):
    """The handler failed. It runs again after `retry_in` seconds, or is dead where that is None.

    `error` is one JSON object of `JobRecord.errors`.
    """

    id: str
    fence: int
    error: bytes
    retry_in: float | None = None
    end: bytes | None = None


class Release(Struct, frozen=True, kw_only=True, tag=True):
    """Handed back unfinished: ready again at the head after `delay`, no attempt used up."""

    id: str
    fence: int
    delay: float = 0.0
    reason: str = "drain"


class Cancelled(Struct, frozen=True, kw_only=True, tag=True):
    """The handler stopped because it was asked to."""

    id: str
    fence: int
    reason: str
    end: bytes | None = None


class Crash(Struct, frozen=True, kw_only=True, tag=True):
    """The process that ran the handler died and left its worker alive.

    It counts as a lapsed lease does, at once: `crashes` and `on_crash` of the job's policy decide.
    """

    id: str
    fence: int
    reason: str


Settlement = Complete | Fail | Release | Cancelled | Crash


class Exchange(Struct, frozen=True, kw_only=True):
    """The answer to one `exchange`.

    Attributes:
        accepted: For each settlement, whether its fence still held; False means it was refused.
        claims: Jobs now leased to the caller: bound ones first, then by effective priority.
        next_due_in: Seconds until the next scheduled job of these queues is due, or a rate limit
            lets the next one start; None if neither is ahead.
        wanted: (queue, affinity, epoch) this worker owns, with nothing of it running, while jobs
            bound to it wait and it has no room or drains: sync, then `release_affinity`.
        cancelling: (job, reason) of every job this worker runs that is asked to cancel; told
            again with each exchange until the job is settled.
    """

    accepted: list[bool]
    claims: list[Claim]
    next_due_in: float | None = None
    wanted: list[tuple[str, str, int]] = []
    cancelling: list[tuple[str, str]] = []


class Renewal(Struct, frozen=True, kw_only=True):
    """The answer to one renewal.

    Attributes:
        verdicts: A letter per job: `o` renewed, `l` lost, `c` renewed and asked to cancel.
        reasons: Why, by job id, for each `c`.
    """

    verdicts: str
    reasons: dict[str, str] = {}


class WorkerReport(Struct, frozen=True, kw_only=True):
    """What a worker says of itself with every renewal; kept for `tidegate tasks`."""

    worker: str
    task: str
    queues: list[str]
    slots: int
    busy: int
    draining: bool = False
    host: str = ""
    pid: int = 0
    # Increments since the last report: {metric: {bucket: count}}, added up by the server. A report
    # repeated because its answer was lost counts twice.
    metrics: dict[str, dict[str, float]] = {}


class QueueStats(Struct, frozen=True, kw_only=True):
    """A queue's counts now. `depth` is ready + running; bound and pending jobs are not in it.

    Rates are per second over the last minute; `oldest_age` is in seconds.
    """

    name: str
    ready: int
    running: int
    scheduled: int = 0
    pending: int = 0
    bound: int = 0
    dead: int = 0
    quarantined: int = 0
    paused: bool = False
    oldest_age: float = 0.0
    enqueued_total: int = 0
    succeeded_total: int = 0
    failed_total: int = 0
    enqueue_rate: float = 0.0
    finish_rate: float = 0.0

    @property
    def depth(self) -> int:
        """Jobs that want or hold a slot."""
        return self.ready + self.running


class SweepReport(Struct, frozen=True, kw_only=True):
    """What one sweep did, and when the next has something to do."""

    promoted: int = 0
    lapsed: int = 0
    expired: int = 0
    quarantined: int = 0
    pruned: int = 0
    next_due_in: float | None = None


class Page(Struct, frozen=True, kw_only=True):
    """Some job records, newest first, and the cursor of the next page (None at the end)."""

    jobs: list[JobRecord]
    cursor: str | None = None


class QueueBackend(Protocol):
    """Queues, as one store keeps them."""

    async def declare(self, queues: Sequence[QueueSettings]) -> None:
        """Make these settings the ones in force; declaring again replaces them."""
        ...

    async def enqueue(self, jobs: Sequence[NewJob]) -> list[Enqueued]:
        """Store jobs, in order, and wake workers and orchestrator.

        Enqueuing a job id that exists stores nothing and reports it as not created, so a call
        whose answer was lost is safe to repeat.

        Raises:
            QueueFullError: A queue is at its maximum depth; none of these jobs was stored.
            BackendUnavailableError: No answer; the jobs may have been stored.
        """
        ...

    async def exchange(
        self,
        worker: str,
        *,
        settle: Sequence[Settlement] = (),
        queues: Sequence[str] = (),
        limit: int = 0,
    ) -> Exchange:
        """Settle attempts and claim up to `limit` jobs of `queues`, in one call.

        A settlement whose fence has passed is refused, and says so; the others stand. Settling
        the same attempt twice is accepted once and refused after. With `queues` this is also the
        worker's sign of life, and what it leaves behind wakes the next worker; with `limit=0` it
        says that the worker has no room. At most 1,000 jobs are claimed at once.
        """
        ...

    async def wait(self, worker: str, queues: Sequence[str], seconds: float) -> bool:
        """Block until a claim may succeed, at most `seconds`; whether it was woken.

        Who is woken must `exchange` with these queues, were it with `limit=0`: only that passes
        on a wake-up it cannot use. A worker without room waits with no queues, for what concerns
        itself: jobs bound to it, and cancels. Cancelling this call loses no wake-up.
        """
        ...

    async def wait_for_work(self, seconds: float) -> str | None:
        """The name of a queue whose ready or due jobs have changed; None after `seconds`.

        For the orchestrator. A change is told to one caller only.
        """
        ...

    def renew(self, report: WorkerReport, held: Sequence[tuple[str, int]]) -> Renewal:
        """Extend the leases of (job, fence) pairs by their queues' lease; called from a thread.

        Raises:
            BackendUnavailableError: No answer; some may have been renewed.
        """
        ...

    async def leave(self, worker: str) -> None:
        """Forget a worker that has handed back all it held; its affinities are free."""
        ...

    async def release_affinity(self, worker: str, queue: str, affinity: str, epoch: int) -> bool:
        """Give up an affinity after syncing, its bound jobs with it.

        False where the epoch is old, or a job of it runs.
        """
        ...

    async def owns_affinity(self, queue: str, affinity: str, epoch: int) -> bool:
        """Whether this epoch is still the one in force."""
        ...

    async def progress(self, job: str, fence: int, value: bytes) -> bool:
        """Store the latest progress (JSON); False where the fence has passed."""
        ...

    async def checkpoint(self, job: str, fence: int, value: bytes) -> bool:
        """Store what the next attempt starts from (JSON); False where the fence has passed."""
        ...

    async def remember(self, job: str, fence: int, step: str, value: bytes) -> bytes | None:
        """Store a step's outcome once, for all attempts, and return the one that stands.

        None where the fence has passed.
        """
        ...

    async def recall(self, job: str, step: str) -> bytes | None:
        """The stored outcome of a step; None if there is none."""
        ...

    async def holds(self, job: str, fence: int) -> bool:
        """Whether this attempt's lease still stands."""
        ...

    async def get(self, job: str) -> JobRecord | None:
        """A job's record; None if it never was or has expired."""
        ...

    async def browse(
        self, queue: str, *, state: State | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page:
        """Jobs of a queue, newest first."""
        ...

    async def cancel(self, job: str, reason: str) -> State:
        """Cancel at once where it waits; ask its worker where it runs. The state it is now in.

        Raises:
            UnknownJobError: No such job.
            IllegalTransitionError: It has ended already.
        """
        ...

    async def redrive(self, jobs: Sequence[str]) -> int:
        """Make ended, unsuccessful jobs ready again with fresh counters; how many were.

        Fences go on counting, so a writer of the earlier life stays refused.
        """
        ...

    async def pause(self, queue: str, *, paused: bool) -> None:
        """Stop or resume claims; leases held are not touched."""
        ...

    async def stats(self, queues: Sequence[str]) -> list[QueueStats]:
        """Counts of each queue, in the order asked."""
        ...

    async def workers(self) -> list[WorkerReport]:
        """The latest report of every worker whose report is younger than three leases."""
        ...

    async def metrics(self) -> dict[str, dict[str, float]]:
        """All that workers have reported in `WorkerReport.metrics`, added up."""
        ...

    async def sweep(
        self, queues: Sequence[str], *, limit: int = 500, patience: float | None = None
    ) -> SweepReport:
        """Return lapsed leases, promote due jobs, expire, prune; safe from any number at once.

        Args:
            queues: Each is swept by itself.
            limit: Most jobs taken of each kind, at most 1,000; a report that reaches it says
                `next_due_in=0`.
            patience: Where a queue's last sweep is longer ago than this (seconds), this one
                judges no lease: whatever kept the sweep away may have kept the workers away too.
        """
        ...
