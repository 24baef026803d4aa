"""The gateway's sockets: a WebSocket protocol on the bare transport, beside uvicorn's own.

uvicorn hands every upgrade to the class named by its `ws=` setting. The one made here looks at the
path: `/connection/websocket` is the gateway's, anything else goes where it is told, by default to
uvicorn's stock class and so to the ASGI application. Past the handshake a gateway socket has no
task, queue or copy of a frame: a topic writes the same bytes to every subscriber's transport.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, cast

from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from tidegate.gateway.hosts import HostPolicy
from tidegate.gateway.outbox import DRAINED_BYTES, FULL_BYTES
from tidegate.gateway.protocol import Disconnect
from tidegate.gateway.server import Gateway
from tidegate.gateway.session import Session
from tidegate.ids import new_id

PATH: Final = "/connection/websocket"
MAX_MESSAGE: Final = 1024 * 1024 + 64 * 1024
"""Bytes of one frame from a client: an event of the largest size, and its envelope."""

_CLOSE_TIMEOUT: Final = 5.0


class GatewaySocket(asyncio.Protocol):
    """One client's socket."""

    __slots__ = (
        "_connection",
        "_fragments",
        "_gateway",
        "_hosts",
        "_session",
        "_transport",
        "write",
    )

    def __init__(self, gateway: Gateway, hosts: HostPolicy) -> None:
        self._gateway = gateway
        self._hosts = hosts
        self._connection = ServerProtocol(max_size=MAX_MESSAGE)
        self._transport: asyncio.Transport
        self.write: Callable[[bytes], None]
        self._session: Session | None = None
        self._fragments: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by uvicorn, with a connection whose request has arrived."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=FULL_BYTES, low=DRAINED_BYTES)
        self.write = self._transport.write

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        connection = self._connection
        connection.receive_data(data)
        for event in connection.events_received():
            if isinstance(event, Request):
                self._greet(event)
            elif isinstance(event, Frame):
                self._take(event)
        self._send_own()

    def _greet(self, request: Request) -> None:
        refusal = self._hosts.refusal(request.headers.get("Host"), request.headers.get("Origin"))
        if self._gateway.is_draining:
            response = self._connection.reject(
                HTTPStatus.SERVICE_UNAVAILABLE, "shutting down; try again"
            )
        elif refusal is not None:
            response = self._connection.reject(HTTPStatus.FORBIDDEN, refusal)
        else:
            response = self._connection.accept(request)
        self._connection.send_response(response)
        self._send_own()
        if self._connection.state is State.OPEN:
            self._session = Session(self._gateway, self, new_id())

    def _take(self, frame: Frame) -> None:
        session = self._session
        if session is None or frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return  # control frames are answered by the library
        if not self._fragments and frame.fin:
            session.receive(bytes(frame.data))
            return
        self._fragments.append(bytes(frame.data))
        if frame.fin:
            whole, self._fragments = b"".join(self._fragments), []
            session.receive(whole)

    def _send_own(self) -> None:
        """Send what the library has to say: the handshake, pongs, closing."""
        for data in self._connection.data_to_send():
            if data:
                self.write(data)
            else:
                self._transport.close()

    def unsent(self) -> int:
        """Bytes that wait for the client."""
        return self._transport.get_write_buffer_size()

    def close(self, why: Disconnect) -> None:
        """End the connection, telling the client why."""
        if self._connection.state is State.OPEN:
            self._connection.send_close(why.code, why.reason)
            self._send_own()
        # A client that does not answer, or cannot because it is frozen, is not waited for.
        asyncio.get_running_loop().call_later(_CLOSE_TIMEOUT, self._transport.abort)

    def pause_reading(self) -> None:
        """Leave what the client sends in the socket."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on taking what the client sends."""
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        """Called by the transport when its buffer is full."""
        if self._session is not None:
            self._session.full()

    def resume_writing(self) -> None:
        """Called by the transport when its buffer has drained."""
        if self._session is not None:
            self._session.drained()

    def eof_received(self) -> None:
        """Called by the loop; returning nothing lets it close the transport."""

    def connection_lost(self, _exc: Exception | None) -> None:
        """Called by the loop."""
        if self._session is not None:
            self._session.over()


Upgrade = Callable[[Config, ServerState, dict[str, Any]], asyncio.Protocol]


class Upgrades:
    """What uvicorn's `ws=` is set to: makes a protocol for each upgrade.

    Args:
        gateway: Has `/connection/websocket`.
        hosts: Which pages may connect to it.
        others: Makes the protocol for any other path.
    """

    def __init__(
        self, gateway: Gateway, hosts: HostPolicy, *, others: Upgrade = WebSocketsSansIOProtocol
    ) -> None:
        self._gateway = gateway
        self._hosts = hosts
        self._others = others

    def __call__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any]
    ) -> asyncio.Protocol:
        """A protocol that reads where the upgrade is to go."""

        def choose(path: bytes) -> asyncio.Protocol:
            if path == PATH.encode():
                return GatewaySocket(self._gateway, self._hosts)
            return self._others(config, server_state, app_state)

        return _Upgrade(choose)


class _Upgrade(asyncio.Protocol):
    """Reads the path of an upgrade, chooses who is to have it, and steps aside."""

    def __init__(self, choose: Callable[[bytes], asyncio.Protocol]) -> None:
        self._choose = choose
        self._transport: asyncio.Transport
        self._chosen: asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        # uvicorn passes on the request it has read, whole, before anything else.
        target = data.split(b" ", 2)[1]
        self._chosen = self._choose(target.partition(b"?")[0])
        self._chosen.connection_made(self._transport)
        self._chosen.data_received(data)
        # uvicorn makes this object the transport's protocol when it returns from here; nothing can
        # arrive before the loop's next turn, and by then it is the chosen one.
        asyncio.get_running_loop().call_soon(self._transport.set_protocol, self._chosen)

    def connection_lost(self, exc: Exception | None) -> None:
        self._chosen.connection_lost(exc)

    def pause_writing(self) -> None:
        self._chosen.pause_writing()

    def resume_writing(self) -> None:
        self._chosen.resume_writing()
