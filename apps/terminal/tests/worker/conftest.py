"""Commands run for real: a Valkey, a worker in this process, and a terminal to type in."""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from apps.terminal import app as terminal_app
from apps.terminal.announce import announce
from apps.terminal.command import Terminal, input_channel, project_channel, terminal_channel
from apps.terminal.commands import Commands, NewCommand
from apps.terminal.records import Records
from apps.terminal.settings import TerminalSettings
from apps.terminal.terminals import Terminals
from apps.terminal.workspace import ProjectFiles
from tidegate import Client, Cursor, Message
from tidegate.jobs.worker import Worker

Event = dict[str, Any]


class Typist:
    """Someone at one terminal of a project."""

    def __init__(self, client: Client, project: str, terminal: Terminal) -> None:
        self.client = client
        self.project = project
        self.terminal = terminal.id
        self.terminals = Terminals(Records(client.objects))
        self.commands = Commands(client, self.terminals, terminal_app.run_command)
        self.sent = 0

    async def start(self, command: str, **options: Any) -> str:
        """Put a command in line; its job."""
        terminal = await self.terminals.get(self.project, self.terminal)
        return await self.commands.run(self.project, terminal, NewCommand(command, **options))

    async def type(self, **data: Any) -> None:
        """One input."""
        self.sent += 1
        channel = input_channel(self.project, self.terminal)
        await self.client.publish(channel, data, key=f"me:{self.sent}")

    async def kill(self, signal: Any = "KILL") -> None:
        """As the button in the page does."""
        terminal = await self.terminals.get(self.project, self.terminal)
        await self.commands.kill(self.project, terminal, signal)

    async def events(self, job: str, until: str = "exit", text: str = "") -> list[Event]:
        """The job's events so far, at least up to one of that type with that text in it."""
        channel = terminal_channel(self.project, self.terminal)
        found: list[Event] = []
        async with (
            asyncio.timeout(20),
            self.client.subscribe([channel], Cursor()) as subscription,
        ):
            async for item in subscription:
                assert isinstance(item, Message)
                event: Event = msgspec.json.decode(item.data)
                if event.get("job") == job:
                    found.append(event)
                    if event["type"] == until and text in str(event):
                        return found
        raise AssertionError("the channel ended")

    async def another_terminal(self) -> "Typist":
        """A second terminal of the same project."""
        return Typist(self.client, self.project, await self.terminals.create(self.project))

    def limit(self, **changes: Any) -> None:
        """Give commands other limits; before the first one only."""
        terminal_app.settings = msgspec.structs.replace(terminal_app.settings, **changes)

    async def files(self) -> dict[str, bytes]:
        """The project's files as they are stored."""
        files = ProjectFiles(self.client.objects, self.project)
        paths = (await files.newest()).tree.files
        return {path: (await files.read(path))[0] for path in paths}

    async def edit(self, path: str, data: bytes) -> None:
        """Save a file as the editor does."""
        saved = await ProjectFiles(self.client.objects, self.project).write(path, data)
        await announce(self.client, self.project, saved)

    async def edit_unheard(self, path: str, data: bytes) -> None:
        """Save a file, and tell nobody."""
        await ProjectFiles(self.client.objects, self.project).write(path, data)

    async def project_events(self, until: str = "") -> list[Event]:
        """What the project's channel has told so far, at least up to a text."""
        channel = project_channel(self.project)
        found: list[Event] = []
        async with (
            asyncio.timeout(20),
            self.client.subscribe([channel], Cursor()) as subscription,
        ):
            top = (await self.client.channels.backend.top(channel)).offset
            async for item in subscription:
                assert isinstance(item, Message)
                found.append(msgspec.json.decode(item.data))
                if (until in str(found)) if until else item.offset >= top:
                    return found
        raise AssertionError("the channel ended")

    async def run(self, command: str, **options: Any) -> tuple[Event, str]:
        """Run a command to its end; its exit event and its output."""
        job = await self.start(command, **options)
        events = await self.events(job)
        return events[-1], text_of(events)


def text_of(events: list[Event]) -> str:
    return "".join(event["data"] for event in events if event["type"] == "output")


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[TerminalSettings]:
    """Settings with a place for workspaces that other users can enter."""
    folder = Path(tempfile.mkdtemp(prefix="tidegate-test-", dir="/var/tmp"))
    changed = msgspec.structs.replace(terminal_app.settings, workspaces=folder)
    monkeypatch.setattr(terminal_app, "settings", changed)
    yield changed
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.asynccontextmanager
async def working(client: Client) -> AsyncIterator[Worker]:
    """A worker in this process, drained at the end."""
    spec = terminal_app.app.spec.worker("commands")
    assert spec is not None
    worker = Worker(client, msgspec.structs.replace(spec, drain=8.0))
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.drain.begin()
        await asyncio.wait_for(task, 30)


@pytest.fixture
async def worker(client: Client, settings: TerminalSettings) -> AsyncIterator[Worker]:
    async with working(client) as running:
        yield running


@pytest.fixture
async def typist(client: Client, worker: Worker) -> Typist:
    terminal = await Terminals(Records(client.objects)).create("project1")
    return Typist(client, "project1", terminal)
