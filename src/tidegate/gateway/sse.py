"""Channels over plain SSE: `GET /connection/sse?channel=a&channel=b`, no SDK needed.

Every event's `id:` names the reader's place in all channels of the stream, so a browser that comes
back by itself, to this gateway or another, misses nothing: `EventSource` sends the id along.

    retry: 1000
    id: a=12,b=7@1-3fa2b1c0
    data: {"channel":"a","offset":12,"data":{...}}

A loss is told as `event: gap`, and the server's wish to be left as `event: end` with its reason.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Final

import msgspec
from msgspec import Raw, Struct
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from tidegate.channels.channel import Channels
from tidegate.channels.cursor import Cursor, cursor_text, parsed_cursors
from tidegate.channels.event import checked_name
from tidegate.channels.message import Gap, Message
from tidegate.channels.subscription import Subscription
from tidegate.errors import BackendUnavailableError, ChannelError, ForbiddenError, SlowReaderError
from tidegate.gateway.auth import Claims, bearer
from tidegate.gateway.endings import is_job_channel
from tidegate.gateway.hosts import HostPolicy
from tidegate.gateway.protocol import EXPIRED, SLOW, Disconnect, one_line
from tidegate.gateway.server import Gateway

PATH: Final = "/connection/sse"
MAX_CHANNELS: Final = 64
PING_EVERY: Final = 15.0
"""Seconds; proxies close streams that are silent for 30 to 60."""

_RETRY_MS: Final = 1000
_ENDINGS_EVERY: Final = 1.0
_PING: Final = b": ping\n\n"
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would keep events back until it had a page of them
}


class EventData(Struct):
    """What `data:` holds of an event."""

    channel: str
    offset: int
    data: Raw


_encode: Final = msgspec.json.Encoder().encode


class Sse:
    """Answers requests for a stream.

    Args:
        gateway: Counts the streams, and ends them when it drains.
        channels: The channels of this process.
        hosts: Which pages may connect.
    """

    def __init__(self, gateway: Gateway, channels: Channels, hosts: HostPolicy) -> None:
        self._gateway = gateway
        self._channels = channels
        self._hosts = hosts

    async def __call__(self, request: Request) -> Response:
        """A stream of the channels asked for.

        Raises:
            ForbiddenError: The page or the token may not have one of them.
            TokenError: There is no good token.
            ChannelError: A name or the cursor is malformed, or there are too many.
            BackendUnavailableError: This gateway is shutting down.
        """
        if self._gateway.is_draining:
            raise BackendUnavailableError("this gateway is shutting down; try again")
        origin = request.headers.get("Origin")
        refusal = self._hosts.refusal(request.headers.get("Host"), origin)
        if refusal is not None:
            raise ForbiddenError(refusal)
        names = _names(request.query_params.getlist("channel"))
        claims = self._claims(request, names)
        asked = parsed_cursors(
            request.headers.get("Last-Event-ID") or request.query_params.get("cursor", "")
        )
        stream = Stream(self._gateway, self._channels, claims, {n: asked.get(n) for n in names})
        headers = dict(_HEADERS)
        if origin is not None:
            headers |= {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
        return StreamingResponse(
            stream.text(), headers=headers, media_type="text/event-stream; charset=utf-8"
        )

    def _claims(self, request: Request, names: Iterable[str]) -> Claims:
        # EventSource cannot send headers, so a page gives its token in the query.
        token = bearer(request.headers.get("Authorization")) or request.query_params.get("token")
        claims = self._gateway.keyring.verify(token or "", now=self._gateway.now())
        for name in names:
            claims.require("subscribe", name)
        return claims


class Stream:
    """One client's stream; the gateway knows it as it knows a session."""

    is_idle = True

    def __init__(
        self,
        gateway: Gateway,
        channels: Channels,
        claims: Claims,
        cursors: Mapping[str, Cursor | None],
    ) -> None:
        self._gateway = gateway
        self._channels = channels
        self._claims = claims
        self._asked = cursors
        self._ended: dict[str, Cursor] = {}
        self._why: Disconnect | None = None
        self._patience: asyncio.Timeout | None = None

    async def text(self) -> AsyncIterator[bytes]:
        """The stream itself, until its client goes or it is ended from this side."""
        slot = self._gateway.opened(self)
        try:
            async for part in self._parts():
                yield part
        finally:
            self._gateway.closed(self, slot)

    async def _parts(self) -> AsyncIterator[bytes]:
        endings = [part async for part in self._endings(self._asked)]
        live = {name: at for name, at in self._asked.items() if name not in self._ended}
        async with self._channels.subscribe(live, _known(live)) as subscription:
            # An id without data is no event to a browser, and yet what it comes back with.
            yield b"retry: %d\n%b\n" % (_RETRY_MS, self._id(subscription.cursors))
            for part in endings:
                yield part
            while self._why is None:
                try:
                    item = await self._next(subscription)
                except TimeoutError:
                    yield _PING
                    silent = {n: at for n, at in subscription.cursors.items() if not at.offset}
                    async for part in self._endings(silent):
                        yield part
                except SlowReaderError:
                    self._why = SLOW
                else:
                    self._ended.pop(item.channel, None)
                    yield self._id(subscription.cursors) + _told(item)
        yield b"event: end\ndata: %b\n\n" % _encode(self._why)

    async def _next(self, subscription: Subscription) -> Message | Gap:
        is_waiting_for_end = any(
            not at.offset and name not in self._ended and is_job_channel(name)
            for name, at in subscription.cursors.items()
        )
        wait = _ENDINGS_EVERY if is_waiting_for_end else PING_EVERY
        async with asyncio.timeout(wait) as self._patience:
            return await anext(subscription)

    async def _endings(self, cursors: Mapping[str, Cursor | None]) -> AsyncIterator[bytes]:
        """The ends of jobs that never wrote, among these channels, that were not told yet."""
        for channel, at in cursors.items():
            if channel in self._ended or not is_job_channel(channel):
                continue
            if (await self._channels.backend.top(channel)).offset:
                continue
            ending = await self._gateway.endings.find(channel)
            if ending is None:
                continue
            self._ended[channel] = ending.cursor
            if at != ending.cursor:
                place = self._id({channel: ending.cursor})
                message = Message(channel, 1, ending.epoch, ending.event.data)
                yield place + _told(message)

    def _id(self, cursors: Mapping[str, Cursor]) -> bytes:
        places = {**cursors, **self._ended}
        return b"id: %b\n" % cursor_text(places).encode()

    def ping(self) -> None:
        """Nothing: a stream pings by itself."""

    def check(self) -> None:
        """End the stream if its token has ended; called by the wheel."""
        if self._claims.exp is not None and self._claims.exp <= self._gateway.now():
            self.disconnect(EXPIRED)

    def disconnect(self, why: Disconnect) -> None:
        """End the stream, telling the client why; again does nothing."""
        if self._why is None:
            self._why = why
            if self._patience is not None and not self._patience.expired():
                self._patience.reschedule(asyncio.get_running_loop().time())


def _names(asked: list[str]) -> list[str]:
    names = list(dict.fromkeys(checked_name(name) for name in asked))
    if not 0 < len(names) <= MAX_CHANNELS:
        raise ChannelError(
            f"expected 1 to {MAX_CHANNELS} parameters channel=, found {len(names)}; "
            "name what to subscribe to"
        )
    return names


def _known(cursors: Mapping[str, Cursor | None]) -> dict[str, Cursor]:
    return {name: at for name, at in cursors.items() if at is not None}


def _told(item: Message | Gap) -> bytes:
    if isinstance(item, Gap):
        return b"event: gap\ndata: %b\n\n" % _encode(item)
    event = EventData(item.channel, item.offset, Raw(one_line(item.data)))
    return b"data: %b\n\n" % _encode(event)
