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
from tidegate.channels.cursor import Cursor
from tidegate.channels.event import Event, checked_name
from tidegate.channels.framing import unpacked_run
from tidegate.channels.pattern import most_exact
from tidegate.connections.link import Argument, Reply, ReplyError
from tidegate.connections.valkey import PubSub, Valkey
from tidegate.errors import (
    BackendUnavailableError,
    ChannelError,
    StaleAttemptError,
    TidegateError,
)

_STALE: Final = "STALE"
_OUR_REFUSALS: Final = (_STALE, "KEYS")
_DEFAULT: Final = ChannelSettings(pattern="*")


class ValkeyChannels:
    """The channels of one app, as one process sees them.

    Args:
        valkey: The connection for commands; not closed here.
        settings: Bounds by pattern; a channel that no pattern names has the default ones.
        now: Seconds since the epoch; the server's own clock where not given.

    Used as an async context manager. The connection for subscriptions is opened with the first
    one, so that a process which only writes has none.
    """

    def __init__(
        self,
        valkey: Valkey,
        *,
        settings: Sequence[ChannelSettings] = (),
        now: Callable[[], float] | None = None,
    ) -> None:
        self._valkey = valkey
        self._settings = {each.pattern: each for each in settings}
        self._known: dict[str, ChannelSettings] = {}
        self._now = now
        self._opening = asyncio.Lock()
        self._pubsub: PubSub | None = None
        self._cut: dict[str, OnCut] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._pubsub is not None:
            await self._pubsub.__aexit__()

    def settings(self, channel: str) -> ChannelSettings:
        """The bounds in force for a channel."""
        pattern = most_exact(self._settings, channel)
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
        job, fence = (writer.job, writer.fence) if writer else ("", "")
        bounds = self.settings(checked_name(channel))
        try:
            top, epoch, created, *_hot = await self._call(
                "channel_append",
                channel,
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
        reply = await self._call(
            "channel_read", channel, since.offset, since.epoch, limit, max_bytes
        )
        epoch, top, first, complete, start, _segments, events = reply
        return Replay(
            events=[Event(offset, data) for offset, data in enumerate(events, start)],
            top=top,
            epoch=epoch.decode(),
            first=first,
            complete=bool(complete),
        )

    async def top(self, channel: str) -> Cursor:
        """As `ChannelBackend.top`."""
        top, epoch = await self._call("channel_top", channel)
        return Cursor(top, epoch.decode())

    async def subscribe(self, channel: str, on_events: OnEvents, on_cut: OnCut) -> None:
        """As `ChannelBackend.subscribe`."""
        pubsub = await self._subscriber()
        self._cut[channel] = on_cut
        await pubsub.subscribe(self._name(channel), partial(_received, channel, on_events))

    def unsubscribe(self, channel: str) -> None:
        """As `ChannelBackend.unsubscribe`."""
        self._cut.pop(channel, None)
        if self._pubsub is not None:
            self._pubsub.unsubscribe(self._name(channel))

    async def sweep(self, *, limit: int = 500) -> int:
        """As `ChannelBackend.sweep`."""
        ended, _garbage = await self._valkey.fcall("channel_sweep", self._time(), limit)
        return int(ended)

    async def _call(self, function: str, channel: str, *args: Argument) -> Reply:
        name = checked_name(channel)
        try:
            return await self._valkey.fcall(function, self._time(), name, *args)
        except ReplyError as refusal:
            if str(refusal).startswith(_OUR_REFUSALS):
                raise
            raise BackendUnavailableError(
                f"Valkey refused {function} of {channel!r}: {refusal}"
            ) from refusal

    async def _subscriber(self) -> PubSub:
        async with self._opening:
            if self._pubsub is None:
                pubsub = PubSub(self._valkey.address, on_reset=self._reset)
                self._pubsub = await pubsub.__aenter__()
            return self._pubsub

    def _reset(self) -> None:
        for channel, on_cut in list(self._cut.items()):
            on_cut(channel)

    def _name(self, channel: str) -> str:
        return f"{self._valkey.prefix}c:{channel}"

    def _time(self) -> str | int:
        return "" if self._now is None else round(self._now() * 1000)


def _received(channel: str, on_events: OnEvents, body: bytes) -> None:
    epoch, events = unpacked_run(body)
    on_events(channel, epoch, events)


def _ours(refusal: ReplyError, channel: str, writer: Writer | None) -> TidegateError:
    if writer is not None and str(refusal).startswith(_STALE):
        return StaleAttemptError(writer.job, writer.fence)
    return ChannelError(
        f"channel {channel!r} remembers 100000 keys, the most it may; "
        "publish with a shorter window, or without a key"
    )
