"""Centrifugo's JSON client protocol, version 2: commands, replies, pushes. Pure.

A frame holds one or more JSON objects, a line each. A command has an id and one request; its reply
has the same id. What the server says unasked is a push, without an id, and `{}` is a ping that the
client answers with `{}`.

The protocol is described at https://centrifugal.dev/docs/transports/client_protocol.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct, field

from tidegate.channels.event import Event
from tidegate.errors import UsageError

PING: Final = b"{}"
_NULL: Final = Raw(b"null")


class ProtocolError(UsageError):
    """A frame that is no list of commands."""

    code = "malformed_command"


class ConnectRequest(Struct):
    """Opens the session; the first command of every connection."""

    token: str = ""
    name: str = ""
    version: str = ""


class SubscribeRequest(Struct):
    """Asks for a channel's events: from now on, or with `recover` from `offset` and `epoch` on."""

    channel: str
    token: str = ""
    recover: bool = False
    offset: int = 0
    epoch: str = ""
    flag: int = 0


class UnsubscribeRequest(Struct):
    """Ends a subscription."""

    channel: str


class PublishRequest(Struct):
    """Appends one event to a channel."""

    channel: str
    data: Raw = _NULL


class HistoryPosition(Struct):
    """Where a page of history begins: after `offset` in `epoch`."""

    offset: int = 0
    epoch: str = ""


class HistoryRequest(Struct):
    """Asks for a page of a channel's log.

    Attributes:
        limit: Events at most; 0 for the position alone, -1 for as many as one page may hold.
        reverse: Newest first; `since` is then where the page ends.
    """

    channel: str
    limit: int = 0
    since: HistoryPosition | None = None
    reverse: bool = False


class PresenceRequest(Struct):
    """Asks who is subscribed to a channel."""

    channel: str


class RpcRequest(Struct):
    """Calls a method of the gateway."""

    method: str = ""
    data: Raw = _NULL


class RefreshRequest(Struct):
    """Replaces the connection's token."""

    token: str


class SubRefreshRequest(Struct):
    """Replaces a subscription's token."""

    channel: str
    token: str


class SendRequest(Struct):
    """A message that expects no reply."""

    data: Raw = _NULL


class Empty(Struct):
    """A request or result without fields."""


class Command(Struct, omit_defaults=True):
    """What a client asks. Exactly one of the requests is set; none is a pong."""

    id: int = 0
    connect: ConnectRequest | None = None
    subscribe: SubscribeRequest | None = None
    unsubscribe: UnsubscribeRequest | None = None
    publish: PublishRequest | None = None
    presence: PresenceRequest | None = None
    presence_stats: PresenceRequest | None = None
    history: HistoryRequest | None = None
    ping: Empty | None = None
    send: SendRequest | None = None
    rpc: RpcRequest | None = None
    refresh: RefreshRequest | None = None
    sub_refresh: SubRefreshRequest | None = None


class Error(Struct, frozen=True):
    """Why a command was refused. A temporary one is worth trying again."""

    code: int
    message: str
    temporary: bool = False

    def saying(self, message: str) -> "Error":
        """The same code with a message of its own."""
        return msgspec.structs.replace(self, message=message)


INTERNAL: Final = Error(100, "internal server error", temporary=True)
UNAUTHORIZED: Final = Error(101, "unauthorized")
UNKNOWN_CHANNEL: Final = Error(102, "unknown channel")
PERMISSION_DENIED: Final = Error(103, "permission denied")
METHOD_NOT_FOUND: Final = Error(104, "method not found")
ALREADY_SUBSCRIBED: Final = Error(105, "already subscribed")
LIMIT_EXCEEDED: Final = Error(106, "limit exceeded")
BAD_REQUEST: Final = Error(107, "bad request")
TOKEN_EXPIRED: Final = Error(109, "token expired")
UNRECOVERABLE: Final = Error(112, "unrecoverable position")


class Disconnect(Struct, frozen=True):
    """Why the server ends a connection, as a WebSocket close code.

    Clients come back by themselves after codes 3000 to 3499 and 4000 to 4499, and stay away after
    3500 to 3999 and 4500 to 4999.
    """

    code: int
    reason: str


SHUTDOWN: Final = Disconnect(3001, "shutdown")
SERVER_ERROR: Final = Disconnect(3004, "internal server error")
EXPIRED: Final = Disconnect(3005, "connection expired")
SLOW: Final = Disconnect(3008, "slow")
NO_PONG: Final = Disconnect(3012, "no pong")
INVALID_TOKEN: Final = Disconnect(3500, "invalid token")
MALFORMED: Final = Disconnect(3501, "bad request")
STALE: Final = Disconnect(3502, "stale")
NOT_AVAILABLE: Final = Disconnect(3508, "not available")


class Unsubscribe(Struct, frozen=True):
    """Why the server ends a subscription. Clients subscribe again after codes from 2500 on."""

    code: int
    reason: str


INSUFFICIENT_STATE: Final = Unsubscribe(2500, "insufficient state")
SUBSCRIPTION_EXPIRED: Final = Unsubscribe(2501, "expired")
PERMISSION_WITHDRAWN: Final = Unsubscribe(2000, "permission denied")

REJECT_UNRECOVERED: Final = 2
"""Bit of `SubscribeRequest.flag`: answer a recovery that fails with an error."""


class Publication(Struct, omit_defaults=True):
    """One event as clients get it. Offset 0 stands for an event that is in no log."""

    data: Raw
    offset: int = 0


class ConnectResult(Struct, omit_defaults=True):
    """The session is open; `ttl` seconds until its token expires, `ping` seconds between pings."""

    client: str
    version: str = ""
    expires: bool = False
    ttl: int = 0
    ping: int = 0
    pong: bool = False


class SubscribeResult(Struct, omit_defaults=True):
    """The subscription stands at `offset` in `epoch`, once `publications` are read."""

    recoverable: bool = False
    positioned: bool = False
    epoch: str = ""
    offset: int = 0
    was_recovering: bool = False
    recovered: bool = False
    publications: list[Publication] = field(default_factory=list)
    expires: bool = False
    ttl: int = 0


class HistoryResult(Struct):
    """A page of the log, and the newest offset there is."""

    publications: list[Publication]
    epoch: str
    offset: int


class ClientInfo(Struct, frozen=True):
    """One subscriber of a channel."""

    user: str
    client: str


class PresenceResult(Struct):
    """Subscribers by client id."""

    presence: dict[str, ClientInfo]


class PresenceStatsResult(Struct):
    """How many connections, and how many users behind them."""

    num_clients: int
    num_users: int


class RpcResult(Struct):
    """What a method answered."""

    data: Raw


class RefreshResult(Struct, omit_defaults=True):
    """Seconds until the new token expires."""

    expires: bool = False
    ttl: int = 0


class Reply(Struct, omit_defaults=True):
    """The answer to one command: an error, or the result of its kind."""

    id: int = 0
    error: Error | None = None
    connect: ConnectResult | None = None
    subscribe: SubscribeResult | None = None
    unsubscribe: Empty | None = None
    publish: Empty | None = None
    presence: PresenceResult | None = None
    presence_stats: PresenceStatsResult | None = None
    history: HistoryResult | None = None
    ping: Empty | None = None
    rpc: RpcResult | None = None
    refresh: RefreshResult | None = None
    sub_refresh: RefreshResult | None = None


_KINDS: Final = Command.__struct_fields__[1:]
_commands: Final = msgspec.json.Decoder(Command)
_encode: Final = msgspec.json.Encoder().encode


def decoded(frame: bytes | bytearray | str) -> list[Command]:
    """The commands of a frame, in order.

    Raises:
        ProtocolError: A line is no command.
    """
    try:
        # Decoded first, because raw parts are taken as they are: bytes that are no UTF-8 would
        # reach every subscriber, whose browsers then end the connection.
        return _commands.decode_lines(frame if isinstance(frame, str) else str(frame, "utf-8"))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"expected a command as JSON on each line, found {error}") from error


def request_of(command: Command) -> tuple[str, Any] | None:
    """The kind of a command and its request; None for a pong."""
    for kind in _KINDS:
        request = getattr(command, kind)
        if request is not None:
            return kind, request
    return None


def encoded(reply: Reply) -> bytes:
    """A reply as one line, without its end."""
    return _encode(reply)


def publication(event: Event) -> Publication:
    """An event as clients get it."""
    return Publication(Raw(one_line(event.data)), event.offset)


def publications_push(channel: str, events: Sequence[Event]) -> bytes:
    """What tells subscribers of events, a line each. The events themselves are not decoded."""
    head = b'{"push":{"channel":"%b","pub":{"data":' % channel.encode()
    return b"\n".join(
        [b'%b%b,"offset":%d}}}' % (head, one_line(event.data), event.offset) for event in events]
    )


def unlogged_push(channel: str, data: bytes) -> bytes:
    """What tells a subscriber of an event that is in no log, and has no offset."""
    return b'{"push":{"channel":"%b","pub":{"data":%b}}}' % (channel.encode(), one_line(data))


def unsubscribe_push(channel: str, why: Unsubscribe) -> bytes:
    """What tells a client that a subscription of its has ended."""
    return _encode({"push": {"channel": channel, "unsubscribe": why}})


def one_line(data: bytes) -> bytes:
    """The same JSON without line breaks."""
    # Lines separate messages. In JSON a bare line break can only stand between tokens.
    return data.replace(b"\n", b" ") if b"\n" in data else data
