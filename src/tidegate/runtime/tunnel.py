"""WebSockets of services: bytes passed on in both directions, whatever they mean."""

import asyncio
from typing import Any, Final, cast

from uvicorn.config import Config
from uvicorn.server import ServerState

from tidegate.api.refusal import NotFoundError, refusal
from tidegate.errors import TidegateError
from tidegate.runtime.proxy import ServiceUnreachableError
from tidegate.runtime.upstreams import Upstream, Upstreams

_FULL: Final = 256 * 1024
_CONNECT_TIMEOUT: Final = 5.0


class Tunnels:
    """Makes a tunnel for each upgrade; what a front's `upgrades` falls back to.

    Closing it ends every tunnel.
    """

    def __init__(self, upstreams: Upstreams) -> None:
        self._upstreams = upstreams
        self._open: set[_Near] = set()

    def __call__(
        self,
        config: Config,  # noqa: ARG002 - what uvicorn hands to any protocol
        server_state: ServerState,  # noqa: ARG002
        app_state: dict[str, Any],  # noqa: ARG002
    ) -> "_Near":
        """A protocol for one upgrade."""
        return _Near(self._upstreams, self._open)

    def close(self) -> None:
        """End every tunnel; clients come back to whoever serves next."""
        for near in tuple(self._open):
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

    def __init__(self, upstreams: Upstreams, registry: "set[_Near]") -> None:
        super().__init__()
        self._upstreams = upstreams
        self._registry = registry
        self._request = b""
        self._opening: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._registry.add(self)

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            super().data_received(data)
            return
        self._request += data
        if self._opening is None:
            self.transport.pause_reading()
            self._opening = asyncio.create_task(self._open(), name="tunnel")

    async def _open(self) -> None:
        path = self._request.split(b" ", 2)[1].partition(b"?")[0].decode("latin-1")
        upstream = self._upstreams.find(path)
        if upstream is None:
            self._refuse(NotFoundError(f"no service is declared for {path!r}"))
            return
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT):
                far = await _connected(upstream)
        except (OSError, TimeoutError):
            self._refuse(ServiceUnreachableError(upstream.name))
            return
        self.other, far.other = far, self
        far.transport.write(self._request)
        self._request = b""
        if self.transport.is_closing():
            far.transport.close()
        else:
            self.transport.resume_reading()

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
        self._registry.discard(self)
        if self._opening is not None:
            self._opening.cancel()


async def _connected(upstream: Upstream) -> _End:
    loop = asyncio.get_running_loop()
    if upstream.path is not None:
        _, end = await loop.create_unix_connection(_End, upstream.path)
    else:
        _, end = await loop.create_connection(_End, upstream.host, upstream.port)
    return end
