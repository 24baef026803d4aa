"""Reports of programs outside that run an attempt: fenced, so that a late one changes nothing."""

from random import random

from msgspec import Raw, Struct, field

from tidegate.api.call import Call, null
from tidegate.channels.backend import Writer
from tidegate.channels.event import job_channel
from tidegate.clock import SYSTEM
from tidegate.errors import StaleAttemptError, UnknownJobError
from tidegate.jobs.attempt import ChildError, Outcome, Raised, Returned, judged
from tidegate.jobs.attempt_token import AttemptToken
from tidegate.jobs.job import JobRecord, claim_of
from tidegate.jobs.plan import plans
from tidegate.observability.metrics import Recorder
from tidegate.serde import encoded


class ProgressBody(Struct, forbid_unknown_fields=True):
    """How far the attempt is: `done` of `of`, with a note for people."""

    done: float
    of: float | None = None
    note: str = ""


class PublishBody(Struct, forbid_unknown_fields=True):
    """Events for the job's channel; the same `key` within `window` seconds appends once."""

    events: list[Raw]
    key: str | None = None
    window: float = 300.0


class PublishedBody(Struct):
    """Where the last of the events is."""

    offset: int
    epoch: str
    created: bool


class CompleteBody(Struct, forbid_unknown_fields=True):
    """What the job's result is."""

    result: Raw = field(default_factory=null)


class FailBody(Struct, forbid_unknown_fields=True):
    """What went wrong. The job runs again if its handler's retries allow, and `retry` is true."""

    message: str
    type: str = "Failure"
    traceback: str = ""
    retry: bool = True


class AcceptedBody(Struct):
    """The report was taken."""

    job: str
    accepted: bool = True


async def progress(call: Call) -> AcceptedBody:
    """Say how far the attempt is."""
    attempt = call.attempt
    value = encoded(call.body)
    if not await call.client.queue_backend.progress(attempt.job, attempt.fence, value):
        raise StaleAttemptError(attempt.job, attempt.fence)
    return AcceptedBody(attempt.job)


async def publish(call: Call) -> PublishedBody:
    """Append events to the job's channel."""
    body: PublishBody = call.body
    attempt = call.attempt
    record = await _record(call, attempt)
    published = await call.client.channels.backend.append(
        record.channel or job_channel(attempt.job),
        [bytes(event) for event in body.events],
        writer=Writer(attempt.job, attempt.fence),
        key=body.key,
        window=body.window,
    )
    return PublishedBody(published.offset, published.epoch, published.created)


async def complete(call: Call) -> AcceptedBody:
    """End the job with a result."""
    body: CompleteBody = call.body
    result = bytes(body.result)
    return await _settle(call, Returned(None if result == b"null" else result))


async def fail(call: Call) -> AcceptedBody:
    """End the attempt as failed."""
    body: FailBody = call.body
    error = ChildError(body.type, body.message, body.traceback, is_worth_retrying=body.retry)
    return await _settle(call, Raised(error))


async def _settle(call: Call, outcome: Outcome) -> AcceptedBody:
    attempt = call.attempt
    record = await _record(call, attempt)
    settlement = judged(
        claim_of(record, attempt.fence),
        plans(call.client.app, Recorder()).get(record.name),
        outcome,
        chance=random(),  # noqa: S311 - jitter is no secret
        now=SYSTEM.now(),
    )
    settle = [settlement] if settlement else []
    exchange = await call.client.queue_backend.exchange(f"http-{attempt.job}", settle=settle)
    if not all(exchange.accepted):
        raise StaleAttemptError(attempt.job, attempt.fence)
    return AcceptedBody(attempt.job)


async def _record(call: Call, attempt: AttemptToken) -> JobRecord:
    record = await call.client.job(attempt.job)
    if record is None:
        raise UnknownJobError(attempt.job)
    return record
