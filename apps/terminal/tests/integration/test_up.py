"""The whole application under `tidegate up`: HTTP, gateway, worker, and what kills do to them."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import centrifuge
import httpx
import pytest

from tidegate.testing.up import RunningUp

ROOT = Path(__file__).parents[4]
Event = dict[str, Any]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUp]:
    workspaces = Path(tempfile.mkdtemp(prefix="tidegate-test-", dir="/var/tmp"))
    settings = {"TERMINAL_WORKSPACES": str(workspaces), "TERMINAL_TIMEOUT": "20"}
    data = tmp_path_factory.mktemp("up")
    with RunningUp("apps.terminal.app", cwd=ROOT, data=data, env=settings) as running:
        yield running
    shutil.rmtree(workspaces, ignore_errors=True)


class Listener(centrifuge.SubscriptionEventHandler):  # type: ignore[misc]
    """Keeps what a channel tells, from its first event."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.news = asyncio.Event()

    async def on_publication(self, ctx: Any) -> None:
        self.events.append(ctx.pub.data)
        self.news.set()

    async def until(self, kind: str, text: str = "", *, seconds: float = 15) -> Event:
        """The first event of that type with that text in it."""
        async with asyncio.timeout(seconds):
            while True:
                for event in self.events:
                    if event["type"] == kind and text in str(event):
                        return event
                self.news.clear()
                await self.news.wait()

    @property
    def output(self) -> str:
        return "".join(event["data"] for event in self.events if event["type"] == "output")


class Page:
    """What the page does: API calls, one gateway connection, a listener per terminal."""

    def __init__(self, http: httpx.AsyncClient, gateway: centrifuge.Client, project: str) -> None:
        self.http = http
        self.gateway = gateway
        self.base = f"/api/projects/{project}"
        self.project = project

    async def terminal(self) -> tuple[str, Listener]:
        """A new terminal, listened to before anything happens in it."""
        made = (await self.http.post(f"{self.base}/terminals", json={})).json()["id"]
        listener = Listener()
        channel = f"terminal:{self.project}:{made}"
        subscription = self.gateway.new_subscription(channel, events=listener)
        await subscription.subscribe()
        await subscription.ready()
        return made, listener

    async def run(self, terminal: str, command: str) -> str:
        answer = await self.http.post(
            f"{self.base}/terminals/{terminal}/commands", json={"command": command}
        )
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job"])

    async def send(self, terminal: str, key: str, data: Event) -> Any:
        channel = f"input:{self.project}:{terminal}"
        return await self.gateway.rpc("publish", {"channel": channel, "key": key, "data": data})

    async def files(self) -> dict[str, bytes]:
        listing = (await self.http.get(f"{self.base}/files")).json()["files"]
        paths = [each["path"] for each in listing]
        return {path: (await self.http.get(f"{self.base}/files/{path}")).content for path in paths}


@pytest.fixture
async def page(up: RunningUp) -> AsyncIterator[Page]:
    async with httpx.AsyncClient(base_url=up.url, timeout=20) as http:
        made = (await http.post("/api/projects", json={"name": "Notes"})).json()["id"]
        session = (await http.get("/api/session")).json()["gateway"]
        address = up.url.replace("http", "ws", 1) + session["url"]
        gateway = centrifuge.Client(address, token=session["token"], proxy=None)
        await gateway.connect()
        await gateway.ready()
        before = asyncio.all_tasks()
        yield Page(http, gateway, made)
        await gateway.disconnect()
        # It closes its socket in a task of its own, which must not outlive the loop.
        if closing := asyncio.all_tasks() - before:
            await asyncio.wait(closing, timeout=5)


async def test_a_command_is_typed_watched_answered_and_its_files_are_there(page: Page) -> None:
    terminal, listener = await page.terminal()
    await page.run(terminal, "read -rp 'name? ' name; echo hello $name | tee greeting.txt")
    await listener.until("output", "name?")
    stored = await page.send(terminal, "w:1", {"type": "keys", "data": "ada\r"})
    again = await page.send(terminal, "w:1", {"type": "keys", "data": "ada\r"})
    assert stored.data["offset"] == again.data["offset"] == 1
    end = await listener.until("exit")
    assert (end["code"], end["state"]) == (0, "succeeded")
    assert await page.files() == {"greeting.txt": b"hello ada\n"}


async def test_a_setting_of_up_reaches_the_worker(page: Page) -> None:
    limits = (await page.http.get("/api/session")).json()["limits"]
    assert limits["command"]["timeout"] == 20.0


async def test_a_worker_killed_under_a_command_ends_it_visibly_and_never_runs_it_twice(
    up: RunningUp, page: Page
) -> None:
    terminal, listener = await page.terminal()
    job = await page.run(terminal, "echo run >> runs.txt; echo up; sleep 300")
    await listener.until("output", "up")
    up.process_of("tidegate worker").send_signal(signal.SIGKILL)
    end = await listener.until("exit", job, seconds=40)
    assert (end["code"], end["state"]) == (None, "dead")
    assert end["reason"]
    second = await page.run(terminal, "cat runs.txt")
    assert (await listener.until("exit", second, seconds=30))["code"] == 0
    assert "run\r\nrun" not in listener.output
    assert (await page.files())["runs.txt"] == b"run\n"


async def test_output_goes_on_where_it_was_after_control_is_killed(
    up: RunningUp, page: Page
) -> None:
    terminal, listener = await page.terminal()
    await page.run(terminal, "for i in $(seq 60); do echo line $i; sleep 0.05; done")
    await listener.until("output", "line 5")
    up.process_of("tidegate control").send_signal(signal.SIGKILL)
    await listener.until("exit", seconds=40)
    assert listener.output == "".join(f"line {number}\r\n" for number in range(1, 61))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives commands users of their own")
@pytest.mark.parametrize("claim", ["X-Nothing: 1", "X-Forwarded-For: 127.0.0.1", "Forwarded: x"])
async def test_a_command_cannot_act_as_the_owner_through_the_api(
    up: RunningUp, page: Page, claim: str
) -> None:
    terminal, listener = await page.terminal()
    port = up.url.rpartition(":")[2]
    request = f"GET /api/session HTTP/1.0\\r\\nHost: localhost\\r\\n{claim}\\r\\n\\r\\n"
    await page.run(terminal, f"exec 3<>/dev/tcp/127.0.0.1/{port}; printf '{request}' >&3; cat <&3")
    await listener.until("exit")
    assert "found one of a command" in listener.output
    assert "token" not in listener.output


async def test_another_project_and_a_forged_token_open_nothing(up: RunningUp, page: Page) -> None:
    refused: asyncio.Queue[int] = asyncio.Queue()

    class Refusals(centrifuge.SubscriptionEventHandler):  # type: ignore[misc]
        async def on_unsubscribed(self, ctx: Any) -> None:
            refused.put_nowait(ctx.code)

    subscription = page.gateway.new_subscription("terminal:other1:t", events=Refusals())
    await subscription.subscribe()
    assert await asyncio.wait_for(refused.get(), 10) == 103
    with pytest.raises(centrifuge.CentrifugeError):
        await page.gateway.rpc("publish", {"channel": "input:other1:t", "data": {}})
    token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJvd25lciIsImNhcHMiOlt7ImFsbG93IjpbImFkbWluIl19XX0."
    forged = await page.http.get("/connection/sse", params={"channel": "a", "token": token})
    assert forged.status_code in (401, 403)
