"""One socket to a Valkey server: packs commands, coalesces writes, pairs replies with futures."""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, Final, cast

import hiredis

from tidegate.connections.address import Address
from tidegate.errors import BackendUnavailableError

Argument = str | bytes | int | float
# What the server answers is typed by the command, which only the caller knows.
Reply = Any

_CONNECT_TIMEOUT: Final = 5.0
# Probe after 10 s of silence, give up 15 s after something went unanswered (the last is in ms).
_SILENCE: Final = {
    "TCP_KEEPIDLE": 10,
    "TCP_KEEPINTVL": 5,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 15_000,
}


class ReplyError(Exception):
    """The server refused a command; the message is its own, starting with an upper-case code."""


_TEMPORARY: Final = (
    *("OOM ", "BUSY ", "LOADING ", "MISCONF ", "READONLY ", "TRYAGAIN "),
    *("MASTERDOWN ", "CLUSTERDOWN ", "NOREPLICAS "),
)


def translated(refusal: ReplyError) -> Exception:
    """`BackendUnavailableError` where the server may accept the command later, else `refusal`."""
    if str(refusal).startswith(_TEMPORARY):
        return BackendUnavailableError(f"Valkey does not take this now: {refusal}")
    return refusal


def packed(*args: Argument) -> bytes:
    """A command as RESP bytes."""
    data: bytes = hiredis.pack_command(args)  # type: ignore[arg-type]  # the stub lacks "..."
    return data


class Link(asyncio.Protocol):
    """A connected socket. Lost once, lost for good: its owner opens another.

    Commands sent in one turn of the event loop leave in one write, and replies come back in order.
    The buffer of unanswered commands is bounded only by the callers awaiting them.
    """

    def __init__(
        self,
        on_push: Callable[[list[Reply]], None] | None = None,
        on_lost: Callable[[], None] | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(protocolError=ReplyError, replyError=ReplyError)
        self._waiting: deque[asyncio.Future[Reply]] = deque()
        self._outgoing: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._on_push = on_push
        self._on_lost = on_lost

    @property
    def is_open(self) -> bool:
        """Whether commands can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, data: bytes) -> "asyncio.Future[Reply]":
        """A future of the reply to one packed command.

        Cancelling the future does not unsend the command; its reply is read and dropped.
        """
        future: asyncio.Future[Reply] = self._loop.create_future()
        if self._transport is None:
            future.set_exception(_lost())
            return future
        self._waiting.append(future)
        self.write(data)
        return future

    def write(self, data: bytes) -> None:
        """Send a packed command whose answer comes as a push (subscriptions)."""
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(data)

    def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        if self._transport is not None and outgoing:
            self._transport.write(outgoing[0] if len(outgoing) == 1 else b"".join(outgoing))

    def close(self) -> None:
        """Close the socket; unanswered commands fail."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        # uvloop's transports are Transports without inheriting from the class.
        self._transport = cast(asyncio.Transport, transport)
        notice_silence(transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        self._reader.feed(data)
        gets, waiting = self._reader.gets, self._waiting
        while (reply := gets()) is not False:
            if isinstance(reply, hiredis.PushNotification):
                if self._on_push is not None:
                    self._on_push(reply)
                continue
            if not waiting:  # the refusal of a subscription, which nobody waits for here
                if self._on_push is not None:
                    self._on_push([b"refused", reply])
                continue
            future = waiting.popleft()
            if future.done():
                continue
            if isinstance(reply, ReplyError):
                future.set_exception(reply)
            else:
                future.set_result(reply)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Called by the loop."""
        self._transport = None
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_exception(_lost())
                # A caller that was itself cancelled never looks; that is not a leak worth a log.
                future.exception()
        if self._on_lost is not None:
            self._on_lost()


async def open_link(
    address: Address,
    *,
    on_push: Callable[[list[Reply]], None] | None = None,
    on_lost: Callable[[], None] | None = None,
    name: str = "tidegate",
) -> Link:
    """A link that has said HELLO and given its password.

    Raises:
        BackendUnavailableError: The server did not answer within 5 s, or refused the password.
    """
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT):
            link = await _connected(address, on_push, on_lost)
            try:
                await _greeted(link, address, name)
            except BaseException:
                link.close()
                raise
            return link
    except (OSError, TimeoutError, ReplyError) as error:
        raise BackendUnavailableError(f"cannot reach Valkey at {address}: {error}") from error


async def _connected(
    address: Address,
    on_push: Callable[[list[Reply]], None] | None,
    on_lost: Callable[[], None] | None,
) -> Link:
    loop = asyncio.get_running_loop()

    def factory() -> Link:
        return Link(on_push, on_lost)

    if address.path is not None:
        _, link = await loop.create_unix_connection(factory, address.path)
    else:
        _, link = await loop.create_connection(
            factory, address.host, address.port, ssl=address.ssl_context()
        )
    return link


def greeting(address: Address, name: str) -> tuple[Argument, ...]:
    """The HELLO command that opens every connection: RESP3, credentials, a name."""
    auth: tuple[Argument, ...] = ()
    if address.password is not None:
        auth = ("AUTH", address.username or "default", address.password)
    return ("HELLO", 3, *auth, "SETNAME", name)


async def _greeted(link: Link, address: Address, name: str) -> None:
    await link.send(packed(*greeting(address, name)))
    # A server that is still reading its append-only file says HELLO and then refuses commands.
    while True:
        try:
            await link.send(packed("EXISTS", "tg1:ready"))
        except ReplyError as refusal:
            if not str(refusal).startswith("LOADING"):
                raise
            await asyncio.sleep(0.02)
        else:
            return


def notice_silence(opened: Any) -> None:
    """Have the kernel give up a TCP connection whose other end has gone without a word."""
    if opened is None or opened.family not in (socket.AF_INET, socket.AF_INET6):
        return
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _SILENCE.items():
        if hasattr(socket, option):  # macOS has some of them only
            opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def _lost() -> BackendUnavailableError:
    return BackendUnavailableError(
        "the connection to Valkey was lost before it answered; the command may have been applied"
    )
