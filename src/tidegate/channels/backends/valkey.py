"""Channels in Valkey: the hot part of each log is a stream, the older part segments in objects."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Self

from tidegate.channels.backend import (
    ChannelSettings,
    OnCut,
    OnEvents,
    Published,
    Replay,
    Writer,
    checked_events,
)
from tidegate.channels.backends.calls import STALE, ChannelCalls
from tidegate.channels.backends.reading import LogReader
from tidegate.channels.backends.spill import Spiller
from tidegate.channels.cursor import Cursor
from tidegate.channels.event import checked_name
from tidegate.channels.framing import unpacked_run
from tidegate.channels.pattern import most_exact
from tidegate.connections.link import ReplyError
from tidegate.connections.pubsub import PubSub
from tidegate.connections.valkey import Valkey
from tidegate.errors import ChannelError, StaleAttemptError, TidegateError
from tidegate.objects import Objects

_DEFAULT: Final = ChannelSettings(pattern="*")


class ValkeyChannels:
    """The channels of one app, as one process sees them.

    Args:
        valkey: The connection for commands; not closed here.
        objects: Where the older part of a log goes. Every process of an app has the same; without
            it that part is dropped, and readers are told.
        settings: Bounds by pattern; a channel that no pattern names has the default ones.
        now: Seconds since the epoch; the server's own clock where not given.

    Used as an async context manager. The connection for subscriptions is opened with the first
    one, so that a process which only writes has none.
    """

    def __init__(
        self,
        valkey: Valkey,
        *,
        objects: Objects | None = None,
        settings: Sequence[ChannelSettings] = (),
        now: Callable[[], float] | None = None,
    ) -> None:
        self._valkey = valkey
        self._patterns = tuple(each.pattern for each in settings)
        self._settings = {each.pattern: each for each in settings}
        self._calls = ChannelCalls(valkey, now)
        self._reader = LogReader(self._calls, objects)
        self._spiller = Spiller(self._calls, self._reader, objects)
        self._opening = asyncio.Lock()
        self._pubsub: PubSub | None = None
        self._on_cut: dict[str, OnCut] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._spiller.close()
        if self._pubsub is not None:
            await self._pubsub.__aexit__()

    def settings(self, channel: str) -> ChannelSettings:
        """The bounds in force for a channel."""
        pattern = most_exact(self._patterns, channel)
        return _DEFAULT if pattern is None else self._settings[pattern]

    async def append(
        self,
        channel: str,
        events: Sequence[bytes],
        *,
        writer: Writer | None = None,
        key: str | None = None,
        window: float = 300.0,
        forget: str | None = None,
    ) -> Published:
        """As `ChannelBackend.append`."""
        bounds = self.settings(checked_name(channel))
        await self._spiller.room(channel)
        job, fence = (writer.job, writer.fence) if writer else ("", "")
        try:
            top, epoch, created, hot_bytes, hot_events = await self._calls.of(
                channel,
                "channel_append",
                job,
                fence,
                key or "",
                round(window * 1000),
                forget or "",
                round(bounds.ttl * 1000),
                *checked_events(events),
            )
        except ReplyError as refusal:
            raise _ours(refusal, channel, writer) from refusal
        self._spiller.note(channel, bounds, hot_bytes, hot_events)
        return Published(top, epoch.decode(), bool(created))

    async def replay(
        self,
        channel: str,
        since: Cursor,
        *,
        limit: int = 1000,
        max_bytes: int = 8 * 1024 * 1024,
    ) -> Replay:
        """As `ChannelBackend.replay`."""
        return await self._reader.replay(channel, since, limit, max_bytes)

    async def top(self, channel: str) -> Cursor:
        """As `ChannelBackend.top`."""
        top, epoch = await self._calls.of(channel, "channel_top")
        return Cursor(top, epoch.decode())

    async def subscribe(self, channel: str, on_events: OnEvents, on_cut: OnCut) -> None:
        """As `ChannelBackend.subscribe`."""
        name = self._name(checked_name(channel))
        pubsub = await self._subscriber()
        self._on_cut[channel] = on_cut
        await pubsub.subscribe(name, partial(_received, channel, on_events))

    def unsubscribe(self, channel: str) -> None:
        """As `ChannelBackend.unsubscribe`."""
        self._on_cut.pop(channel, None)
        if self._pubsub is not None:
            self._pubsub.unsubscribe(self._name(channel))

    async def sweep(self, *, limit: int = 100) -> int:
        """As `ChannelBackend.sweep`."""
        ended, with_objects = await self._calls.plain("channel_sweep", limit)
        await self._spiller.sweep([channel.decode() for channel in with_objects])
        return int(ended)

    async def _subscriber(self) -> PubSub:
        async with self._opening:
            if self._pubsub is None:
                pubsub = PubSub(self._valkey.address, on_reset=self._reset)
                self._pubsub = await pubsub.__aenter__()
            return self._pubsub

    def _reset(self) -> None:
        for channel, on_cut in list(self._on_cut.items()):
            on_cut(channel)

    def _name(self, channel: str) -> str:
        return f"{self._valkey.prefix}c:{channel}"


def _received(channel: str, on_events: OnEvents, run: bytes) -> None:
    epoch, events = unpacked_run(run)
    on_events(channel, epoch, events)


def _ours(refusal: ReplyError, channel: str, writer: Writer | None) -> TidegateError:
    if writer is not None and str(refusal).startswith(STALE):
        return StaleAttemptError(writer.job, writer.fence)
    return ChannelError(
        f"channel {channel!r} remembers 100000 keys, the most it may; "
        "publish with a shorter window, or without a key"
    )
