"""One client's session: what it may do, what it is subscribed to, and what it is owed."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from tidegate.channels.cursor import Cursor
from tidegate.gateway.auth import NOBODY, Claims
from tidegate.gateway.commands import AT_ONCE, WAITING, lane
from tidegate.gateway.frame import text_frame
from tidegate.gateway.outbox import CATCH_UP_BYTES, Next, after_drain
from tidegate.gateway.protocol import (
    EXPIRED,
    INSUFFICIENT_STATE,
    MALFORMED,
    NO_PONG,
    PING,
    SLOW,
    STALE,
    SUBSCRIPTION_EXPIRED,
    Command,
    Disconnect,
    ProtocolError,
    Reply,
    Unsubscribe,
    decoded,
    encoded,
    publications_push,
    request_of,
    unsubscribe_push,
)
from tidegate.gateway.refusals import EndedError, refusal
from tidegate.gateway.subscription import Subscription
from tidegate.observability.logs import Logger

if TYPE_CHECKING:
    from tidegate.gateway.server import Gateway

log = Logger("tidegate.gateway")

MAX_WAITING: Final = 256
"""Commands of one client that may wait, each 4 KiB of what it carries counting as one more; its
socket is not read while there are as many."""

MAX_UNSENT: Final = 16 * 1024 * 1024
"""Bytes that may wait for a client that goes on asking and does not read the answers."""

_PING_FRAME: Final = text_frame(PING)
# A token may be replaced a little late: clients set out to do so when it ends, not before.
_GRACE: Final = 25.0


class Wire(Protocol):
    """A session's socket.

    Attributes:
        write: Sends a frame; keeps it where the client is slow, and tells `Session.full`.
    """

    write: Callable[[bytes], None]

    def unsent(self) -> int:
        """Bytes that wait for the client."""
        ...

    def close(self, why: Disconnect) -> None:
        """End the connection, telling the client why."""
        ...

    def pause_reading(self) -> None:
        """Leave what the client sends in the socket."""
        ...

    def resume_reading(self) -> None:
        """Go on taking what the client sends."""
        ...


class Session:
    """The state of one connection, driven by its socket. Nothing here waits for the network.

    Attributes:
        client: The id of the connection.
        claims: What its token says; `NOBODY` before `connect`.
        subscriptions: By channel; None stands for one that is being made.
    """

    __slots__ = (
        "_is_awaited",
        "_is_full",
        "_is_over",
        "_slot",
        "_unsent",
        "_waiting",
        "_wire",
        "claims",
        "client",
        "gateway",
        "is_connected",
        "subscriptions",
        "write",
    )

    def __init__(self, gateway: "Gateway", wire: Wire, client: str) -> None:
        self.gateway = gateway
        self.client = client
        self.claims: Claims = NOBODY
        self.is_connected = False
        self.subscriptions: dict[str, Subscription | None] = {}
        self.write = wire.write
        self._wire = wire
        self._waiting = 0
        self._is_full = False
        self._is_over = False
        self._is_awaited = False
        self._unsent = 0
        self._slot = gateway.opened(self)

    @property
    def is_idle(self) -> bool:
        """Whether no command of the client is being carried out."""
        return not self._waiting

    def receive(self, frame: bytes | str) -> None:
        """Take a frame from the client."""
        self._is_awaited = False
        try:
            asked = decoded(frame)
        except ProtocolError:
            self.disconnect(MALFORMED)
            return
        for command in asked:
            if not self._is_over:
                self._take(command)

    def _take(self, command: Command) -> None:
        asked = request_of(command)
        if asked is None:
            return  # a pong
        kind, request = asked
        is_first = not self.is_connected
        if is_first != (kind == "connect"):
            self.disconnect(MALFORMED)
        elif kind in AT_ONCE:
            self._answer_at_once(command.id, kind, request)
        else:
            self._wait_for(_weight(request))
            step = partial(self._answer_later, command.id, kind, request)
            self.gateway.lanes.put((self.client, lane(request)), step)

    def _answer_at_once(self, number: int, kind: str, request: Any) -> None:
        try:
            reply = AT_ONCE[kind](self, request)
        except EndedError as ended:
            self.disconnect(ended.why)
        except Exception as failure:  # noqa: BLE001 - the client is told; `refusal` logs
            self.reply(number, Reply(error=refusal(failure)))
        else:
            self.reply(number, reply)

    async def _answer_later(self, number: int, kind: str, request: Any) -> None:
        try:
            if not self._is_over:
                self.reply(number, await WAITING[kind](self, request))
        except Exception as failure:  # noqa: BLE001 - the client is told; `refusal` logs
            self.reply(number, Reply(error=refusal(failure)))
        finally:
            self._wait_for(-_weight(request))

    def _wait_for(self, more: int) -> None:
        was_too_much = self._waiting >= MAX_WAITING
        self._waiting += more
        is_too_much = self._waiting >= MAX_WAITING
        if is_too_much and not was_too_much:
            self._wire.pause_reading()
        elif was_too_much and not is_too_much:
            self._wire.resume_reading()

    def reply(self, number: int, reply: Reply) -> None:
        """Answer command `number`, unless the connection has ended."""
        if self._is_over:
            return
        if self._is_full and self._wire.unsent() > MAX_UNSENT:
            self.disconnect(SLOW)
            return
        reply.id = number
        self.write(text_frame(encoded(reply)))

    def enter(self, channel: str, subscription: Subscription) -> None:
        """Take up a new subscription, whose topic was acquired for it, and make it live."""
        if self._is_over:
            self.gateway.topics.release(subscription.topic)
            return
        self.subscriptions[channel] = subscription
        self.gateway.presence.enter(channel, self.client, self.claims.sub)
        self._admit(subscription)

    def _admit(self, subscription: Subscription) -> None:
        # The client has been told all up to where the topic now is.
        if self._is_full:
            subscription.held_at = subscription.topic.hold_back(self)
        else:
            subscription.held_at = None
            subscription.topic.join(self)

    def unsubscribed(self, channel: str, why: Unsubscribe) -> None:
        """End a subscription from this side, and say so."""
        if self.forget(channel) and not self._is_over:
            self.write(text_frame(unsubscribe_push(channel, why)))

    def forget(self, channel: str) -> bool:
        """End a subscription; whether there was one."""
        subscription = self.subscriptions.pop(channel, None)
        if subscription is None:
            return False
        subscription.topic.leave(self)
        self.gateway.topics.release(subscription.topic)
        self.gateway.presence.leave(channel, self.client)
        return True

    def full(self) -> None:
        """Called when too much waits for the client: hold its channels back."""
        self._is_full = True
        for subscription in tuple(self.subscriptions.values()):
            if subscription is not None and subscription.held_at is None:
                subscription.held_at = subscription.topic.hold_back(self)

    def drained(self) -> None:
        """Called when the client has taken what it was sent: give it what it missed."""
        self._is_full = False
        self._is_awaited = False  # it reads, so it lives
        for channel, subscription in tuple(self.subscriptions.items()):
            if subscription is not None and subscription.held_at is not None and not self._is_full:
                self._resume(channel, subscription, subscription.held_at)

    def _resume(self, channel: str, subscription: Subscription, held_at: Cursor) -> None:
        topic = subscription.topic
        topic.flush()
        comes_next = after_drain(topic.slow, held_at, topic.position)
        if comes_next is Next.LOG:
            catch_up = partial(self._catch_up, channel, subscription)
            self.gateway.lanes.put((self.client, channel), catch_up)
            return
        newest = topic.tail.newest
        if comes_next is Next.NEWEST and newest is not None:
            self.write(text_frame(publications_push(channel, [newest])))
        self._admit(subscription)

    async def _catch_up(self, channel: str, subscription: Subscription) -> None:
        topic = subscription.topic
        while subscription.held_at is not None and not self._is_full:
            try:
                missed = await topic.recover(subscription.held_at, max_bytes=CATCH_UP_BYTES)
            except Exception as error:  # noqa: BLE001 - whatever it is, the client asks once more
                log.warning("catch_up_failed", channel=channel, error=str(error))
                missed = None
            if self.subscriptions.get(channel) is not subscription:
                return
            if missed is None or not missed.is_complete:
                self.unsubscribed(channel, INSUFFICIENT_STATE)
                return
            subscription.held_at = missed.at
            if missed.events:
                self.write(text_frame(publications_push(channel, missed.events)))
            if missed.is_current:
                self._admit(subscription)

    def ping(self) -> None:
        """Ask for a sign of life; called by the wheel."""
        if self.is_connected and not self._is_over:
            self._is_awaited = True
            self._unsent = self._wire.unsent()
            self.write(_PING_FRAME)

    def check(self) -> None:
        """Judge the client by its signs of life and its tokens; called by the wheel."""
        if not self.is_connected:
            self.disconnect(STALE)
        elif self._is_awaited and not self._is_reading():
            self.disconnect(NO_PONG)
        elif _has_ended(self.claims, self.gateway.now()):
            self.disconnect(EXPIRED)
        else:
            self._check_subscriptions()

    def _is_reading(self) -> bool:
        # The ping itself may wait behind what a slow client has not read yet.
        return 0 < self._wire.unsent() < self._unsent

    def _check_subscriptions(self) -> None:
        now = self.gateway.now()
        for channel, subscription in tuple(self.subscriptions.items()):
            claims = subscription.claims if subscription else None
            if claims is not None and _has_ended(claims, now):
                self.unsubscribed(channel, SUBSCRIPTION_EXPIRED)

    def disconnect(self, why: Disconnect) -> None:
        """End the connection from this side; again does nothing."""
        if not self._is_over:
            self.over()
            self._wire.close(why)

    def over(self) -> None:
        """Called when the connection has ended, from whichever side; again does nothing."""
        if self._is_over:
            return
        self._is_over = True
        for channel in tuple(self.subscriptions):
            self.forget(channel)
        self.gateway.closed(self, self._slot)


def _has_ended(claims: Claims, now: float) -> bool:
    return claims.exp is not None and claims.exp + _GRACE <= now


def _weight(request: Any) -> int:
    return 1 + len(getattr(request, "data", b"")) // 4096
