"""What the gateway does for each kind of command, and how it says no."""

import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Raw, Struct

from tidegate.channels.backend import ChannelBackend, Replay
from tidegate.channels.cursor import START, Cursor
from tidegate.channels.event import checked_name
from tidegate.errors import (
    BackendUnavailableError,
    ForbiddenError,
    TidegateError,
    TokenError,
    UsageError,
)
from tidegate.gateway.auth import Claims, Right, TokenExpiredError
from tidegate.gateway.endings import Ending
from tidegate.gateway.protocol import (
    ALREADY_SUBSCRIBED,
    BAD_REQUEST,
    INTERNAL,
    INVALID_TOKEN,
    LIMIT_EXCEEDED,
    METHOD_NOT_FOUND,
    NOT_AVAILABLE,
    PERMISSION_DENIED,
    PERMISSION_WITHDRAWN,
    REJECT_UNRECOVERED,
    TOKEN_EXPIRED,
    UNAUTHORIZED,
    UNKNOWN_CHANNEL,
    UNRECOVERABLE,
    ConnectRequest,
    ConnectResult,
    Disconnect,
    Empty,
    Error,
    HistoryPosition,
    HistoryRequest,
    HistoryResult,
    PresenceRequest,
    PresenceResult,
    PresenceStatsResult,
    PublishRequest,
    RefreshRequest,
    RefreshResult,
    Reply,
    RpcRequest,
    RpcResult,
    SendRequest,
    SubRefreshRequest,
    SubscribeRequest,
    SubscribeResult,
    UnsubscribeRequest,
    publication,
)
from tidegate.gateway.subscription import Subscription
from tidegate.gateway.topic import Topic
from tidegate.gateway.wheel import TURN
from tidegate.observability.logs import Logger

if TYPE_CHECKING:
    from tidegate.gateway.session import Session

log = Logger("tidegate.gateway")

MAX_SUBSCRIPTIONS: Final = 512
"""Channels one connection may be subscribed to."""

MAX_PAGE: Final = 1000
"""Events in one page of history, which has at most about 1 MiB too."""

_PAGE_BYTES: Final = 1024 * 1024


class RefusedError(TidegateError):
    """A command is not carried out; the client is told `error`."""

    def __init__(self, error: Error) -> None:
        super().__init__(error.message)
        self.error = error


class EndedError(TidegateError):
    """A command is so wrong that the connection ends with `why`."""

    def __init__(self, why: Disconnect) -> None:
        super().__init__(why.reason)
        self.why = why


class Publish(Struct, forbid_unknown_fields=True):
    """What the RPC method `publish` takes.

    Attributes:
        key: The same key within `window` seconds publishes once, however often it is sent.
    """

    channel: str
    data: Raw
    key: str | None = None
    window: float = 300.0


class Stored(Struct):
    """What `publish` answers: where the event is."""

    offset: int
    epoch: str


class _Addressed(Struct):
    channel: str = ""


_decode_publish: Final = msgspec.json.Decoder(Publish).decode
_decode_addressed: Final = msgspec.json.Decoder(_Addressed).decode
_encode: Final = msgspec.json.Encoder().encode


def connect(session: "Session", request: ConnectRequest) -> Reply:
    """Open the session, as far as the token allows."""
    if not request.token:
        raise RefusedError(UNAUTHORIZED.saying("expected a token, found none"))
    session.claims = _verified(session, request.token)
    session.is_connected = True
    ttl = _ttl(session, session.claims)
    return Reply(
        connect=ConnectResult(
            client=session.client,
            version=session.gateway.version,
            expires=ttl > 0,
            ttl=ttl,
            ping=TURN,
            pong=True,
        )
    )


def refresh(session: "Session", request: RefreshRequest) -> Reply:
    """Take a newer token of the same user; what it no longer grants is unsubscribed."""
    claims = _verified(session, request.token)
    if claims.sub != session.claims.sub:
        raise EndedError(INVALID_TOKEN)
    session.claims = claims
    for channel, subscription in tuple(session.subscriptions.items()):
        own = subscription.claims if subscription else None
        if not _may(session, "subscribe", channel, own):
            session.unsubscribed(channel, PERMISSION_WITHDRAWN)
    ttl = _ttl(session, claims)
    return Reply(refresh=RefreshResult(expires=ttl > 0, ttl=ttl))


def sub_refresh(session: "Session", request: SubRefreshRequest) -> Reply:
    """Take a newer token for one subscription."""
    subscription = session.subscriptions.get(request.channel)
    if subscription is None:
        raise RefusedError(UNKNOWN_CHANNEL.saying(f"not subscribed to {request.channel!r}"))
    subscription.claims = _channel_claims(session, request.channel, request.token)
    ttl = _ttl(session, subscription.claims)
    return Reply(sub_refresh=RefreshResult(expires=ttl > 0, ttl=ttl))


def ping(_session: "Session", _request: Empty) -> Reply:
    """Say that the gateway is there."""
    return Reply(ping=Empty())


def send(_session: "Session", _request: SendRequest) -> Reply:
    """End the connection: there is nobody to take a message, and no answer to say so in."""
    raise EndedError(NOT_AVAILABLE)


async def subscribe(session: "Session", request: SubscribeRequest) -> Reply:
    """Send the channel's events from now on, and those missed where they can be recovered."""
    channel = checked_name(request.channel)
    if channel in session.subscriptions:
        raise RefusedError(ALREADY_SUBSCRIBED)
    if len(session.subscriptions) >= MAX_SUBSCRIPTIONS:
        raise RefusedError(LIMIT_EXCEEDED.saying(f"at most {MAX_SUBSCRIPTIONS} subscriptions"))
    claims = _channel_claims(session, channel, request.token) if request.token else None
    if claims is None:
        _require(session, "subscribe", channel)
    session.subscriptions[channel] = None
    try:
        topic = await session.gateway.topics.acquire(channel)
        try:
            result = await _result(session, topic, request)
        except BaseException:
            session.gateway.topics.release(topic)
            raise
    except BaseException:
        session.subscriptions.pop(channel, None)
        raise
    if claims is not None:
        result.ttl = _ttl(session, claims)
        result.expires = result.ttl > 0
    session.enter(channel, Subscription(topic, claims))
    return Reply(subscribe=result)


async def _result(session: "Session", topic: Topic, request: SubscribeRequest) -> SubscribeResult:
    if not topic.position.offset:
        ending = await session.gateway.endings.find(topic.channel)
        if ending is not None:
            return _ended(ending, request)
        session.gateway.endings.watch(topic)
    return await _recovered(topic, request)


def _ended(ending: Ending, request: SubscribeRequest) -> SubscribeResult:
    """The answer for a job that has ended and never wrote: its end, unless that was seen."""
    is_seen = request.recover and Cursor(request.offset, request.epoch) == ending.cursor
    return SubscribeResult(
        recoverable=True,
        positioned=True,
        was_recovering=request.recover,
        recovered=request.recover and (is_seen or not request.offset),
        epoch=ending.epoch,
        offset=ending.cursor.offset if is_seen else 0,
        publications=[] if is_seen else [publication(ending.event)],
    )


async def _recovered(topic: Topic, request: SubscribeRequest) -> SubscribeResult:
    """The answer to a subscriber; after it, no wait may come before it is admitted."""
    since = Cursor(request.offset, request.epoch)
    result = SubscribeResult(
        recoverable=True, positioned=True, was_recovering=request.recover, offset=request.offset
    )
    if request.recover and (topic.replays or since != START):
        missed = await topic.recover(since)
        if missed.is_complete and missed.is_current:
            result.recovered = True
            result.publications = [publication(event) for event in missed.events]
            result.epoch = missed.at.epoch
            return result
        if request.flag & REJECT_UNRECOVERED:
            raise RefusedError(UNRECOVERABLE)
    position = topic.current()
    result.offset, result.epoch = position.offset, position.epoch
    return result


async def unsubscribe(session: "Session", request: UnsubscribeRequest) -> Reply:
    """Send nothing more of the channel."""
    session.forget(request.channel)
    return Reply(unsubscribe=Empty())


async def publish(session: "Session", request: PublishRequest) -> Reply:
    """Append an event to a channel."""
    _require(session, "publish", request.channel)
    await session.gateway.channels.append(request.channel, [bytes(request.data)])
    return Reply(publish=Empty())


async def rpc(session: "Session", request: RpcRequest) -> Reply:
    """Call a method; there is one, `publish`, which may be repeated without harm."""
    if request.method != "publish":
        raise RefusedError(
            METHOD_NOT_FOUND.saying(f"expected method 'publish', found {request.method[:80]!r}")
        )
    try:
        asked = _decode_publish(request.data)
    except msgspec.MsgspecError as error:
        raise RefusedError(BAD_REQUEST.saying(f"method 'publish': {error}")) from error
    _require(session, "publish", asked.channel)
    stored = await session.gateway.channels.append(
        asked.channel, [bytes(asked.data)], key=asked.key, window=asked.window
    )
    return Reply(rpc=RpcResult(Raw(_encode(Stored(stored.offset, stored.epoch)))))


async def history(session: "Session", request: HistoryRequest) -> Reply:
    """A page of the channel's log; less than asked for where the page would be too large."""
    channel = checked_name(request.channel)
    _require(session, "history", channel)
    limit = MAX_PAGE if request.limit < 0 else min(request.limit, MAX_PAGE)
    if not limit:
        top = await session.gateway.channels.top(channel)
        return Reply(history=HistoryResult([], top.epoch, top.offset))
    read = _page_before if request.reverse else _page_after
    page = await read(session.gateway.channels, request, limit)
    publications = [publication(event) for event in page.events]
    return Reply(history=HistoryResult(publications, page.epoch, page.top))


async def _page_after(channels: ChannelBackend, request: HistoryRequest, limit: int) -> Replay:
    since = _cursor(request.since)
    page = await channels.replay(request.channel, since, limit=limit, max_bytes=_PAGE_BYTES)
    # Who asks from the beginning takes what is kept; who asks from a place is told of a loss.
    if not page.complete and since != START:
        raise RefusedError(UNRECOVERABLE)
    return page


async def _page_before(channels: ChannelBackend, request: HistoryRequest, limit: int) -> Replay:
    top = await channels.top(request.channel)
    last = top.offset if request.since is None else min(request.since.offset - 1, top.offset)
    first = Cursor(max(last - limit, 0), top.epoch)
    page = await channels.replay(request.channel, first, limit=limit, max_bytes=_PAGE_BYTES)
    events = [event for event in page.events if event.offset <= last]
    return msgspec.structs.replace(page, events=events[::-1])


def _cursor(position: HistoryPosition | None) -> Cursor:
    return START if position is None else Cursor(position.offset, position.epoch)


async def presence(session: "Session", request: PresenceRequest) -> Reply:
    """Who is subscribed to the channel, on any gateway."""
    _require(session, "presence", request.channel)
    return Reply(presence=PresenceResult(await session.gateway.presence.read(request.channel)))


async def presence_stats(session: "Session", request: PresenceRequest) -> Reply:
    """How many are."""
    _require(session, "presence", request.channel)
    present = await session.gateway.presence.read(request.channel)
    users = {info.user for info in present.values()}
    return Reply(presence_stats=PresenceStatsResult(len(present), len(users)))


AT_ONCE: Final[dict[str, Callable[["Session", Any], Reply]]] = {
    "connect": connect,
    "refresh": refresh,
    "sub_refresh": sub_refresh,
    "ping": ping,
    "send": send,
}
WAITING: Final[dict[str, Callable[["Session", Any], Awaitable[Reply]]]] = {
    "subscribe": subscribe,
    "unsubscribe": unsubscribe,
    "publish": publish,
    "rpc": rpc,
    "history": history,
    "presence": presence,
    "presence_stats": presence_stats,
}


def lane(request: Any) -> str:
    """What a request is about; those about the same are carried out in order."""
    if not isinstance(request, RpcRequest):
        return str(request.channel)
    try:
        return _decode_addressed(request.data).channel
    except msgspec.MsgspecError:
        return ""


def refusal(failure: Exception) -> Error:
    """What a client is told of a failure; one we do not expect is logged, and not shown."""
    if isinstance(failure, RefusedError):
        return failure.error
    for kind, error in _ERRORS.items():
        if isinstance(failure, kind):
            return error.saying(str(failure))
    log.error("command_failed", exc_info=failure)
    return INTERNAL


_ERRORS: Final[dict[type[TidegateError], Error]] = {
    TokenExpiredError: TOKEN_EXPIRED,
    TokenError: UNAUTHORIZED,
    ForbiddenError: PERMISSION_DENIED,
    BackendUnavailableError: INTERNAL,
    UsageError: BAD_REQUEST,
}


def _verified(session: "Session", token: str) -> Claims:
    gateway = session.gateway
    try:
        return gateway.keyring.verify(token, now=gateway.now())
    except TokenExpiredError:
        raise
    except TokenError as error:
        raise EndedError(INVALID_TOKEN) from error


def _channel_claims(session: "Session", channel: str, token: str) -> Claims:
    """What a subscription's own token says; it must be the same user's."""
    gateway = session.gateway
    try:
        claims = gateway.keyring.verify(token, now=gateway.now())
    except TokenExpiredError:
        raise
    except TokenError as error:
        raise RefusedError(PERMISSION_DENIED.saying(str(error))) from error
    if claims.sub != session.claims.sub:
        raise RefusedError(PERMISSION_DENIED.saying("expected a token of the same user"))
    claims.require("subscribe", channel)
    return claims


def _require(session: "Session", right: Right, channel: str) -> None:
    subscription = session.subscriptions.get(channel)
    if not _may(session, right, channel, subscription.claims if subscription else None):
        session.claims.require(right, channel)


def _may(session: "Session", right: Right, channel: str, claims: Claims | None) -> bool:
    return session.claims.grants(right, channel) or (
        claims is not None and claims.grants(right, channel)
    )


def _ttl(session: "Session", claims: Claims) -> int:
    """Whole seconds until the token ends, at least 1; 0 for one that never does."""
    if claims.exp is None:
        return 0
    return max(1, math.ceil(claims.exp - session.gateway.now()))
