"""`JobHandle`: a job that has been enqueued, as its producer follows it."""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tidegate.channels.event import job_channel
from tidegate.channels.message import Gap
from tidegate.channels.subscription import Subscription
from tidegate.errors import JobFailedError, UnknownJobError
from tidegate.jobs.job import TERMINAL, JobRecord, State

if TYPE_CHECKING:
    from tidegate.client import Client

_FIRST_LOOK: Final = 0.002
_LAST_LOOK: Final = 0.05
_LOOK_AGAIN: Final = 0.25


class JobHandle:
    """A job's id and channel, and what can be asked of it.

    Attributes:
        id: The job's id; that of the earlier job where this one was a duplicate.
        channel: Where its events are published.
        created: Whether enqueuing stored a new job.
    """

    __slots__ = ("_client", "channel", "created", "id")

    def __init__(
        self, client: "Client", job: str, *, channel: str | None = None, created: bool = True
    ) -> None:
        self._client = client
        self.id = job
        self.channel = channel or job_channel(job)
        self.created = created

    def __repr__(self) -> str:
        return f"JobHandle(id={self.id!r}, channel={self.channel!r}, created={self.created})"

    async def record(self) -> JobRecord:
        """Everything kept about the job.

        Raises:
            UnknownJobError: Its record has expired.
        """
        record = await self._client.job(self.id)
        if record is None:
            raise UnknownJobError(self.id)
        return record

    async def state(self) -> State:
        """The state it is in now; raises as `record` does."""
        return (await self.record()).state

    async def cancel(self, reason: str = "cancelled by its producer") -> State:
        """Cancel it where it waits, ask its worker where it runs; the state it is now in.

        Raises:
            IllegalTransitionError: It has ended already.
        """
        return await self._client.cancel(self.id, reason)

    async def ended(self, timeout: float | None = None) -> JobRecord:  # noqa: ASYNC109 - as result
        """The record of the job once it has ended, however that was.

        Raises:
            TimeoutError: It has not ended after `timeout` seconds; it goes on.
            UnknownJobError: Its record has expired.
        """
        async with asyncio.timeout(timeout):
            pause = _FIRST_LOOK
            while (record := await self.record()).state not in TERMINAL:
                if pause > _LAST_LOOK:
                    return await self._ended_later(record.channel)
                await asyncio.sleep(pause)
                pause *= 1.5
            return record

    async def _ended_later(self, channel: str) -> JobRecord:
        """Wait for the end event; look again now and then, for a job that writes no channel."""
        async with self._client.subscribe([channel]) as events:
            while (record := await self.record()).state not in TERMINAL:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_AGAIN):
                        await self._end_among(events)
            return record

    async def _end_among(self, events: Subscription) -> None:
        mark = self.id.encode()
        async for event in events:
            if isinstance(event, Gap) or (mark in event.data and b'"state"' in event.data):
                return

    async def result(self, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - our callers' word
        """What the handler returned, decoded from JSON.

        Raises:
            JobFailedError: The job ended without success; the error carries its record.
            TimeoutError: It has not ended after `timeout` seconds; it goes on.
            UnknownJobError: Its record has expired.
        """
        record = await self.ended(timeout)
        if record.state is not State.SUCCEEDED:
            raise JobFailedError(record.id, record.state, reason_of(record))
        if record.result is None:
            return None
        return msgspec.json.decode(record.result)


def reason_of(record: JobRecord) -> str:
    """Why a job ended as it did: its last error, or what its record says."""
    if record.errors:
        last = record.errors[-1]
        return f"{last.get('type')}: {last.get('message')}"
    return record.reason or ""
