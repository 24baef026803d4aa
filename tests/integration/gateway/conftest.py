"""A gateway on a real port over a real Valkey, and the means to talk to it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest
from centrifuge import Client, ClientEventHandler, SubscriptionEventHandler

from tidegate.channels.backend import ChannelSettings
from tidegate.channels.backends.valkey import ValkeyChannels
from tidegate.channels.hub import Hub
from tidegate.clock import SYSTEM
from tidegate.connections.valkey import Valkey
from tidegate.gateway.auth import Cap, Keyring, Right
from tidegate.gateway.hosts import HostPolicy
from tidegate.gateway.server import Gateway
from tidegate.gateway.websocket import PATH, Upgrades
from tidegate.jobs.job import JobRecord
from tidegate.runtime.doors import open_port
from tidegate.runtime.front import Front

SETTINGS = (
    ChannelSettings(pattern="conflated:*", slow="conflate"),
    ChannelSettings(pattern="cut:*", slow="cut"),
    ChannelSettings(pattern="short:*", hot_events=8, hot_bytes=4096, replay=False),
)
EVERYTHING: tuple[Right, ...] = ("subscribe", "publish", "history", "presence", "rpc")


async def not_found(_scope: object, _receive: object, send: Callable[..., object]) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@dataclass
class Running:
    """A gateway that runs, on a port that stays the same when it is started again."""

    valkey: Valkey
    channels: ValkeyChannels
    keyring: Keyring
    port: int = 0
    records: dict[str, JobRecord] = field(default_factory=dict)
    gateway: Gateway = field(init=False)
    stack: AsyncExitStack = field(init=False)

    async def start(self) -> None:
        self.stack = AsyncExitStack()
        enter = self.stack.enter_async_context
        hub = await enter(Hub(self.channels))
        self.gateway = await enter(
            Gateway(
                hub=hub,
                valkey=self.valkey,
                keyring=self.keyring,
                find_job=self.records_get,
                version="test",
            )
        )
        upgrades = Upgrades(self.gateway, HostPolicy(is_loopback=True))
        door = open_port("127.0.0.1", self.port)
        self.port = door.getsockname()[1]
        await enter(Front(not_found, [door], upgrades=upgrades, grace=1.0))

    async def records_get(self, job: str) -> JobRecord | None:
        return self.records.get(job)

    async def stop(self) -> None:
        await self.stack.aclose()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}{PATH}"

    def token(
        self,
        *patterns: str,
        sub: str = "ann",
        allow: tuple[Right, ...] = EVERYTHING,
        ttl: float | None = 60.0,
    ) -> str:
        caps = [Cap(channels=patterns or ("*", "*:*"), allow=frozenset(allow))]
        return self.keyring.issue(sub=sub, now=SYSTEM.now(), ttl=ttl, caps=caps)


@pytest.fixture
async def running(valkey: Valkey) -> AsyncIterator[Running]:
    async with ValkeyChannels(valkey, settings=SETTINGS) as channels:
        running = Running(valkey, channels, Keyring(["k" * 32]))
        await running.start()
        yield running
        await running.stop()


class Seen(ClientEventHandler, SubscriptionEventHandler):
    """What one client's handlers were told, in order, and a way to wait for it."""

    def __init__(self) -> None:
        self.data: list[object] = []
        self.subscribed: list[object] = []
        self.unsubscribed: list[object] = []
        self.disconnected: list[object] = []
        self.connecting: list[object] = []
        self.errors: list[object] = []
        self._news = asyncio.Condition()

    async def _note(self, into: list[object], what: object) -> None:
        into.append(what)
        async with self._news:
            self._news.notify_all()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10), self._news:
            await self._news.wait_for(holds)

    async def on_publication(self, ctx: object) -> None:
        await self._note(self.data, ctx.pub.data)  # type: ignore[attr-defined]

    async def on_subscribed(self, ctx: object) -> None:
        await self._note(self.subscribed, ctx)

    async def on_subscribing(self, ctx: object) -> None:
        await self._note(self.unsubscribed, ctx)

    async def on_unsubscribed(self, ctx: object) -> None:
        await self._note(self.unsubscribed, ctx)

    async def on_disconnected(self, ctx: object) -> None:
        await self._note(self.disconnected, ctx)

    async def on_connecting(self, ctx: object) -> None:
        await self._note(self.connecting, ctx)

    async def on_error(self, ctx: object) -> None:
        await self._note(self.errors, ctx)


@pytest.fixture
async def sdk(running: Running) -> AsyncIterator[Callable[..., tuple[Client, Seen]]]:
    """Makes clients of the unmodified Python SDK, and ends them with the test."""
    clients: list[Client] = []

    def make(token: str | None = None, **options: object) -> tuple[Client, Seen]:
        seen = Seen()
        client = Client(
            running.url, events=seen, token=running.token() if token is None else token, **options
        )
        clients.append(client)
        return client, seen

    yield make
    for client in clients:
        await client.disconnect()
