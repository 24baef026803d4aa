"""Jobs over HTTP: enqueue, show, list, cancel, retry."""

from datetime import datetime
from typing import Any

from msgspec import Raw, Struct, field

from tidegate.api.call import Call, null
from tidegate.clock import at
from tidegate.errors import IllegalTransitionError, UnknownJobError
from tidegate.handler import Options
from tidegate.jobs.job import REDRIVABLE, JobRecord, State


class NewJobBody(Struct, forbid_unknown_fields=True):
    """A job to enqueue: the name of its handler, and the payload it takes."""

    name: str
    payload: Raw = field(default_factory=null)
    options: Options = Options()


class EnqueuedBody(Struct):
    """The job, and where its events are. `created` is false where an earlier one stands for it."""

    job: str
    channel: str
    created: bool


class JobBody(Struct, omit_defaults=True):
    """Everything kept about a job."""

    job: str
    queue: str
    name: str
    state: State
    channel: str
    attempt: int
    crashes: int
    deliveries: int
    enqueued_at: datetime
    key: str | None = None
    affinity: str | None = None
    due_at: datetime | None = None
    start_by: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    lease_until: datetime | None = None
    worker: str | None = None
    cancel_requested: bool = False
    reason: str | None = None
    payload: Raw | None = None
    progress: Raw | None = None
    checkpoint: Raw | None = None
    result: Raw | None = None
    errors: list[dict[str, Any]] = []


class JobsBody(Struct):
    """Some jobs, newest first, and what to ask the next page with; null at the end."""

    jobs: list[JobBody]
    cursor: str | None


class JobsQuery(Struct, forbid_unknown_fields=True):
    """Which jobs to list."""

    state: State | None = None
    cursor: str | None = None
    limit: int = 50


class CancelBody(Struct, forbid_unknown_fields=True):
    """Why a job is cancelled."""

    reason: str = "cancelled over HTTP"


class StateBody(Struct):
    """A job and the state it is in now."""

    job: str
    state: State


async def enqueue(call: Call) -> EnqueuedBody:
    """Enqueue a job."""
    body: NewJobBody = call.body
    handle = await call.client.enqueue_named(
        call.path["queue"], body.name, bytes(body.payload), body.options
    )
    return EnqueuedBody(handle.id, handle.channel, handle.created)


async def show(call: Call) -> JobBody:
    """Everything kept about a job."""
    return job_body(await _record(call))


async def browse(call: Call) -> JobsBody:
    """Jobs of a queue, newest first."""
    query: JobsQuery = call.query
    page = await call.client.jobs(
        call.path["queue"],
        state=query.state,
        cursor=query.cursor,
        limit=max(1, min(query.limit, 500)),
    )
    return JobsBody([job_body(record) for record in page.jobs], page.cursor)


async def cancel(call: Call) -> StateBody:
    """Cancel a job where it waits; ask its worker where it runs."""
    job = call.path["job"]
    return StateBody(job, await call.client.cancel(job, call.body.reason))


async def retry(call: Call) -> StateBody:
    """Make a job that ended without success ready again, with fresh counters."""
    record = await _record(call)
    if not await call.client.redrive(record.id):
        raise IllegalTransitionError(record.id, "retry", record.state, sorted(REDRIVABLE))
    return StateBody(record.id, (await _record(call)).state)


async def redrive(call: Call) -> StateBody:
    """The same as retry."""
    return await retry(call)


async def _record(call: Call) -> JobRecord:
    record = await call.client.job(call.path["job"])
    if record is None:
        raise UnknownJobError(call.path["job"])
    return record


def job_body(record: JobRecord) -> JobBody:
    """A record as the API shows it."""
    return JobBody(
        job=record.id,
        queue=record.queue,
        name=record.name,
        state=record.state,
        channel=record.channel,
        attempt=record.attempt,
        crashes=record.crashes,
        deliveries=record.deliveries,
        enqueued_at=at(record.enqueued_at),
        key=record.key,
        affinity=record.affinity,
        due_at=_time(record.due_at),
        start_by=_time(record.start_by),
        started_at=_time(record.started_at),
        finished_at=_time(record.finished_at),
        lease_until=_time(record.lease_until),
        worker=record.worker,
        cancel_requested=record.cancel_requested,
        reason=record.reason,
        payload=_json(record.payload),
        progress=_json(record.progress),
        checkpoint=_json(record.checkpoint),
        result=_json(record.result),
        errors=record.errors,
    )


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else at(seconds)


def _json(data: bytes | None) -> Raw | None:
    return Raw(data) if data else None
