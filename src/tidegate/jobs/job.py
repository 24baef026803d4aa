"""What a job is, and which changes of state are legal. Pure.

Three counters are kept apart: `attempt` counts runs whose handler failed, `crashes` counts leases
that lapsed because a worker died, `deliveries` counts hand-overs to a worker. The fence of an
attempt is its delivery number: whoever holds an older one is refused.
"""

from enum import StrEnum
from typing import Final, Literal

from msgspec import Struct

OnCrash = Literal["retry", "fail"]


class State(StrEnum):
    """Where a job is. Its record says so; nothing else does."""

    PENDING = "pending"  # behind another job of its key
    SCHEDULED = "scheduled"  # due later: delayed, or backing off
    READY = "ready"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    DEAD = "dead"  # failed for good; can be redriven
    QUARANTINED = "quarantined"  # killed its workers too often; can be redriven
    CANCELLED = "cancelled"
    EXPIRED = "expired"  # its deadline to start had passed


TERMINAL: Final = frozenset(
    {State.SUCCEEDED, State.DEAD, State.QUARANTINED, State.CANCELLED, State.EXPIRED}
)
REDRIVABLE: Final = TERMINAL - {State.SUCCEEDED}
WAITING: Final = frozenset({State.PENDING, State.SCHEDULED, State.READY})

TRANSITIONS: Final[dict[State, frozenset[State]]] = {
    State.PENDING: frozenset({State.READY, State.CANCELLED, State.EXPIRED, State.SCHEDULED}),
    State.SCHEDULED: frozenset({State.READY, State.PENDING, State.CANCELLED, State.EXPIRED}),
    State.READY: frozenset({State.RUNNING, State.CANCELLED, State.EXPIRED}),
    State.RUNNING: frozenset(
        {
            State.SUCCEEDED,
            State.SCHEDULED,  # retry with back-off, snooze
            State.READY,  # handed back, or lease lapsed
            State.DEAD,
            State.QUARANTINED,
            State.CANCELLED,
        }
    ),
    State.SUCCEEDED: frozenset(),
    **{state: frozenset({State.READY, State.PENDING}) for state in REDRIVABLE},
}


class JobPolicy(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a handler declares once for all of its jobs.

    It travels with each job, so that any release, and the sweeper, can judge one whose handler it
    does not know.

    Attributes:
        attempts: How often a handler may fail before the job is dead.
        crashes: How many workers a job may take down before it is quarantined.
        on_crash: Whether a job whose worker died runs again, or is dead at once.
        timeout: Seconds an attempt may run; None for no limit.
        keep: Seconds the record and result of an ended job are kept.
        keep_failed: Seconds a dead or quarantined job is kept.
        end: JSON object laid under the job's end event, `{"type": "end"}` by default; `job`,
            `state` and `reason` are laid over it.
    """

    attempts: int = 5
    crashes: int = 3
    on_crash: OnCrash = "retry"
    timeout: float | None = None
    keep: float = 3600.0
    keep_failed: float = 14 * 86400.0
    end: str = '{"type":"end"}'


class NewJob(Struct, frozen=True, kw_only=True):
    """A job as a producer hands it over, checked and encoded.

    Attributes:
        payload: JSON bytes, or empty where `payload_ref` names the object that holds them.
        lane: Index of its priority; 0 is the most urgent.
        key: Jobs of one key run one at a time, in the order they were enqueued.
        affinity: Jobs of one affinity go to the worker that already holds it.
        dedupe: While another job with this id is within its window, that one is returned instead.
        dedupe_window: Seconds; None for as long as that job has not ended.
        due_in: Seconds from now until it may start (server's clock).
        start_within: Seconds from now after which it is not worth starting.
        channel: A channel it shares with other jobs; None for `job:{id}`, made on first write.
        trace: W3C `traceparent` of the producer.
    """

    id: str
    queue: str
    name: str
    payload: bytes
    policy: JobPolicy
    payload_ref: str | None = None
    lane: int = 0
    key: str | None = None
    affinity: str | None = None
    dedupe: str | None = None
    dedupe_window: float | None = None
    due_in: float = 0.0
    start_within: float | None = None
    channel: str | None = None
    trace: str | None = None


class Enqueued(Struct, frozen=True):
    """What became of one job handed over.

    Attributes:
        id: The job's id; that of the earlier job where this one was a duplicate.
        created: Whether a new job was stored.
    """

    id: str
    created: bool


class Claim(Struct, frozen=True):
    """A job under lease, as a worker receives it.

    Attributes:
        fence: The fencing token of this attempt; every write carries it.
        attempt: 1 for the first run, one more for every failure before.
        affinity_epoch: The ownership epoch of its affinity, 0 without one.
        checkpoint: What an earlier attempt left, as JSON bytes.
        enqueued_at: Seconds since the epoch, server's clock.
        ready_at: When it could first have been claimed this time; for queue-wait times.
    """

    id: str
    queue: str
    name: str
    payload: bytes
    fence: int
    attempt: int
    crashes: int
    deliveries: int
    policy: JobPolicy
    enqueued_at: float
    ready_at: float
    payload_ref: str | None = None
    lane: int = 0
    key: str | None = None
    affinity: str | None = None
    affinity_epoch: int = 0
    checkpoint: bytes | None = None
    channel: str | None = None
    trace: str | None = None


class JobRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything kept about a job, for people and for `tidegate jobs show`.

    Times are seconds since the epoch. `attempt` is the number of the latest run that ended by
    itself or still goes on, 0 before the first. `errors` holds the last five failures, newest last,
    each `{"at", "attempt", "type", "message", "traceback"}` of at most 8 KiB.
    """

    id: str
    queue: str
    name: str
    state: State
    attempt: int
    crashes: int
    deliveries: int
    enqueued_at: float
    channel: str
    lane: int = 0
    key: str | None = None
    affinity: str | None = None
    dedupe: str | None = None
    due_at: float | None = None
    start_by: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    lease_until: float | None = None
    worker: str | None = None
    progress: bytes | None = None
    checkpoint: bytes | None = None
    result: bytes | None = None
    errors: list[dict[str, object]] = []
    cancel_requested: bool = False
    reason: str | None = None
    payload: bytes = b""
    payload_ref: str | None = None
    policy: JobPolicy = JobPolicy()
    trace: str | None = None


def claim_of(record: JobRecord, fence: int = 0) -> Claim:
    """The claim of the attempt that runs or ran a job, as far as its record tells."""
    shared = {name: getattr(record, name) for name in _SHARED}
    return Claim(**shared, fence=fence, ready_at=record.enqueued_at)


_SHARED: Final = [name for name in Claim.__struct_fields__ if name in JobRecord.__struct_fields__]
