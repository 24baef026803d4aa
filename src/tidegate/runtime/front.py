"""The HTTP server of a process: uvicorn, started and stopped by its owner, not by signals."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Self

import uvicorn

_BACKLOG: Final = 2048
_QUIET: Final[dict[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "loggers": {"uvicorn": {"level": "WARNING"}, "uvicorn.access": {"level": "WARNING"}},
}

Application = Callable[[Any, Any, Any], Awaitable[None]]


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield  # signals are the process's business

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


class Front:
    """Serves an ASGI application at listening sockets; an async context manager.

    It listens when entered, and on leaving gives requests under way `grace` seconds to end.

    Args:
        application: What answers HTTP requests.
        sockets: Where it listens; closed on leaving.
        upgrades: What makes the protocol of a WebSocket; uvicorn's own where not given.
        grace: Seconds.
    """

    def __init__(
        self,
        application: Application,
        sockets: Sequence[socket.socket],
        *,
        upgrades: Callable[..., asyncio.Protocol] | None = None,
        grace: float = 5.0,
    ) -> None:
        ws: Any = upgrades or "websockets-sansio"
        self._sockets = list(sockets)
        self._server = _Server(
            uvicorn.Config(
                application,
                ws=ws,
                log_config=_QUIET,
                access_log=False,
                lifespan="off",
                server_header=False,
                backlog=_BACKLOG,
                # What a request says of its origin is believed only of proxies named there.
                proxy_headers=bool(os.environ.get("FORWARDED_ALLOW_IPS")),
                ws_per_message_deflate=False,
                timeout_graceful_shutdown=max(1, round(grace)),
            )
        )
        self._serving: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._serving = asyncio.create_task(self._server.serve(self._sockets), name="http")
        listening = asyncio.create_task(self._server.listening.wait(), name="http-listening")
        await asyncio.wait((self._serving, listening), return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        if self._serving.done():
            await self._serving
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._serving is not None:
            self._server.should_exit = True
            await self._serving

    def stop_accepting(self) -> None:
        """Take no new connections; those there are go on."""
        for server in self._server.servers:
            server.close()
