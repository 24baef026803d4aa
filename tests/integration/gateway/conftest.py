"""A gateway on a real port over a real Valkey, and two unmodified SDKs that talk to it alike."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest
import uvloop
from centrifuge import (
    CentrifugeError,
    Client,
    ClientEventHandler,
    HistoryResult,
    ReplyError,
    StreamPosition,
    Subscription,
    SubscriptionEventHandler,
)
from starlette.routing import Route, Router

from tidegate.api.service import guarded
from tidegate.channels.backend import ChannelSettings
from tidegate.channels.backends.valkey import ValkeyChannels
from tidegate.channels.channel import Channels
from tidegate.clock import SYSTEM
from tidegate.connections.valkey import Valkey
from tidegate.gateway import sse
from tidegate.gateway.auth import Cap, Keyring, Right
from tidegate.gateway.hosts import HostPolicy
from tidegate.gateway.server import Gateway
from tidegate.gateway.sse import Sse
from tidegate.gateway.websocket import PATH, Upgrades
from tidegate.jobs.job import JobRecord, State
from tidegate.runtime.doors import open_port
from tidegate.runtime.front import Front


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Sockets behave a little differently on each loop; control runs on this one."""
    return {"uvloop": uvloop.new_event_loop}


SETTINGS = (
    ChannelSettings(pattern="conflated:*", slow="conflate"),
    ChannelSettings(pattern="cut:*", slow="cut"),
    ChannelSettings(pattern="big:*", hot_bytes=64 * 1024 * 1024),
    ChannelSettings(pattern="short:*", hot_events=8, hot_bytes=4096, keep_bytes=4096),
)
EVERYTHING: tuple[Right, ...] = ("subscribe", "publish", "history", "presence", "rpc")


@dataclass
class Running:
    """A gateway that runs, on a port that stays the same when it is started again."""

    valkey: Valkey
    backend: ValkeyChannels
    keyring: Keyring
    port: int = 0
    records: dict[str, JobRecord] = field(default_factory=dict)
    gateway: Gateway = field(init=False)
    stack: AsyncExitStack = field(init=False)

    async def start(self) -> None:
        self.stack = AsyncExitStack()
        enter = self.stack.enter_async_context
        channels = await enter(Channels(self.backend))
        self.gateway = await enter(
            Gateway(
                hub=channels.hub,
                valkey=self.valkey,
                keyring=self.keyring,
                find_job=self.find_job,
                version="test",
            )
        )
        hosts = HostPolicy(is_loopback=True)
        door = open_port("127.0.0.1", self.port)
        self.port = door.getsockname()[1]
        stream = guarded(Sse(self.gateway, channels, hosts))
        await enter(
            Front(
                Router([Route(sse.PATH, stream)]),
                [door],
                upgrades=Upgrades(self.gateway, hosts),
                grace=1.0,
            )
        )

    async def find_job(self, job: str) -> JobRecord | None:
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

    async def publish(self, channel: str, *events: object) -> None:
        await self.backend.append(channel, [json.dumps(event).encode() for event in events])


@pytest.fixture
async def running(valkey: Valkey) -> AsyncIterator[Running]:
    async with ValkeyChannels(valkey, settings=SETTINGS) as backend:
        running = Running(valkey, backend, Keyring(["k" * 32]))
        await running.start()
        yield running
        await running.stop()


class RefusedError(Exception):
    """The gateway answered a command with an error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Sdk(Protocol):
    """One SDK's client, reduced to what the tests need; `told` is all its handlers heard."""

    told: list[dict[str, Any]]

    async def ask(self, op: str, **fields: Any) -> Any: ...

    async def close(self) -> None: ...


class Heard:
    """What a client was told, in order, and a way to wait for it."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self._news = asyncio.Condition()

    async def note(self, line: dict[str, Any]) -> None:
        async with self._news:
            self.told.append(line)
            self._news.notify_all()

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [line for line in self.told if line["kind"] == kind]

    def data(self, channel: str) -> list[Any]:
        return [line["data"] for line in self.all("publication") if line["channel"] == channel]

    async def until(self, kind: str, count: int = 1) -> dict[str, Any]:
        async with asyncio.timeout(10), self._news:
            await self._news.wait_for(lambda: len(self.all(kind)) >= count)
        return self.all(kind)[-1]


class PythonSdk(Heard):
    """The unmodified PyPI `centrifuge-python`."""

    def __init__(self) -> None:
        super().__init__()
        self._client: Client
        self._subscriptions: dict[str, Subscription] = {}
        self._next_token = ""

    async def ask(self, op: str, **fields: Any) -> Any:
        try:
            return await getattr(self, f"_{op}")(**fields)
        except ReplyError as error:
            raise RefusedError(error.code, error.message) from error
        except CentrifugeError as error:
            raise RefusedError(-1, str(error)) from error

    async def close(self) -> None:
        await self._client.disconnect()

    async def _connect(self, url: str, token: str) -> None:
        self._token = token
        self._client = Client(
            url,
            events=_ClientEvents(self),
            token=token,
            get_token=self._get_token,
            min_reconnect_delay=0.05,
        )
        await self._client.connect()
        await self._client.ready(5)

    async def _get_token(self) -> str:
        await self.note({"kind": "token_wanted"})
        return self._next_token or self._token

    async def _next_token_is(self, token: str) -> None:
        self._next_token = token

    async def _disconnect(self) -> None:
        await self._client.disconnect()

    async def _subscribe(self, channel: str, *, from_start: bool = False, token: str = "") -> None:
        async def beginning(_channel: str) -> StreamPosition:
            return StreamPosition(0, "")

        subscription = self._client.new_subscription(
            channel,
            events=_SubscriptionEvents(self, channel),
            token=token,
            get_state=beginning if from_start else None,
        )
        self._subscriptions[channel] = subscription
        await subscription.subscribe()
        await subscription.ready(5)

    async def _unsubscribe(self, channel: str) -> None:
        await self._subscriptions[channel].unsubscribe()

    async def _publish(self, channel: str, data: Any) -> None:
        await self._client.publish(channel, data)

    async def _rpc(self, method: str, data: Any) -> Any:
        return (await self._client.rpc(method, data)).data

    async def _history(
        self,
        channel: str,
        limit: int,
        since: dict[str, Any] | None = None,
        *,
        reverse: bool = False,
    ) -> dict[str, Any]:
        position = StreamPosition(**since) if since else None
        found: HistoryResult = await self._client.history(channel, limit, position, reverse)
        events = [{"offset": each.offset, "data": each.data} for each in found.publications]
        return {"events": events, "epoch": found.epoch, "offset": found.offset}

    async def _presence(self, channel: str) -> dict[str, Any]:
        found = await self._client.presence(channel)
        return {client: asdict(info) for client, info in found.clients.items()}

    async def _presence_stats(self, channel: str) -> dict[str, int]:
        found = await self._client.presence_stats(channel)
        return {"clients": found.num_clients, "users": found.num_users}


class _ClientEvents(ClientEventHandler):
    def __init__(self, sdk: PythonSdk) -> None:
        self._sdk = sdk

    async def on_connecting(self, ctx: Any) -> None:
        await self._sdk.note({"kind": "connecting", "code": ctx.code, "reason": ctx.reason})

    async def on_connected(self, ctx: Any) -> None:
        await self._sdk.note({"kind": "connected"})

    async def on_disconnected(self, ctx: Any) -> None:
        await self._sdk.note({"kind": "disconnected", "code": ctx.code, "reason": ctx.reason})

    async def on_error(self, ctx: Any) -> None:
        await self._sdk.note({"kind": "error", "code": ctx.code, "reason": str(ctx.error)})


class _SubscriptionEvents(SubscriptionEventHandler):
    def __init__(self, sdk: PythonSdk, channel: str) -> None:
        self._sdk = sdk
        self._channel = channel

    async def on_publication(self, ctx: Any) -> None:
        line = {"channel": self._channel, "offset": ctx.pub.offset, "data": ctx.pub.data}
        await self._sdk.note({"kind": "publication", **line})

    async def on_subscribed(self, ctx: Any) -> None:
        await self._sdk.note(
            {
                "kind": "subscribed",
                "channel": self._channel,
                "recovered": ctx.recovered,
                "was_recovering": ctx.was_recovering,
                "offset": ctx.stream_position.offset,
                "epoch": ctx.stream_position.epoch,
            }
        )

    async def on_subscribing(self, ctx: Any) -> None:
        await self._sdk.note({"kind": "subscribing", "code": ctx.code, "reason": ctx.reason})

    async def on_unsubscribed(self, ctx: Any) -> None:
        await self._sdk.note({"kind": "unsubscribed", "code": ctx.code, "reason": ctx.reason})

    async def on_error(self, ctx: Any) -> None:
        code = getattr(ctx.error, "code", ctx.code)
        await self._sdk.note({"kind": "subscription_error", "code": code, "reason": str(ctx.error)})


class NodeSdk(Heard):
    """The unmodified npm `centrifuge`, in a process of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._process: asyncio.subprocess.Process
        self._reading: asyncio.Task[None]
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._count = 0

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            "node",
            "--experimental-websocket",
            "--no-warnings",
            str(Path(__file__).with_name("client.mjs")),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=32 * 1024 * 1024,
        )
        self._reading = asyncio.create_task(self._read())

    async def ask(self, op: str, **fields: Any) -> Any:
        self._count += 1
        future = self._waiting[self._count] = asyncio.get_running_loop().create_future()
        name = "next_token" if op == "next_token_is" else op
        line = json.dumps({"id": self._count, "op": name, **fields})
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        async with asyncio.timeout(10):
            return await future

    async def close(self) -> None:
        self._process.kill()
        await self._process.wait()
        await self._reading

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for text in self._process.stdout:
            line = json.loads(text)
            if "answer" not in line:
                await self.note(line)
                continue
            future = self._waiting.pop(line["answer"])
            if "error" in line:
                future.set_exception(RefusedError(line["error"]["code"], line["error"]["message"]))
            else:
                future.set_result(line["result"])


async def _python() -> PythonSdk:
    return PythonSdk()


async def _node() -> NodeSdk:
    if shutil.which("node") is None:
        pytest.skip("Node.js is not installed")
    sdk = NodeSdk()
    await sdk.start()
    return sdk


@pytest.fixture(params=["python", pytest.param("node", marks=pytest.mark.node)])
async def connected(
    request: pytest.FixtureRequest, running: Running
) -> AsyncIterator[Callable[..., Awaitable[Any]]]:
    """Makes connected clients of each SDK in turn; they end with the test."""
    make = {"python": _python, "node": _node}[request.param]
    made: list[Any] = []

    async def connect(token: str | None = None) -> Any:
        sdk = await make()
        made.append(sdk)
        await sdk.ask("connect", url=running.url, token=token or running.token())
        return sdk

    yield connect
    for sdk in made:
        await sdk.close()


@pytest.fixture
def refused() -> type[RefusedError]:
    """What `ask` raises where the gateway answers with an error."""
    return RefusedError


@pytest.fixture
def ended_job() -> Callable[[str], JobRecord]:
    """Makes the record of a job that succeeded without a word."""

    def make(job: str) -> JobRecord:
        return JobRecord(
            id=job,
            queue="q",
            name="app.quiet",
            state=State.SUCCEEDED,
            attempt=1,
            crashes=0,
            deliveries=1,
            enqueued_at=1.0,
            finished_at=2.0,
            channel=f"job:{job}",
        )

    return make
