"""WebSockets of services: bytes passed on in both directions, whatever they mean.

Only the request is looked at. It has to be of an allowed host and page, as the gateway's own
sockets have, because a page of another site may open a WebSocket to anywhere.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, cast
from urllib.parse import unquote

from uvicorn.config import Config
from uvicorn.protocols.utils import get_remote_addr, is_ssl
from uvicorn.server import ServerState

from tidegate.api.refusal import NotFoundError, refusal
from tidegate.errors import ForbiddenError, TidegateError
from tidegate.gateway.hosts import HostPolicy
from tidegate.runtime.forwarding import forwarded, head_bytes, parsed_head
from tidegate.runtime.proxy import ServiceUnreachableError
from tidegate.runtime.upstreams import Upstream, Upstreams

_FULL: Final = 256 * 1024
_CONNECT_TIMEOUT: Final = 5.0


class Tunnels:
    """Makes a tunnel for each upgrade; what a front's `upgrades` falls back to.

    Closing it ends every tunnel.
    """

    def __init__(self, upstreams: Upstreams, hosts: HostPolicy) -> None:
        self.upstreams = upstreams
        self.hosts = hosts
        self.open: set[_Near] = set()

    def __call__(
        self,
        config: Config,  # noqa: ARG002 - what uvicorn hands to any protocol
        server_state: ServerState,  # noqa: ARG002
        app_state: dict[str, Any],  # noqa: ARG002
    ) -> "_Near":
        """A protocol for one upgrade."""
        return _Near(self)

    def close(self) -> None:
        """End every tunnel; clients come back to whoever serves next."""
        for near in tuple(self.open):
            near.end()


class _End(asyncio.Protocol):
    """One end of a tunnel: what comes in here goes out there, no faster than it is taken."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.other: _End | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=_FULL)

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            self.other.transport.write(data)

    def eof_received(self) -> None:
        """Nothing: the loop closes this end, and `connection_lost` the other."""

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and not self.other.transport.is_closing():
            self.other.transport.resume_reading()

    def connection_lost(self, _exc: Exception | None) -> None:
        if self.other is not None:
            self.other.transport.close()


class _Near(_End):
    """The client's end.

    Until the service's is open, what the client sends is kept; that is no more than the request,
    because reading stops there.
    """

    def __init__(self, tunnels: Tunnels) -> None:
        super().__init__()
        self._tunnels = tunnels
        self._request = b""
        self._opening: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._tunnels.open.add(self)

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            super().data_received(data)
            return
        self._request += data
        if self._opening is None:
            self.transport.pause_reading()
            self._opening = asyncio.create_task(self._open(), name="tunnel")

    async def _open(self) -> None:
        first_line, headers = parsed_head(self._request)
        try:
            upstream = self._upstream(first_line, dict(headers))
            far = await _connected(upstream)
        except TidegateError as failure:
            self._refuse(failure)
            return
        self.other, far.other = far, self
        client = get_remote_addr(self.transport)
        scheme = "https" if is_ssl(self.transport) else "http"
        far.transport.write(head_bytes(first_line, forwarded(headers, client, scheme)))
        if self.transport.is_closing():
            far.transport.close()
        else:
            self.transport.resume_reading()

    def _upstream(self, first_line: bytes, headers: Mapping[bytes, bytes]) -> Upstream:
        """The service a request is for, once it is sure that it may be asked."""
        refused = self._tunnels.hosts.refusal(
            _text(headers.get(b"host")), _text(headers.get(b"origin"))
        )
        if refused is not None:
            raise ForbiddenError(refused)
        path = first_line.split(b" ", 2)[1].partition(b"?")[0].decode("latin-1")
        upstream = self._tunnels.upstreams.find(unquote(path))
        if upstream is None:
            raise NotFoundError(f"no service is declared for {path!r}")
        return upstream

    def _refuse(self, failure: TidegateError) -> None:
        response = refusal(failure)
        head = b"".join(b"%b: %b\r\n" % header for header in response.raw_headers)
        self.transport.write(
            b"HTTP/1.1 %d Refused\r\n%bconnection: close\r\n\r\n%b"
            % (response.status_code, head, bytes(response.body))
        )
        self.transport.close()

    def end(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._tunnels.open.discard(self)
        if self._opening is not None:
            self._opening.cancel()


async def _connected(upstream: Upstream) -> _End:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT):
            if upstream.path is not None:
                _, end = await loop.create_unix_connection(_End, upstream.path)
            else:
                _, end = await loop.create_connection(_End, upstream.host, upstream.port)
    except OSError as error:
        raise ServiceUnreachableError(upstream.name) from error
    return end


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")
