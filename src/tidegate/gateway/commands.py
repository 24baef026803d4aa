"""What the gateway does for each kind of command."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Raw, Struct

from tidegate.gateway.paging import history
from tidegate.gateway.protocol import (
    BAD_REQUEST,
    INVALID_TOKEN,
    METHOD_NOT_FOUND,
    NOT_AVAILABLE,
    PERMISSION_WITHDRAWN,
    UNAUTHORIZED,
    UNKNOWN_CHANNEL,
    ConnectRequest,
    ConnectResult,
    Empty,
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
    UnsubscribeRequest,
)
from tidegate.gateway.refusals import EndedError, RefusedError
from tidegate.gateway.rights import (
    channel_claims,
    connection_claims,
    may,
    require,
    seconds_left,
)
from tidegate.gateway.subscribing import subscribe
from tidegate.gateway.wheel import TURN

if TYPE_CHECKING:
    from tidegate.gateway.session import Session


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
    session.claims = connection_claims(session, request.token)
    session.is_connected = True
    ttl = seconds_left(session, session.claims)
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
    claims = connection_claims(session, request.token)
    if claims.sub != session.claims.sub:
        raise EndedError(INVALID_TOKEN)
    session.claims = claims
    for channel in tuple(session.subscriptions):
        if not may(session, "subscribe", channel):
            session.unsubscribed(channel, PERMISSION_WITHDRAWN)
    ttl = seconds_left(session, claims)
    return Reply(refresh=RefreshResult(expires=ttl > 0, ttl=ttl))


def sub_refresh(session: "Session", request: SubRefreshRequest) -> Reply:
    """Take a newer token for one subscription."""
    subscription = session.subscriptions.get(request.channel)
    if subscription is None:
        raise RefusedError(UNKNOWN_CHANNEL.saying(f"not subscribed to {request.channel!r}"))
    subscription.claims = channel_claims(session, request.channel, request.token)
    ttl = seconds_left(session, subscription.claims)
    return Reply(sub_refresh=RefreshResult(expires=ttl > 0, ttl=ttl))


def ping(_session: "Session", _request: Empty) -> Reply:
    """Say that the gateway is there."""
    return Reply(ping=Empty())


def send(_session: "Session", _request: SendRequest) -> Reply:
    """End the connection: there is nobody to take a message, and no answer to say so in."""
    raise EndedError(NOT_AVAILABLE)


async def unsubscribe(session: "Session", request: UnsubscribeRequest) -> Reply:
    """Send nothing more of the channel."""
    session.forget(request.channel)
    return Reply(unsubscribe=Empty())


async def publish(session: "Session", request: PublishRequest) -> Reply:
    """Append an event to a channel."""
    require(session, "publish", request.channel)
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
    require(session, "publish", asked.channel)
    stored = await session.gateway.channels.append(
        asked.channel, [bytes(asked.data)], key=asked.key, window=asked.window
    )
    return Reply(rpc=RpcResult(Raw(_encode(Stored(stored.offset, stored.epoch)))))


async def presence(session: "Session", request: PresenceRequest) -> Reply:
    """Who is subscribed to the channel, on any gateway."""
    require(session, "presence", request.channel)
    return Reply(presence=PresenceResult(await session.gateway.presence.read(request.channel)))


async def presence_stats(session: "Session", request: PresenceRequest) -> Reply:
    """How many are."""
    require(session, "presence", request.channel)
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
"""Commands that are answered in the turn of the loop they come in."""

WAITING: Final[dict[str, Callable[["Session", Any], Awaitable[Reply]]]] = {
    "subscribe": subscribe,
    "unsubscribe": unsubscribe,
    "publish": publish,
    "rpc": rpc,
    "history": history,
    "presence": presence,
    "presence_stats": presence_stats,
}
"""Commands that have to wait for the store, or for those before them."""


def lane(request: Any) -> str:
    """What a request is about; those about the same are carried out in order."""
    if not isinstance(request, RpcRequest):
        return str(request.channel)
    try:
        return _decode_addressed(request.data).channel
    except msgspec.MsgspecError:
        return ""
