"""Control as the process that `tidegate up` runs: ready, killed, stopped."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from centrifuge import Client, ClientEventHandler, SubscriptionEventHandler

from tidegate.channels.backends.valkey import ValkeyChannels
from tidegate.clock import SYSTEM
from tidegate.connections.embedded import EmbeddedValkey
from tidegate.connections.valkey import Valkey
from tidegate.gateway.auth import Cap, Keyring
from tidegate.runtime.doors import open_port

SECRET = "s" * 32
TARGET = f"{Path(__file__).parent / 'app.py'}:app"


@dataclass
class Control:
    """One control process after the other, behind a door that stays."""

    port: int
    door: Any
    server: EmbeddedValkey
    folder: Path
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, **environment: str) -> None:
        fd = self.door.fileno()
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tidegate.runtime.control",
            TARGET,
            pass_fds=[fd],
            env={
                **os.environ,
                "TIDEGATE_VALKEY_URL": self.server.url,
                "TIDEGATE_SECRET_KEY": SECRET,
                "TIDEGATE_ADMIN_TOKEN": "admin",
                "TIDEGATE_DATA": str(self.folder),
                "TIDEGATE_LISTEN_FD": str(fd),
                "TIDEGATE_SPREAD": "0.2",
                **environment,
            },
            stderr=asyncio.subprocess.PIPE,
        )

    async def end(self, number: int) -> tuple[int, str]:
        assert self.process is not None
        self.process.send_signal(number)
        _, said = await asyncio.wait_for(self.process.communicate(), 15)
        assert self.process.returncode is not None
        return self.process.returncode, said.decode()

    async def get(self, path: str) -> httpx.Response:
        async with httpx.AsyncClient(base_url=self.url, timeout=15, trust_env=False) as http:
            return await http.get(path, headers={"Authorization": "Bearer admin"})


@pytest.fixture
async def control(server: EmbeddedValkey, tmp_path: Path) -> AsyncIterator[Control]:
    door = open_port("127.0.0.1", 0)
    control = Control(door.getsockname()[1], door, server, tmp_path)
    yield control
    if control.process is not None and control.process.returncode is None:
        await control.end(signal.SIGKILL)
    door.close()


class Heard(ClientEventHandler, SubscriptionEventHandler):
    def __init__(self) -> None:
        self.data: list[Any] = []
        self.codes: list[int] = []
        self.recovered: list[bool] = []
        self.news = asyncio.Condition()

    async def on_publication(self, ctx: Any) -> None:
        async with self.news:
            self.data.append(ctx.pub.data)
            self.news.notify_all()

    async def on_connecting(self, ctx: Any) -> None:
        self.codes.append(ctx.code)

    async def on_subscribed(self, ctx: Any) -> None:
        self.recovered.append(ctx.recovered)

    async def until(self, count: int) -> None:
        async with asyncio.timeout(20), self.news:
            await self.news.wait_for(lambda: len(self.data) >= count)


@asynccontextmanager
async def subscribed(control: Control, channel: str) -> AsyncIterator[Heard]:
    caps = [Cap(channels=(channel,), allow=frozenset({"subscribe"}))]
    token = Keyring([SECRET]).issue(sub="ann", now=SYSTEM.now(), ttl=600, caps=caps)
    heard = Heard()
    client = Client(
        control.url.replace("http", "ws") + "/connection/websocket",
        events=heard,
        token=token,
        min_reconnect_delay=0.02,
        max_reconnect_delay=0.1,
    )
    await client.connect()
    subscription = client.new_subscription(channel, events=heard)
    await subscription.subscribe()
    await subscription.ready(15)
    yield heard
    await client.disconnect()


@asynccontextmanager
async def channels(server: EmbeddedValkey) -> AsyncIterator[ValkeyChannels]:
    async with (
        await Valkey.open(server.url, app="test") as valkey,
        ValkeyChannels(valkey) as channels,
    ):
        yield channels


async def test_control_answers_for_api_gateway_and_schedules(control: Control) -> None:
    await control.start()
    assert (await control.get("/readyz")).json()["status"] == "ok"
    assert (await control.get("/v1/queues")).json()["queues"][0]["name"] == "work"
    assert (await control.get("/v1/nothing")).status_code == 404
    assert (await control.get("/page")).json()["error"]["code"] == "not_found"
    status, said = await control.end(signal.SIGTERM)
    assert (status, "Traceback" in said) == (0, False)


async def test_events_published_while_control_is_killed_reach_the_client_once(
    control: Control,
) -> None:
    await control.start()
    async with subscribed(control, "news:a") as heard, channels(control.server) as log:
        for number in range(300):
            await log.append("news:a", [json.dumps(number).encode()])
            if number in (100, 200):
                await heard.until(number - 50)
                await control.end(signal.SIGKILL)
                await control.start()
        await heard.until(300)
    assert heard.data == list(range(300))
    assert heard.recovered == [False, True, True]


async def test_a_control_that_is_stopped_sends_its_clients_away_and_loses_nothing(
    control: Control,
) -> None:
    await control.start()
    async with subscribed(control, "news:a") as heard, channels(control.server) as log:
        await log.append("news:a", [b"1"])
        await heard.until(1)
        status, said = await control.end(signal.SIGTERM)
        assert (status, "Traceback" in said) == (0, False)
        await log.append("news:a", [b"2"])
        await control.start()
        await heard.until(2)
    assert heard.data == [1, 2]
    assert 3001 in heard.codes


async def test_five_megabytes_missed_are_there_soon_after_control_is_back(
    control: Control,
) -> None:
    await control.start()
    async with subscribed(control, "news:a") as heard, channels(control.server) as log:
        await log.append("news:a", [b'"first"'])
        await heard.until(1)
        await control.end(signal.SIGKILL)
        chunk = json.dumps("x" * 16_000).encode()
        for _ in range(16):
            await log.append("news:a", [chunk] * 16)
        await control.start()
        before = time.monotonic()
        await heard.until(257)
    assert heard.recovered == [False, True]
    assert time.monotonic() - before < 15


async def test_a_missing_secret_is_said_and_not_guessed(control: Control) -> None:
    await control.start(TIDEGATE_SECRET_KEY="")
    assert control.process is not None
    _, said = await asyncio.wait_for(control.process.communicate(), 15)
    assert control.process.returncode != 0
    assert b"TIDEGATE_SECRET_KEY" in said
