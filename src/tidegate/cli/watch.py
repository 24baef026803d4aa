"""Following the events of one job from its first to its last."""

import asyncio
from collections.abc import Callable

from tidegate.channels.backends.valkey import ValkeyChannels
from tidegate.channels.channel import Channels
from tidegate.channels.cursor import Cursor
from tidegate.channels.message import Gap, Message
from tidegate.channels.subscription import Subscription
from tidegate.cli.reach import Reach
from tidegate.errors import UnknownJobError
from tidegate.jobs.attempt import end_event
from tidegate.jobs.backends.valkey import ValkeyQueues
from tidegate.jobs.handle import reason_of
from tidegate.jobs.job import TERMINAL, JobRecord, State, claim_of
from tidegate.objects import Objects

_LOOK_EVERY = 0.2


async def watched(reach: Reach, job: str, tell: Callable[[bytes], None]) -> JobRecord:
    """The record of a job once it has ended, after all its channel's events have been told.

    A job that never wrote has no channel; its end is then told from its record.

    Raises:
        UnknownJobError: There is no such job, or its record has expired.
    """
    async with (
        reach.valkey() as valkey,
        ValkeyQueues(valkey) as queues,
        ValkeyChannels(valkey, objects=Objects.open(reach.settings.objects_url)) as backend,
        Channels(backend) as channels,
    ):
        record = await _record(queues, job)
        ending = asyncio.create_task(_ended(queues, job), name="job-ended")
        try:
            async with channels.subscribe([record.channel], {record.channel: Cursor()}) as events:
                await _told(events, ending, backend, record.channel, tell)
            record = await ending
            if not (await backend.top(record.channel)).offset:
                tell(end_of(record))
            return record
        finally:
            ending.cancel()


async def _told(
    events: Subscription,
    ending: "asyncio.Task[JobRecord]",
    backend: ValkeyChannels,
    channel: str,
    tell: Callable[[bytes], None],
) -> None:
    """Tell every event until the job has ended and the log is read to where it then stood."""
    following = asyncio.ensure_future(anext(events))
    while not ending.done():
        await asyncio.wait((following, ending), return_when=asyncio.FIRST_COMPLETED)
        if following.done():
            _tell(following.result(), tell)
            following = asyncio.ensure_future(anext(events))
    following.cancel()  # which loses nothing
    await asyncio.wait((following,))
    last = (await backend.top(channel)).offset
    while events.cursors[channel].offset < last:
        _tell(await anext(events), tell)


def _tell(found: Message | Gap, tell: Callable[[bytes], None]) -> None:
    if isinstance(found, Message):
        tell(found.data)


def end_of(record: JobRecord) -> bytes:
    """The end event that a job's record amounts to."""
    reason = None if record.state is State.SUCCEEDED else reason_of(record)
    return end_event(claim_of(record), record.state, result=record.result, reason=reason)


async def _ended(queues: ValkeyQueues, job: str) -> JobRecord:
    while (record := await _record(queues, job)).state not in TERMINAL:  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_EVERY)
    return record


async def _record(queues: ValkeyQueues, job: str) -> JobRecord:
    record = await queues.get(job)
    if record is None:
        raise UnknownJobError(job)
    return record
