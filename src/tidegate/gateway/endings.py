"""The end of a job that never wrote: it has no channel, so its record says how it ended.

Such an end is event 1 of an epoch of its own, named after the time the job finished. A client that
has seen it comes back with that place and is told nothing twice; once the job has been redriven
the place is no more, and the client is told so.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from tidegate.channels.cursor import Cursor
from tidegate.channels.event import Event, job_channel
from tidegate.gateway.topic import Topic
from tidegate.jobs.attempt import end_event
from tidegate.jobs.handle import reason_of
from tidegate.jobs.job import TERMINAL, JobRecord, State, claim_of
from tidegate.observability.logs import Logger

log = Logger("tidegate.gateway")

FindJob = Callable[[str], Awaitable[JobRecord | None]]

_PREFIX: Final = job_channel("")
_LOOK_EVERY: Final = 0.5


def is_job_channel(channel: str) -> bool:
    """Whether it is a channel of one job's own."""
    return channel.startswith(_PREFIX)


class Ending(Struct, frozen=True):
    """How a job ended that never wrote."""

    event: Event
    epoch: str

    @property
    def cursor(self) -> Cursor:
        """Where a reader of it stands."""
        return Cursor(self.event.offset, self.epoch)


class Endings:
    """Finds such ends, and watches for those that subscribers are waiting for."""

    def __init__(self, find_job: FindJob) -> None:
        self._find_job = find_job
        self._waited_for: dict[str, Topic] = {}

    async def find(self, channel: str) -> Ending | None:
        """The end of the job a channel without events belongs to; None if it has not ended.

        Raises:
            BackendUnavailableError: Valkey did not answer.
        """
        if not is_job_channel(channel):
            return None
        record = await self._find_job(channel.removeprefix(_PREFIX))
        if record is None or record.state not in TERMINAL or record.channel != channel:
            return None
        return Ending(Event(1, _data(record)), f"end-{round((record.finished_at or 0.0) * 1000)}")

    def watch(self, topic: Topic) -> None:
        """Make the subscribers of an empty job channel ask again once its job has ended."""
        if is_job_channel(topic.channel):
            self._waited_for[topic.channel] = topic

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next look comes soon
                log.warning("job_ends_not_seen", error=str(error))

    async def _look(self) -> None:
        self._waited_for = {
            channel: topic
            for channel, topic in self._waited_for.items()
            if topic.users and not topic.position.offset
        }
        topics = list(self._waited_for.values())
        found = await asyncio.gather(*(self.find(topic.channel) for topic in topics))
        for topic, ending in zip(topics, found, strict=True):
            if ending is not None and topic.users and not topic.position.offset:
                topic.restart()


def _data(record: JobRecord) -> bytes:
    reason = None if record.state is State.SUCCEEDED else reason_of(record)
    return end_event(claim_of(record), record.state, result=record.result, reason=reason)
