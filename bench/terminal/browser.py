"""What a page does, without a page: HTTP, and Centrifugo's protocol over one socket."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect


class Page:
    """One open page on one terminal.

    Attributes:
        offset: The last event seen.
        accepted: When its socket was last accepted.
        arrived: Events and when each came, in order; emptied by the one who reads.
    """

    def __init__(self, base: str, http: httpx.AsyncClient) -> None:
        self.base = base
        self.http = http
        self.offset = 0
        self.epoch = ""
        self.accepted = 0.0
        self.arrived: asyncio.Queue[tuple[float, dict[str, Any]]] = asyncio.Queue()
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None

    async def open(self, channel: str, *, recover: bool = False) -> dict[str, Any]:
        """Connect and subscribe; the answer to the subscription."""
        token = (await self.http.post("/api/session/token", json={})).json()["token"]
        url = self.base.replace("http", "ws") + "/connection/websocket"
        self._socket = await connect(url, max_size=None, compression=None, ping_interval=None)
        self.accepted = time.monotonic()
        self._reader = asyncio.create_task(self._read(self._socket))
        await self.ask({"connect": {"token": token}})
        wanted: dict[str, Any] = {"channel": channel}
        if recover:
            wanted |= {"recover": True, "offset": self.offset, "epoch": self.epoch}
        answer = (await self.ask({"subscribe": wanted}))["subscribe"]
        self.epoch = answer.get("epoch", "")
        if recover:
            for publication in answer.get("publications", []):
                self._take(publication)
        else:
            self.offset = answer.get("offset", 0)
        return answer

    async def history(self, channel: str) -> bool:
        """Page once behind the last event seen; whether there was anything."""
        since = {"offset": self.offset, "epoch": self.epoch}
        answer = await self.ask({"history": {"channel": channel, "limit": 1000, "since": since}})
        publications = answer["history"].get("publications", [])
        for publication in publications:
            self._take(publication)
        return bool(publications)

    async def ask(self, command: dict[str, Any]) -> dict[str, Any]:
        """The reply to one command."""
        assert self._socket is not None
        number = next(self._ids)
        future = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps({"id": number, **command}))
        answer = await future
        if "error" in answer:
            raise RuntimeError(f"{command} was answered {answer['error']}")
        return answer

    def freeze(self) -> None:
        """Read nothing more, as a page that hangs."""
        assert self._socket is not None
        self._socket.transport.pause_reading()

    async def close(self) -> None:
        """Close the socket, as a lid does."""
        if self._reader is not None:
            self._reader.cancel()
        if self._socket is not None:
            self._socket.transport.abort()

    async def _read(self, socket: ClientConnection) -> None:
        async for frame in socket:
            now = time.monotonic()
            for line in str(frame).splitlines():
                message = json.loads(line)
                if not message:
                    await socket.send("{}")
                elif "id" in message:
                    self._answers.pop(message["id"]).set_result(message)
                elif "pub" in message.get("push", {}):
                    self._take(message["push"]["pub"], now)

    def _take(self, publication: dict[str, Any], now: float | None = None) -> None:
        self.offset = publication["offset"]
        self.arrived.put_nowait((now or time.monotonic(), publication["data"]))


class Terminal:
    """A terminal of a project, and what is typed into it."""

    def __init__(self, http: httpx.AsyncClient, project: str, terminal: str) -> None:
        self.http = http
        self.project = project
        self.terminal = terminal
        self.channel = f"terminal:{project}:{terminal}"
        self._keys = itertools.count(1)

    @classmethod
    async def new(cls, http: httpx.AsyncClient, project: str) -> "Terminal":
        """A new terminal of a project."""
        answer = await http.post(f"/api/projects/{project}/terminals", json={})
        return cls(http, project, answer.raise_for_status().json()["id"])

    async def run(self, command: str) -> str:
        """Enqueue a command; its job."""
        path = f"/api/projects/{self.project}/terminals/{self.terminal}/commands"
        answer = await self.http.post(path, json={"command": command})
        job: str = answer.raise_for_status().json()["job"]
        return job

    async def type(self, page: Page, keys: str) -> None:
        """Type keys; returns once they are stored."""
        data = {
            "channel": f"input:{self.project}:{self.terminal}",
            "key": f"bench-{id(self)}:{next(self._keys)}",
            "data": {"type": "keys", "data": keys},
        }
        await page.ask({"rpc": {"method": "publish", "data": data}})


@asynccontextmanager
async def browser(base: str) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of the app."""
    headers = {"Origin": base}
    async with httpx.AsyncClient(base_url=base, timeout=60, headers=headers) as http:
        yield http


async def new_project(http: httpx.AsyncClient, name: str) -> str:
    """A new project; its id."""
    answer = await http.post("/api/projects", json={"name": name})
    project: str = answer.raise_for_status().json()["id"]
    return project


async def until(page: Page, kind: str, *, containing: str = "", seconds: float = 60) -> float:
    """When the next event of a type came whose text holds `containing`; earlier ones are read."""
    async with asyncio.timeout(seconds):
        while True:
            came, event = await page.arrived.get()
            if event["type"] == kind and containing in event.get("data", ""):
                return came
