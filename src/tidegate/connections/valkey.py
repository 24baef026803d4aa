"""Connections to Valkey for commands: one for an event loop, one for a thread.

Commands of one event-loop turn travel together (automatic pipelining), which is what makes one
process fast enough; `docs/decisions/0002-own-valkey-client.md` has the figures.
"""

import asyncio
import socket
from contextlib import suppress
from typing import Final, Self

import hiredis

from tidegate.connections.address import Address
from tidegate.connections.library import Library, library
from tidegate.connections.link import (
    Argument,
    Link,
    Reply,
    ReplyError,
    greeting,
    open_link,
    packed,
    translated,
)
from tidegate.errors import BackendUnavailableError

_FIRST_DELAY: Final = 0.02
_LONGEST_DELAY: Final = 1.0


def app_prefix(app: str) -> str:
    """The prefix of every key of an app; its braces make them one cluster slot."""
    return f"tg1:{{{app}}}:"


class Valkey:
    """A connection for commands, shared by every coroutine of a process.

    Reconnects by itself. A command that was under way when the socket broke fails with
    `BackendUnavailableError` and may have been applied; one issued while there is no connection
    waits for the next, up to `patience` seconds.
    """

    def __init__(
        self,
        address: Address,
        *,
        app: str,
        name: str = "tidegate",
        patience: float = 10.0,
    ) -> None:
        self.address = address
        self.app = app
        self.prefix = app_prefix(app)
        self.epoch = "0"
        self._name = name
        self._patience = patience
        self._library = library()
        self._link: Link | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._up = asyncio.Event()
        self._closed = False
        self._refusal: Exception | None = None

    @classmethod
    async def open(
        cls, url: str, *, app: str, name: str = "tidegate", patience: float = 10.0
    ) -> "Valkey":
        """A connected client with this release's functions loaded.

        Raises:
            SettingsError: The URL is of another shape.
            BackendUnavailableError: The server did not answer within `patience` seconds.
        """
        client = cls(Address.parse(url), app=app, name=name, patience=patience)
        client._reconnect()
        try:
            await client._connected()
        except BaseException:
            await client.close()
            raise
        return client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def call(self, *args: Argument) -> Reply:
        """The server's reply to one command.

        Raises:
            ReplyError: The server refused the command.
            BackendUnavailableError: No connection, it broke before the reply came, or the server
                cannot take commands now (out of memory, read-only, loading).
        """
        link = self._link
        if link is None or not link.is_open:
            link = await self._connected()
        try:
            return await link.send(packed(*args))
        except ReplyError as refusal:
            raise translated(refusal) from refusal

    async def fcall(self, function: str, *args: Argument) -> Reply:
        """The reply of one of our functions, given the app's prefix and `args`.

        The library is loaded again where the server has lost it.
        """
        try:
            return await self.call("FCALL", self._library.function(function), 1, self.prefix, *args)
        except ReplyError as error:
            if not _is_unknown_function(error):
                raise
        await self.call(*_load_command(self._library))
        return await self.call("FCALL", self._library.function(function), 1, self.prefix, *args)

    async def close(self) -> None:
        """Close the socket; commands under way fail. Closing again does nothing."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            with suppress(asyncio.CancelledError):
                await self._connecting
        if self._link is not None:
            self._link.close()
        self._link = None
        self._up.set()

    async def _connected(self) -> Link:
        try:
            async with asyncio.timeout(self._patience):
                await self._up.wait()
        except TimeoutError:
            raise BackendUnavailableError(
                f"no connection to Valkey at {self.address} for {self._patience:g} s: "
                f"{self._refusal or 'it does not answer'}"
            ) from self._refusal
        if self._link is None:
            raise BackendUnavailableError(f"the connection to Valkey at {self.address} is closed")
        return self._link

    def _reconnect(self) -> None:
        self._up.clear()
        self._link = None
        if self._closed:
            self._up.set()
        else:
            self._connecting = asyncio.create_task(self._connect(), name="valkey-connect")

    async def _connect(self) -> None:
        delay = _FIRST_DELAY
        while True:
            try:
                self._link = await self._opened()
            except (BackendUnavailableError, ReplyError) as error:
                self._refusal = error
                await asyncio.sleep(delay)
                delay = min(delay * 2, _LONGEST_DELAY)
            else:
                if not self._link.is_open:
                    continue  # lost again before this task came to its turn
                self._refusal = None
                self._up.set()
                return

    async def _opened(self) -> Link:
        link = await open_link(self.address, on_lost=self._lost, name=self._name)
        try:
            await self._prepare(link)
        except BaseException:
            link.close()
            raise
        return link

    async def _prepare(self, link: Link) -> None:
        info = await link.send(packed("INFO", "server"))
        try:
            await link.send(packed(*_load_command(self._library)))
        except ReplyError as error:
            if "already exists" not in str(error):  # another process of this release came first
                raise
        hello = self._library.function("hello")
        epoch = await link.send(packed("FCALL", hello, 1, self.prefix, "", _run_id(info)))
        self.epoch = epoch.decode()

    def _lost(self) -> None:
        # Only the link in use counts; one that breaks while greeting is retried by its opener.
        if self._up.is_set() and not (self._link is not None and self._link.is_open):
            self._reconnect()


class BlockingValkey:
    """A connection for one thread: the lease keeper's, whose loop must not wait for another's.

    Every call connects first where there is no connection, and gives up after `timeout` seconds.
    """

    def __init__(self, address: Address, *, app: str, timeout: float, name: str) -> None:
        self._address = address
        self._prefix = app_prefix(app)
        self._timeout = timeout
        self._name = name
        self._library = library()
        self._socket: socket.socket | None = None
        self._reader = hiredis.Reader(protocolError=ReplyError, replyError=ReplyError)

    def fcall(self, function: str, *args: Argument) -> Reply:
        """The reply of one of our functions, given the app's prefix and `args`.

        Raises:
            ReplyError: The server refused the command.
            BackendUnavailableError: No answer within the timeout; the call may have been applied.
        """
        name = self._library.function(function)
        try:
            return self.call("FCALL", name, 1, self._prefix, *args)
        except ReplyError as error:
            if not _is_unknown_function(error):
                raise
        self.call(*_load_command(self._library))
        return self.call("FCALL", name, 1, self._prefix, *args)

    def call(self, *args: Argument) -> Reply:
        """The server's reply to one command; raises as `fcall` does."""
        try:
            if self._socket is None:
                self._socket = self._opened()
            return self._exchange(self._socket, *args)
        except OSError as error:
            self.close()
            raise BackendUnavailableError(
                f"Valkey at {self._address} did not answer: {error}"
            ) from error

    def close(self) -> None:
        """Close the socket; the next call opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _opened(self) -> socket.socket:
        if self._address.path is not None:
            opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            opened.settimeout(self._timeout)
            opened.connect(self._address.path)
        else:
            where = (self._address.host, self._address.port)
            opened = socket.create_connection(where, self._timeout)
            context = self._address.ssl_context()
            if context is not None:
                opened = context.wrap_socket(opened, server_hostname=self._address.host)
        self._reader = hiredis.Reader(protocolError=ReplyError, replyError=ReplyError)
        self._exchange(opened, *greeting(self._address, self._name))
        return opened

    def _exchange(self, where: socket.socket, *args: Argument) -> Reply:
        where.sendall(packed(*args))
        while (reply := self._reader.gets()) is False:
            data = where.recv(65536)
            if not data:
                raise ConnectionResetError("closed by the server")
            self._reader.feed(data)
        if isinstance(reply, ReplyError):
            raise translated(reply)
        return reply


def _load_command(which: Library) -> tuple[str, str, str]:
    return ("FUNCTION", "LOAD", which.source)


def _is_unknown_function(error: ReplyError) -> bool:
    return "unction not found" in str(error)


def _run_id(info: object) -> str:
    text = info.decode() if isinstance(info, bytes) else str(info)
    for line in text.splitlines():
        if line.startswith("run_id:"):
            return line.removeprefix("run_id:").strip()
    return "unknown"
