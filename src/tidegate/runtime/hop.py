"""One hop to a service: HTTP/1.1 over connections that are kept for the next request.

A part of a body is passed on before the next is read, in both directions: a connection holds at
most about 256 KiB of an answer that is not taken, and sends no more than is taken.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Final, Self, cast

import httptools
from msgspec import Struct

from tidegate.runtime.forwarding import Headers, head_bytes
from tidegate.runtime.upstreams import Upstream

_HELD: Final = 256 * 1024
_CONNECT_TIMEOUT: Final = 5.0
_IDLE_KEPT: Final = 32
_FIRST_FINAL: Final = 200


class BrokenError(ConnectionError):
    """The service ended the connection before its answer was whole."""


class CutShortError(ConnectionError):
    """Whoever sends a body went away before it was whole."""


class Request(Struct, frozen=True):
    """What is asked.

    Attributes:
        headers: As they are to be sent; with a `transfer-encoding` the body is sent in chunks.
        body: None where there is none; raises `CutShortError` where it does not come whole.
    """

    method: str
    target: bytes
    headers: Headers
    body: AsyncIterator[bytes] | None = None

    def head(self) -> bytes:
        """The request line and headers, as bytes."""
        return head_bytes(b"%b %b HTTP/1.1" % (self.method.encode(), self.target), self.headers)

    @property
    def is_chunked(self) -> bool:
        """Whether the length of the body is not known beforehand."""
        return any(name == b"transfer-encoding" for name, _ in self.headers)


class Connection(asyncio.Protocol):
    """One connection to a service, for one request at a time.

    Attributes:
        status: Of the answer, once `ask` has returned.
        headers: Likewise; names in lower case.
        has_answered: Whether anything of the answer to the last request has come.
    """

    def __init__(self, *, is_new: bool = True) -> None:
        self._transport: asyncio.Transport
        self._writable = asyncio.Event()
        self._writable.set()
        self.is_new = is_new
        self._begin("")

    def _begin(self, method: str) -> None:
        self._method = method
        self._parser = httptools.HttpResponseParser(self)
        self._parts: deque[bytes] = deque()
        self._held = 0
        self._news = asyncio.Event()
        self._sending: asyncio.Task[None] | None = None
        self.status = 0
        self.headers: Headers = []
        self.has_answered = False
        self._has_head = False
        self._is_whole = False
        self._failure: BrokenError | None = None

    # What the proxy calls

    async def ask(self, request: Request) -> None:
        """Send a request; return once status and headers of the answer are there.

        Raises:
            BrokenError: The service ended the connection instead.
        """
        self._begin(request.method)
        self._transport.write(request.head())
        if request.body is not None:
            send = self._send(request.body, is_chunked=request.is_chunked)
            self._sending = asyncio.create_task(send, name="proxy-upload")
        while not self._has_head:
            if self._failure is not None:
                raise self._failure
            await self._news_came()

    async def parts(self) -> AsyncIterator[bytes]:
        """The body of the answer as it comes.

        Raises:
            BrokenError: It broke off.
        """
        while True:
            while self._parts:
                part = self._parts.popleft()
                self._held -= len(part)
                yield part
            if self._is_whole:
                return
            if self._failure is not None:
                raise self._failure
            self._transport.resume_reading()
            await self._news_came()

    @property
    def is_reusable(self) -> bool:
        """Whether another request may be sent over it."""
        return (
            self._is_whole
            and not self._transport.is_closing()
            and (self._sending is None or self._sending.done())
            and self._method != "HEAD"  # the parser would wait for a body
            and (b"connection", b"close") not in self.headers
        )

    @property
    def is_open(self) -> bool:
        """Whether the service has not closed it."""
        return not self._transport.is_closing()

    async def sent(self) -> None:
        """Return once nothing more of the request's body is read."""
        if self._sending is not None:
            await asyncio.wait((self._sending,))

    async def close(self) -> None:
        """Close it, whatever it is doing."""
        self._transport.close()
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait((self._sending,))

    async def _news_came(self) -> None:
        self._news.clear()
        await self._news.wait()

    async def _send(self, body: AsyncIterator[bytes], *, is_chunked: bool) -> None:
        try:
            async for part in body:
                await self._writable.wait()
                if self._transport.is_closing():
                    return
                if part:
                    chunk = b"%x\r\n%b\r\n" % (len(part), part) if is_chunked else part
                    self._transport.write(chunk)
        except CutShortError:
            # The service would take what comes next for the rest of this body.
            self._transport.close()
            return
        if is_chunked:
            self._transport.write(b"0\r\n\r\n")

    # What the parser calls

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called for each header."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Called once all headers are read."""
        status = self._parser.get_status_code()
        if status < _FIRST_FINAL:
            self.headers.clear()  # "100 Continue" and its like announce the real answer
            return
        self.status = status
        self._has_head = True
        self._is_whole = self._method == "HEAD"
        self._news.set()

    def on_body(self, part: bytes) -> None:
        """Called for each part of the body."""
        self._parts.append(part)
        self._held += len(part)
        if self._held > _HELD:
            self._transport.pause_reading()
        self._news.set()

    def on_message_complete(self) -> None:
        """Called at the end of an answer."""
        self._is_whole = self._has_head
        # The last part may have been too much to hold; the next answer must be read all the same.
        self._transport.resume_reading()
        self._news.set()

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_HELD)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        self.has_answered = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"its answer is no HTTP: {error}")
            self._transport.close()

    def pause_writing(self) -> None:
        """Called by the loop."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Called by the loop."""
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self._writable.set()
        if self._has_head and not self._is_whole and self._ends_with_connection():
            self._is_whole = True
            self._news.set()
        elif not self._is_whole:
            self._fail(str(exc or "it closed the connection"))

    def _ends_with_connection(self) -> bool:
        names = {name for name, _ in self.headers}
        return not names & {b"content-length", b"transfer-encoding"}

    def _fail(self, why: str) -> None:
        self._failure = BrokenError(why)
        self._news.set()


class Hops:
    """Connections to services, those idle kept: 32 each. An async context manager."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str | None, str, int], list[Connection]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for connections in self._idle.values():
            for connection in connections:
                await connection.close()

    async def take(self, upstream: Upstream) -> Connection:
        """A connection to a service, idle or new.

        Raises:
            OSError: The service takes none.
        """
        idle = self._idle.get(_address(upstream), [])
        while idle:
            connection = idle.pop()
            if connection.is_open:
                connection.is_new = False
                return connection
        return await self.open(upstream)

    async def open(self, upstream: Upstream) -> Connection:
        """A new connection to a service; raises as `take` does."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_CONNECT_TIMEOUT):
            if upstream.path is not None:
                _, connection = await loop.create_unix_connection(Connection, upstream.path)
            else:
                _, connection = await loop.create_connection(
                    Connection, upstream.host, upstream.port
                )
        return connection

    async def give_back(self, upstream: Upstream, connection: Connection) -> None:
        """Keep a connection for the next request, or close it."""
        idle = self._idle.setdefault(_address(upstream), [])
        if connection.is_reusable and len(idle) < _IDLE_KEPT:
            idle.append(connection)
        else:
            await connection.close()


def _address(upstream: Upstream) -> tuple[str | None, str, int]:
    return (upstream.path, upstream.host, upstream.port)
