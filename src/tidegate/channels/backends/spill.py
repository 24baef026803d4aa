"""Keeps logs within their bounds: the older half of one that is too long becomes a segment.

Several processes may spill the same log at once. Each stores its segment under the name that its
content gives it and then asks the server to commit it; the server takes only the one that follows
on from the last, and trims the log in that call. What was refused is deleted again; what a killed
process leaves behind goes when the channel ends.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from msgspec import Struct

from tidegate.channels.backend import ChannelSettings
from tidegate.channels.backends.calls import ChannelCalls
from tidegate.channels.backends.reading import LogReader
from tidegate.channels.cursor import Cursor
from tidegate.channels.segment import Segment, channel_folder, packed_segment
from tidegate.errors import BackendUnavailableError, ObjectError
from tidegate.objects import Objects
from tidegate.observability.logs import Logger

log = Logger("tidegate.channels")

_FIRST_DELAY: Final = 0.1
_LONGEST_DELAY: Final = 5.0
_HOLD_ABOVE: Final = 2.0
_REFUSED: Final = 0


class _Older(Struct, frozen=True):
    """The older half of a log that is too long."""

    epoch: str
    first: int
    events: list[bytes]


class Spiller:
    """Moves the older part of logs to `objects` in the background, one task per channel.

    Where `objects` is None, and in channels without replay, the older part is dropped instead.
    Nothing waits here: a log that holds twice its bounds makes `room` wait, and with it the
    producers of this process, until a segment has been committed, however long objects fail.
    """

    def __init__(self, calls: ChannelCalls, reader: LogReader, objects: Objects | None) -> None:
        self._calls = calls
        self._reader = reader
        self._objects = objects
        self._app = calls.valkey.app
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._held: dict[str, asyncio.Event] = {}

    async def close(self) -> None:
        """Stop; a spill under way is left to the next process that appends."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def room(self, channel: str) -> None:
        """Wait while the log is known to hold twice its bounds."""
        held = self._held.get(channel)
        if held is not None:
            await held.wait()

    def note(self, channel: str, bounds: ChannelSettings, hot_bytes: int, hot_events: int) -> None:
        """Take notice of what a log holds after an append."""
        load = _load(bounds, hot_bytes, hot_events)
        if load > 1 and channel not in self._tasks:
            work = self._spill(channel, bounds)
            self._tasks[channel] = asyncio.create_task(work, name=f"spill-{channel}")
        if load > _HOLD_ABOVE:
            self._held.setdefault(channel, asyncio.Event())

    async def sweep(self, ended: Sequence[str]) -> None:
        """Delete the segments of channels that have ended; what fails is left to a later sweep."""
        for channel in ended:
            try:
                if self._objects is not None:
                    await self._delete_ended(self._objects, channel)
                await self._calls.of(channel, "channel_collected")
            except (BackendUnavailableError, ObjectError) as error:
                log.warning("segments_left", channel=channel, error=str(error))

    async def _spill(self, channel: str, bounds: ChannelSettings) -> None:
        delay = _FIRST_DELAY
        try:
            while True:
                try:
                    older = await self._older(channel, bounds)
                    if older is None:
                        return
                    if older.events:
                        await self._move(channel, bounds, older)
                    delay = _FIRST_DELAY
                except (BackendUnavailableError, ObjectError) as error:
                    log.warning("spill_failed", channel=channel, retry_s=delay, error=str(error))
                    await asyncio.sleep(delay)
                    delay = min(delay * 2, _LONGEST_DELAY)
        finally:
            del self._tasks[channel]
            self._release(channel)

    async def _older(self, channel: str, bounds: ChannelSettings) -> _Older | None:
        epoch, first, hot_bytes, hot_events, is_over = await self._calls.of(
            channel, "channel_excess", bounds.hot_events, bounds.hot_bytes
        )
        if _load(bounds, hot_bytes, hot_events) <= _HOLD_ABOVE:
            self._release(channel)
        if not is_over:
            return None
        since = Cursor(first - 1, epoch.decode())
        half, half_bytes = -(-bounds.hot_events // 2), -(-bounds.hot_bytes // 2)
        events = await self._reader.hot(channel, since, half, half_bytes)
        return _Older(since.epoch, first, events)

    def _release(self, channel: str) -> None:
        held = self._held.pop(channel, None)
        if held is not None:
            held.set()

    async def _move(self, channel: str, bounds: ChannelSettings, older: _Older) -> None:
        payload_bytes = sum(map(len, older.events))
        last = older.first + len(older.events) - 1
        segment = Segment(older.epoch, older.first, last, payload_bytes)
        if self._objects is None or not bounds.replay:
            await self._commit(channel, bounds, segment, stored=False)
            return
        key = segment.key(self._app, channel)
        data = packed_segment(older.epoch, older.first, older.events)
        created = await self._objects.put_if_absent(key, data)
        status, dropped = await self._commit(channel, bounds, segment, stored=True)
        unneeded = [each.key(self._app, channel) for each in dropped]
        if status == _REFUSED and created:
            unneeded.append(key)
        if unneeded:
            with suppress(BackendUnavailableError, ObjectError):  # they go when the channel ends
                await self._objects.delete(*unneeded)

    async def _commit(
        self, channel: str, bounds: ChannelSettings, segment: Segment, *, stored: bool
    ) -> tuple[int, list[Segment]]:
        status, dropped = await self._calls.of(
            channel,
            "channel_spill",
            segment.epoch,
            segment.first,
            segment.last,
            segment.payload_bytes,
            bounds.keep_bytes,
            int(stored),
        )
        return status, [Segment.named(entry.decode()) for entry in dropped]

    async def _delete_ended(self, objects: Objects, channel: str) -> None:
        folder = channel_folder(self._app, channel)
        keys = [info.key async for info in objects.list(folder)]
        # Listed before asking: a channel that has begun again writes in an epoch of its own.
        _top, epoch = await self._calls.of(channel, "channel_top")
        living = f"{folder}/{epoch.decode()}/"
        await objects.delete(*[key for key in keys if not key.startswith(living)])


def _load(bounds: ChannelSettings, hot_bytes: int, hot_events: int) -> float:
    return max(hot_bytes / bounds.hot_bytes, hot_events / bounds.hot_events)
