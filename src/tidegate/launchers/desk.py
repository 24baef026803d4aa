"""A launcher in another process: the desk serves one on a unix socket, `RemoteLauncher` asks it.

`tidegate up` holds the tasks and control decides about them, so that a control that is killed takes
no running job with it. One line of JSON goes each way, on a connection of its own.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import msgspec
from msgspec import Struct

from tidegate.errors import BackendUnavailableError, TidegateError
from tidegate.launchers.launcher import Launcher, Task
from tidegate.spec import WorkerSpec

_LINE_LIMIT: Final = 4 * 1024 * 1024
_ANSWER_TIMEOUT: Final = 10.0


class Start(Struct, frozen=True, tag=True):
    """Asks for tasks."""

    worker: WorkerSpec
    count: int
    leaves: bool


class List(Struct, frozen=True, tag=True):
    """Asks which tasks there are."""


class Stop(Struct, frozen=True, tag=True):
    """Asks that a task be stopped."""

    task: str
    reason: str


class Changed(Struct, frozen=True, tag=True):
    """Asks to be answered when a task has changed, or after `seconds`."""

    seconds: float


class Answer(Struct, frozen=True):
    """What the desk says to any of them."""

    tasks: list[Task] = []
    error: str | None = None


class Desk:
    """Serves a launcher on a unix socket for as long as its context lasts.

    Questions under way when it ends are cut.

    Args:
        launcher: What does the work.
        path: The socket; an old one is replaced.
    """

    def __init__(self, launcher: Launcher, path: Path) -> None:
        self._launcher = launcher
        self._path = path
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        with suppress(FileNotFoundError):
            self._path.unlink()
        self._server = await asyncio.start_unix_server(
            self._accepted, self._path, limit=_LINE_LIMIT
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        self._path.unlink(missing_ok=True)
        for serving in self._serving:
            serving.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = asyncio.create_task(self._serve(reader, writer), name="desk")
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if line := await reader.readline():
                writer.write(msgspec.json.encode(await self._answered(line)) + b"\n")
                await writer.drain()
        except ConnectionError:
            pass  # the asker is gone
        finally:
            writer.close()

    async def _answered(self, line: bytes) -> Answer:
        match msgspec.json.decode(line, type=Start | List | Stop | Changed):
            case Start(worker, count, leaves):
                try:
                    return Answer(await self._launcher.start(worker, count, leaves=leaves))
                except TidegateError as error:
                    return Answer(error=str(error))
            case List():
                return Answer(list(await self._launcher.tasks()))
            case Stop(task, reason):
                await self._launcher.stop(task, reason)
            case Changed(seconds):
                await self._launcher.changed(seconds)
        return Answer()


class RemoteLauncher:
    """The launcher behind a desk.

    Args:
        path: The desk's socket.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def start(self, worker: WorkerSpec, count: int, *, leaves: bool) -> list[Task]:
        """Ask for `count` tasks; see `Launcher.start`."""
        return (await self._ask(Start(worker, count, leaves))).tasks

    async def tasks(self) -> Sequence[Task]:
        """Every task not stopped, and those stopped lately; see `Launcher.tasks`."""
        return (await self._ask(List())).tasks

    async def stop(self, task: str, reason: str) -> None:
        """Have a task stopped; see `Launcher.stop`."""
        await self._ask(Stop(task, reason))

    async def changed(self, seconds: float) -> None:
        """Return when a task has changed, or after `seconds`; see `Launcher.changed`."""
        await self._ask(Changed(seconds), patience=seconds)

    async def _ask(self, question: Struct, patience: float = 0.0) -> Answer:
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT + patience):
                line = await self._exchanged(msgspec.json.encode(question) + b"\n")
        except (OSError, TimeoutError) as error:
            raise BackendUnavailableError(
                f"`tidegate up` did not answer at {self._path}: {error or 'timed out'}"
            ) from error
        answer = msgspec.json.decode(line, type=Answer)
        if answer.error is not None:
            raise TidegateError(answer.error)
        return answer

    async def _exchanged(self, line: bytes) -> bytes:
        reader, writer = await asyncio.open_unix_connection(self._path, limit=_LINE_LIMIT)
        try:
            writer.write(line)
            answer = await reader.readline()
        finally:
            writer.close()
        if not answer:
            raise ConnectionResetError("closed without an answer")
        return answer
