"""What a queue backend's suite is given, and the short words its tests are written in."""

from collections.abc import Sequence
from typing import Any, Final, Protocol

import msgspec

from tidegate.channels.backend import ChannelBackend
from tidegate.channels.cursor import START
from tidegate.jobs.backend import (
    Complete,
    Exchange,
    Fail,
    QueueBackend,
    QueueSettings,
    Settlement,
    WorkerReport,
)
from tidegate.jobs.job import Claim, JobPolicy, JobRecord, NewJob, State

LEASE: Final = 30.0

CONTRACT_QUEUES: Final = (
    QueueSettings(name="work", lease=LEASE, ageing=60.0),
    QueueSettings(name="strict", ageing=0.0),
    QueueSettings(name="small", max_depth=3),
    QueueSettings(name="narrow", concurrency=2),
    QueueSettings(name="slow", rate=10.0, burst=2),
)
"""What the backend under test has declared."""


class QueuesUnderTest(Protocol):
    """A backend of its own for each test, whose time stands still until `elapse` moves it."""

    backend: QueueBackend
    other: QueueBackend
    """The same queues, seen from another process."""
    channels: ChannelBackend

    async def elapse(self, seconds: float) -> None:
        """Let this much time pass for the store."""
        ...


def new(job: str, queue: str = "work", **options: Any) -> NewJob:
    """A job as a producer hands it over."""
    given = {"name": "tests.job", "payload": b"{}", "policy": JobPolicy(), **options}
    return NewJob(id=job, queue=queue, **given)


def policy(**options: Any) -> JobPolicy:
    """A handler's policy."""
    return JobPolicy(**options)


async def enqueued(queues: QueuesUnderTest, *jobs: NewJob) -> None:
    """Store jobs, all of them new."""
    assert all(answer.created for answer in await queues.backend.enqueue(jobs))


async def exchanged(
    queues: QueuesUnderTest,
    *settle: Settlement,
    worker: str = "w1",
    on: Sequence[str] = ("work",),
    limit: int = 10,
) -> Exchange:
    """Settle, and claim up to ten jobs of `work`."""
    return await queues.backend.exchange(worker, settle=settle, queues=on, limit=limit)


async def claimed(
    queues: QueuesUnderTest, worker: str = "w1", on: Sequence[str] = ("work",), limit: int = 10
) -> list[Claim]:
    """What a worker is given now."""
    return (await exchanged(queues, worker=worker, on=on, limit=limit)).claims


async def claimed_ids(
    queues: QueuesUnderTest, worker: str = "w1", on: Sequence[str] = ("work",), limit: int = 10
) -> list[str]:
    """The ids of what a worker is given now."""
    return [claim.id for claim in await claimed(queues, worker, on, limit)]


async def running(queues: QueuesUnderTest, job: NewJob, worker: str = "w1") -> Claim:
    """Enqueue a job and claim it."""
    await enqueued(queues, job)
    (claim,) = await claimed(queues, worker, (job.queue,))
    return claim


async def settled(queues: QueuesUnderTest, *settle: Settlement) -> list[bool]:
    """Which of these settlements are accepted."""
    return (await queues.backend.exchange("w1", settle=settle)).accepted


async def shown(queues: QueuesUnderTest, job: str) -> JobRecord:
    """The record of a job that has one."""
    record = await queues.backend.get(job)
    assert record is not None
    return record


async def state(queues: QueuesUnderTest, job: str) -> State:
    """Where a job is."""
    return (await shown(queues, job)).state


async def events(queues: QueuesUnderTest, channel: str) -> list[dict[str, Any]]:
    """All that was written to a channel."""
    replay = await queues.channels.replay(channel, START)
    return [msgspec.json.decode(event.data) for event in replay.events]


def done(claim: Claim, **options: Any) -> Complete:
    """The handler returned."""
    return Complete(id=claim.id, fence=claim.fence, **options)


def failed(claim: Claim, retry_in: float | None = None, **options: Any) -> Fail:
    """The handler failed."""
    error = b'{"type":"ValueError","message":"no","attempt":%d}' % claim.attempt
    given = {"error": error, **options}
    return Fail(id=claim.id, fence=claim.fence, retry_in=retry_in, **given)


def report(worker: str = "w1", **options: Any) -> WorkerReport:
    """What a worker says of itself."""
    given = {"task": "task", "queues": ["work"], "slots": 4, "busy": 1, **options}
    return WorkerReport(worker=worker, **given)


def renewed(queues: QueuesUnderTest, *claims: Claim, worker: str = "w1") -> str:
    """The verdicts on a renewal of these claims, a letter each."""
    held = [(claim.id, claim.fence) for claim in claims]
    return queues.backend.renew(report(worker), held).verdicts
