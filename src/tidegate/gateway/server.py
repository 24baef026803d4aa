"""The gateway of one process: what its sessions share, its clock, its way to end."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from itertools import islice
from typing import Final, Protocol, Self

from tidegate.channels.hub import Hub
from tidegate.clock import SYSTEM
from tidegate.connections.valkey import Valkey
from tidegate.gateway.auth import Keyring
from tidegate.gateway.endings import Endings, FindJob
from tidegate.gateway.lanes import Lanes
from tidegate.gateway.presence import Presence
from tidegate.gateway.protocol import SHUTDOWN, Disconnect
from tidegate.gateway.topic import Topics
from tidegate.gateway.wheel import Spoke, Wheel
from tidegate.observability.logs import Logger

log = Logger("tidegate.gateway")

_SPREAD_STEP: Final = 0.05


class Client(Spoke, Protocol):
    """A connection that the gateway can end: a WebSocket session or an SSE stream."""

    @property
    def is_idle(self) -> bool:
        """Whether it may be ended now without leaving anything half done."""
        ...

    def disconnect(self, why: Disconnect) -> None:
        """End it; again does nothing."""
        ...


class Gateway:
    """Clients and what they share. An async context manager; leaving it ends every client.

    Args:
        hub: The live channels of this process.
        valkey: For presence.
        keyring: Whose tokens are believed.
        find_job: Finds the record of a job, for the end of those that never wrote.
        version: What clients are told of the server.
        now: Seconds since the epoch.
    """

    def __init__(
        self,
        *,
        hub: Hub,
        valkey: Valkey,
        keyring: Keyring,
        find_job: FindJob,
        version: str = "",
        now: Callable[[], float] = SYSTEM.now,
    ) -> None:
        self.channels = hub.backend
        self.keyring = keyring
        self.version = version
        self.now = now
        self.topics = Topics(hub, self._count)
        self.presence = Presence(valkey)
        self.lanes = Lanes()
        self.endings = Endings(find_job)
        self.deliveries = 0
        self.is_draining = False
        self._clients: dict[Client, None] = {}
        self._wheel = Wheel()
        self._open = AsyncExitStack()
        self._running: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self._open.enter_async_context(self.lanes)
        await self._open.enter_async_context(self.presence)
        self._running = [
            asyncio.create_task(self._tick(), name="gateway-wheel"),
            asyncio.create_task(self.endings.run(), name="gateway-endings"),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self.drain(over=0.0)
        await self._open.aclose()

    @property
    def connections(self) -> int:
        """Clients there are."""
        return len(self._clients)

    @property
    def channels_followed(self) -> int:
        """Channels somebody here is subscribed to."""
        return len(self.topics)

    def opened(self, client: "Client") -> int:
        """Take up a client; its slot on the wheel."""
        self._clients[client] = None
        return self._wheel.add(client)

    def closed(self, client: "Client", slot: int) -> None:
        """Forget a client that is gone."""
        self._clients.pop(client, None)
        self._wheel.remove(client, slot)

    async def drain(self, *, over: float) -> None:
        """Send every client elsewhere within `over` seconds, evenly, and take no new ones.

        One that is just carrying out a command goes when that is answered, or with the last.
        """
        self.is_draining = True
        steps = max(1, round(over / _SPREAD_STEP))
        for left in range(steps, 1, -1):
            going = -(-len(self._clients) // left)
            idle = (client for client in self._clients if client.is_idle)
            for client in list(islice(idle, going)):
                client.disconnect(SHUTDOWN)
            if not self._clients:
                return
            await asyncio.sleep(over / steps)
        for client in tuple(self._clients):
            client.disconnect(SHUTDOWN)

    def _count(self, deliveries: int) -> None:
        self.deliveries += deliveries

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self.tick()

    def tick(self) -> None:
        """Ping and check the clients whose turn it is; called once a second."""
        for call in self._wheel.tick():
            try:
                call()
            except Exception:
                log.exception("client_check_failed")
