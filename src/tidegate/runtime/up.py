"""`tidegate up`: an app and everything it needs, on this machine.

It only supervises. Its children are Valkey, control, each ASGI service, daemon and container, and
the tasks that the orchestrator inside control asks it for. Each runs under a reaper that ends it
when this process ends, however that happens.
"""

import asyncio
import os
import socket
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from tidegate.clock import SYSTEM, Clock
from tidegate.connections.address import Address
from tidegate.connections.embedded import EmbeddedValkey, runtime_folder
from tidegate.errors import DeclarationError
from tidegate.launchers.launcher import Task
from tidegate.launchers.logs import last_lines, tend
from tidegate.launchers.processes import ProcessLauncher
from tidegate.runtime.crew import Crew
from tidegate.runtime.doors import is_private, open_port, url_of
from tidegate.runtime.folder import DataFolder, Running
from tidegate.runtime.laptop import Laptop
from tidegate.runtime.listener import Listener
from tidegate.runtime.output import tell_output
from tidegate.runtime.programs import answering
from tidegate.runtime.reload import changes, checked
from tidegate.runtime.target import load_app
from tidegate.settings import Settings
from tidegate.spec import AppSpec

_LAST_WORDS: Final = 8


class Options(Struct, frozen=True, kw_only=True):
    """What `up` was asked for."""

    target: str
    host: str = "127.0.0.1"
    port: int = 8000
    reload: bool = False
    verbose: bool = False


class Up:
    """One run of `tidegate up`.

    Args:
        options: What was asked for.
        settings: The settings to complete and hand on; its `data` is the folder used.
        listener: Told what happens.
    """

    def __init__(
        self, options: Options, settings: Settings, listener: Listener, *, clock: Clock = SYSTEM
    ) -> None:
        self._options = options
        self._settings = settings
        self._listener = listener
        self._clock = clock
        self._started_at = 0.0
        self._folder = DataFolder(settings.data)
        self._stopping = asyncio.Event()
        self._laptop: Laptop | None = None

    def stop(self) -> None:
        """Drain and end everything, so that `run` returns; a second call hurries."""
        if self._stopping.is_set() and self._laptop is not None:
            self._laptop.hurry()
        self._stopping.set()

    async def run(self) -> None:
        """Run until `stop`, or until a service has failed to start.

        Raises:
            AlreadyRunningError: Another `up` holds the data folder.
            UsageError: The port is taken.
            BackendUnavailableError: The Valkey that the settings name does not answer.
            DeclarationError: The app cannot be loaded.
            TidegateError: A service did not start.
        """
        self._started_at = self._clock.monotonic()
        self._folder.make()
        async with AsyncExitStack() as held:
            held.enter_context(self._folder.owned())
            door = held.enter_context(open_port(self._options.host, self._options.port))
            lock = await self._folder.children_lock()
            held.callback(os.close, lock)
            async with asyncio.TaskGroup() as group:
                crew = self._crew(group, lock)
                await self._run(group, crew, held, door, lock)
        crew.raise_failure()

    async def _run(
        self,
        group: asyncio.TaskGroup,
        crew: Crew,
        held: AsyncExitStack,
        door: socket.socket,
        lock: int,
    ) -> None:
        server = self._complete_settings(url_of(door))
        laptop = self._laptop = Laptop(
            self._options.target,
            self._settings,
            door=door,
            sockets=runtime_folder(self._settings.data),
            launcher=self._launcher(lock),
            crew=crew,
            held=held,
        )
        background = [group.create_task(each) for each in self._background(laptop)]
        try:
            if server is None:
                await answering(Address.parse(self._settings.valkey_url))
            else:
                laptop.start_valkey(server)
            spec = load_app(self._options.target).spec
            if await self._until(crew.ready()):
                await laptop.start(spec)
                held.enter_context(self._folder.told(self._running(laptop, spec, url_of(door))))
                if await self._until(crew.ready()):
                    self._open(url_of(door))
                    self._tell_left_out(spec)
                    await self._stopping.wait()
        finally:
            self._stopping.set()
            await laptop.end(self._draining)
            for task in background:
                task.cancel()

    # What it takes

    def _complete_settings(self, url: str) -> EmbeddedValkey | None:
        """Settle the settings that were left open; the server to start, where none was named."""
        given = self._settings
        server = None if given.valkey_url else EmbeddedValkey(self._folder.valkey)
        self._settings = msgspec.structs.replace(
            given,
            valkey_url=given.valkey_url if server is None else server.url,
            secret_key=given.secret_key or self._folder.secret_key(),
            admin_token=given.admin_token or self._folder.admin_token(),
            public_url=given.public_url or url,
        )
        return server

    def _crew(self, group: asyncio.TaskGroup, lock: int) -> Crew:
        return Crew(
            group,
            logs=self._folder.logs,
            listener=self._listener,
            keep=(lock,),
            retry_first=self._options.reload,
            on_failure=self._stopping.set,
        )

    def _launcher(self, lock: int) -> ProcessLauncher:
        return ProcessLauncher(
            self._options.target,
            self._settings,
            logs=self._folder.task_logs,
            keep=(lock,),
            on_end=self._task_ended,
        )

    def _running(self, laptop: Laptop, spec: AppSpec, url: str) -> Running:
        return Running(
            pid=os.getpid(),
            app=spec.name,
            target=self._options.target,
            url=url,
            valkey_url=self._settings.valkey_url,
            objects_url=self._settings.objects_url,
            desk=str(laptop.desk),
            queues=tuple(queue.name for queue in spec.queues),
            started_at=self._clock.now(),
        )

    # While it runs

    def _background(self, laptop: Laptop) -> Iterator[Coroutine[Any, Any, None]]:
        folders = [self._folder.logs, self._folder.task_logs]
        yield tend(*folders)
        if self._options.verbose:
            yield tell_output(folders, self._listener)
        if self._options.reload:
            yield self._reload_on_change(laptop)

    async def _until(self, ready: Coroutine[Any, Any, None]) -> bool:
        """Wait for `ready`; False where `up` is to stop instead."""
        stopping = asyncio.create_task(self._stopping.wait(), name="stopping")
        waiting = asyncio.create_task(ready, name="ready")
        await asyncio.wait([stopping, waiting], return_when=asyncio.FIRST_COMPLETED)
        for task in (stopping, waiting):
            task.cancel()
        await asyncio.gather(stopping, waiting, return_exceptions=True)
        return not self._stopping.is_set()

    async def _reload_on_change(self, laptop: Laptop) -> None:
        async for changed in changes(Path.cwd()):
            if self._stopping.is_set():
                return
            names = ", ".join(path.name for path in changed[:3])
            more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""  # noqa: PLR2004
            try:
                spec = await checked(self._options.target)
            except DeclarationError as error:
                self._listener.note(f"{names}{more} changed; the old code runs on:\n{error}")
            else:
                self._listener.note(f"{names}{more} changed; reloading")
                await laptop.reload(spec)

    # Saying so

    def _open(self, url: str) -> None:
        self._listener.open(url, self._clock.monotonic() - self._started_at)
        if not is_private(self._options.host):
            self._listener.note(
                f"listening on {self._options.host}: whoever reaches this machine reaches the app, "
                "and the app alone decides who may sign in"
            )

    def _tell_left_out(self, spec: AppSpec) -> None:
        for container in spec.containers:
            if not container.command:
                self._listener.note(
                    f"container {container.name} is not run here: it has an image and no command; "
                    "give it command= to run it on a laptop"
                )

    def _draining(self, tasks: int) -> None:
        count = "1 task" if tasks == 1 else f"{tasks} tasks"
        self._listener.note(f"draining {count}; ctrl-C again to hurry")

    def _task_ended(self, task: Task) -> None:
        """Say so where a task failed; those that left or were stopped are nobody's concern."""
        if task.exit_code and not self._stopping.is_set():
            log = self._folder.task_logs / f"{task.id}.log"
            name = f"{task.worker} task"
            last = last_lines(log, _LAST_WORDS)
            self._listener.ended(name, task.stop_reason, last=last, retry_in=None)
