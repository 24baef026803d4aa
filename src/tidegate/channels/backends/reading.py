"""Reads a stretch of a log as one, whichever part of it is hot and which in segments."""

import asyncio
from itertools import accumulate, takewhile
from typing import Final

from msgspec import Struct

from tidegate.channels.backend import Replay
from tidegate.channels.backends.calls import ChannelCalls
from tidegate.channels.cursor import Cursor
from tidegate.channels.event import Event
from tidegate.channels.segment import Segment, unpacked_segment
from tidegate.errors import ObjectError, ObjectMissingError
from tidegate.objects import Objects

_TRIES: Final = 3
# Nothing else is served while a function runs: a call of this size takes well below 1 ms.
_CALL_EVENTS: Final = 500
_CALL_BYTES: Final = 256 * 1024


class _Page(Struct, frozen=True):
    """What the server answers about a cursor: what follows it, as segments or as events."""

    epoch: str
    top: int
    first: int
    complete: bool
    start: int
    segments: list[Segment]
    events: list[bytes]


class LogReader:
    """Replays channels; where `objects` is None nothing was ever spilled."""

    def __init__(self, calls: ChannelCalls, objects: Objects | None) -> None:
        self._calls = calls
        self._objects = objects
        self._app = calls.valkey.app

    async def replay(self, channel: str, since: Cursor, limit: int, max_bytes: int) -> Replay:
        """As `ChannelBackend.replay`."""
        stretch = await self._stretch(channel, since, limit, max_bytes)
        events = stretch.events
        held = sum(len(event.data) for event in events)
        while (
            events and events[-1].offset < stretch.top and len(events) < limit and held < max_bytes
        ):
            here = Cursor(events[-1].offset, stretch.epoch)
            more = await self._stretch(channel, here, limit - len(events), max_bytes - held)
            if more.epoch != stretch.epoch or not (more.complete and more.events):
                break  # it changed under us; the caller's next call is told
            size = sum(len(event.data) for event in more.events)
            if held + size > max_bytes:
                break  # at least one event always comes, and here it is one too many
            events.extend(more.events)
            held += size
        return stretch

    async def hot(self, channel: str, since: Cursor, limit: int, max_bytes: int) -> list[bytes]:
        """Events after `since` that have not been spilled; fewer where another call spills them."""
        events: list[bytes] = []
        held = 0
        while len(events) < limit and held < max_bytes:
            here = Cursor(since.offset + len(events), since.epoch)
            page = await self._page(channel, here, limit - len(events), max_bytes)
            if not page.events or page.start != here.offset + 1 or page.epoch != since.epoch:
                break
            events += page.events
            held += sum(map(len, page.events))
        return _bounded(events, max_bytes)

    async def _stretch(self, channel: str, since: Cursor, limit: int, max_bytes: int) -> Replay:
        for _ in range(_TRIES):
            page = await self._page(channel, since, limit, max_bytes)
            try:
                events = await self._events(channel, page, limit, max_bytes)
            except ObjectMissingError:
                continue  # dropped since the index was read; the next answer says so
            return Replay(
                events=events,
                top=page.top,
                epoch=page.epoch,
                first=page.first,
                complete=page.complete,
            )
        raise ObjectError(
            f"channel {channel!r} counts on a segment from offset {page.start} that is not there; "
            "check that every process has the same TIDEGATE_OBJECTS_URL"
        )

    async def _page(self, channel: str, since: Cursor, limit: int, max_bytes: int) -> _Page:
        epoch, top, first, complete, start, segments, events = await self._calls.of(
            channel,
            "channel_read",
            since.offset,
            since.epoch,
            min(limit, _CALL_EVENTS),
            min(max_bytes, _CALL_BYTES),
        )
        named = [Segment.named(entry.decode()) for entry in segments]
        return _Page(epoch.decode(), top, first, bool(complete), start, named, events)

    async def _events(self, channel: str, page: _Page, limit: int, max_bytes: int) -> list[Event]:
        if not page.segments:
            return [Event(offset, data) for offset, data in enumerate(page.events, page.start)]
        wanted = _within(page.segments, max_bytes)
        parts = await asyncio.gather(*[self._fetched(channel, segment) for segment in wanted])
        events = [event for part in parts for event in part if event.offset >= page.start]
        sizes = [len(event.data) for event in events[:limit]]
        return events[: _fitting(sizes, max_bytes)]

    async def _fetched(self, channel: str, segment: Segment) -> list[Event]:
        if self._objects is None:
            raise ObjectError(
                f"part of channel {channel!r} is in objects, and this process has none; "
                "set TIDEGATE_OBJECTS_URL"
            )
        return unpacked_segment(await self._objects.get(segment.key(self._app, channel)))


def _within(segments: list[Segment], max_bytes: int) -> list[Segment]:
    """The first segment, and those after it that begin within `max_bytes`."""
    begins = accumulate((each.payload_bytes for each in segments), initial=0)
    count = sum(1 for _ in takewhile(lambda begin: begin < max_bytes, begins))
    return segments[: max(1, count)]


def _bounded(events: list[bytes], max_bytes: int) -> list[bytes]:
    return events[: _fitting(list(map(len, events)), max_bytes)]


def _fitting(sizes: list[int], max_bytes: int) -> int:
    """How many, from the first on, fit; at least one."""
    fit = takewhile(lambda held: held <= max_bytes, accumulate(sizes))
    return max(1, sum(1 for _ in fit))
