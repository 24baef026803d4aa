"""The gateway of one process: what its sessions share, its clock, its way to end."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Final, Self

from tidegate.channels.hub import Hub
from tidegate.clock import SYSTEM
from tidegate.connections.valkey import Valkey
from tidegate.gateway.auth import Keyring
from tidegate.gateway.lanes import Lanes
from tidegate.gateway.presence import Presence
from tidegate.gateway.protocol import SHUTDOWN
from tidegate.gateway.session import Session
from tidegate.gateway.topic import Topics
from tidegate.gateway.wheel import Wheel

_SPREAD_STEP: Final = 0.05


class Gateway:
    """Sessions and what they share. An async context manager; leaving it ends every session.

    Args:
        hub: The live channels of this process.
        valkey: For presence.
        keyring: Whose tokens are believed.
        version: What clients are told of the server.
        now: Seconds since the epoch.
    """

    def __init__(
        self,
        *,
        hub: Hub,
        valkey: Valkey,
        keyring: Keyring,
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
        self.deliveries = 0
        self.is_draining = False
        self._sessions: dict[Session, None] = {}
        self._wheel = Wheel()
        self._open = AsyncExitStack()
        self._ticking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._open.enter_async_context(self.lanes)
        await self._open.enter_async_context(self.presence)
        self._ticking = asyncio.create_task(self._tick(), name="gateway-wheel")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)
        await self.drain(over=0.0)
        await self._open.aclose()

    @property
    def connections(self) -> int:
        """Sessions there are."""
        return len(self._sessions)

    @property
    def channels_followed(self) -> int:
        """Channels somebody here is subscribed to."""
        return len(self.topics)

    def opened(self, session: Session) -> int:
        """Take up a session; its slot on the wheel."""
        self._sessions[session] = None
        return self._wheel.add(session)

    def closed(self, session: Session, slot: int) -> None:
        """Forget a session that has ended."""
        self._sessions.pop(session, None)
        self._wheel.remove(session, slot)

    async def drain(self, *, over: float) -> None:
        """Send every client elsewhere within `over` seconds, evenly, and take no new ones.

        A session that is just carrying out a command goes when that is answered, or with the last.
        """
        self.is_draining = True
        steps = max(1, round(over / _SPREAD_STEP))
        for left in range(steps, 0, -1):
            going = len(self._sessions) // left
            idle = [session for session in self._sessions if session.is_idle]
            for session in idle[:going]:
                session.disconnect(SHUTDOWN)
            if self._sessions and left > 1:
                await asyncio.sleep(over / steps)
        for session in tuple(self._sessions):
            session.disconnect(SHUTDOWN)

    def _count(self, deliveries: int) -> None:
        self.deliveries += deliveries

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self._wheel.tick()
