"""`tidegate up`: an app and everything it needs, on this machine.

It only supervises. Its children are Valkey, control, each ASGI service, daemon and container, and
the tasks that the orchestrator inside control asks it for. Each runs under a reaper that ends it
when this process ends, however that happens.
"""

import asyncio
import os
import socket
from contextlib import AsyncExitStack

import msgspec
from msgspec import Struct

from tidegate.clock import SYSTEM, Clock
from tidegate.connections.embedded import EmbeddedValkey, runtime_folder
from tidegate.errors import TidegateError
from tidegate.launchers.child import HURRY
from tidegate.launchers.desk import Desk
from tidegate.launchers.logs import tend
from tidegate.launchers.processes import ProcessLauncher
from tidegate.runtime import programs
from tidegate.runtime.doors import open_path, open_port, url_of
from tidegate.runtime.folder import DataFolder, Running
from tidegate.runtime.listener import Listener
from tidegate.runtime.programs import Program
from tidegate.runtime.supervised import Supervised
from tidegate.runtime.target import load_app
from tidegate.settings import Settings
from tidegate.spec import AppSpec


class Options(Struct, frozen=True, kw_only=True):
    """What `up` was asked for."""

    target: str
    host: str = "127.0.0.1"
    port: int = 8000
    reload: bool = False


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
        self._folder = DataFolder(settings.data)
        self._sockets = runtime_folder(settings.data)
        self._desk = self._sockets / "desk.sock"
        self._stopping = asyncio.Event()
        self._crew: dict[str, Supervised] = {}
        self._runs: dict[str, asyncio.Task[None]] = {}
        self._launcher: ProcessLauncher | None = None
        self._lock = -1

    def stop(self) -> None:
        """Drain and end everything, so that `run` returns; a second call hurries."""
        if self._stopping.is_set():
            self._hurry()
        self._stopping.set()

    async def run(self) -> None:
        """Run until `stop`, or until a service has failed to start.

        Raises:
            AlreadyRunningError: Another `up` holds the data folder.
            UsageError: The port is taken.
            DeclarationError: The app cannot be loaded.
            TidegateError: A service did not start.
        """
        started = self._clock.monotonic()
        self._folder.make()
        async with AsyncExitStack() as held:
            held.enter_context(self._folder.owned())
            door = held.enter_context(open_port(self._options.host, self._options.port))
            self._lock = await self._folder.children_lock()
            held.callback(os.close, self._lock)
            self._complete_settings(url_of(door))
            async with asyncio.TaskGroup() as group:
                tending = group.create_task(tend(self._folder.logs, self._folder.task_logs))
                try:
                    await self._serve(group, held, door, started)
                finally:
                    await self._end()
                    tending.cancel()
        self._raise_failure()

    def _complete_settings(self, url: str) -> None:
        given = self._settings
        self._settings = msgspec.structs.replace(
            given,
            secret_key=given.secret_key or self._folder.secret_key(),
            admin_token=given.admin_token or self._folder.admin_token(),
            public_url=given.public_url or url,
        )

    # Starting

    async def _serve(
        self, group: asyncio.TaskGroup, held: AsyncExitStack, door: socket.socket, started: float
    ) -> None:
        """Start everything, say when all of it is ready, and wait to be stopped."""
        if not self._settings.valkey_url:
            self._start_valkey(group)
        spec = load_app(self._options.target).spec
        if not await self._until_ready():
            return
        await self._open_desk(held)
        self._folder.write_running(self._running(spec, url_of(door)))
        held.callback(self._folder.forget_running)
        for program in self._programs(spec, held, door):
            self._start(group, program)
        if await self._until_ready():
            self._listener.open(url_of(door), self._clock.monotonic() - started)
            await self._stopping.wait()

    def _start_valkey(self, group: asyncio.TaskGroup) -> None:
        server = EmbeddedValkey(self._folder.valkey)
        self._settings = msgspec.structs.replace(self._settings, valkey_url=server.url)
        self._start(group, programs.valkey(server))

    def _programs(self, spec: AppSpec, held: AsyncExitStack, door: socket.socket) -> list[Program]:
        target, settings = self._options.target, self._settings
        paths = {
            service.name: self._sockets / f"service-{index}.sock"
            for index, service in enumerate(spec.services)
        }
        return [
            programs.control(target, settings, door, services=paths, desk=self._desk),
            *(
                programs.service(
                    target, settings, service, held.enter_context(open_path(paths[service.name]))
                )
                for service in spec.services
            ),
            *(programs.daemon(target, settings, daemon) for daemon in spec.daemons),
            *(programs.container(settings, it) for it in spec.containers if it.command),
        ]

    def _start(self, group: asyncio.TaskGroup, program: Program) -> None:
        supervised = self._crew[program.name] = Supervised(
            program,
            log=self._folder.logs / f"{program.name}.log",
            listener=self._listener,
            keep=(self._lock,),
            retry_first=self._options.reload,
        )
        run = group.create_task(supervised.run(), name=f"run-{program.name}")
        run.add_done_callback(lambda _: self._stopping.set())
        self._runs[program.name] = run

    async def _open_desk(self, held: AsyncExitStack) -> None:
        self._launcher = ProcessLauncher(
            self._options.target,
            self._settings,
            logs=self._folder.task_logs,
            keep=(self._lock,),
        )
        await held.enter_async_context(Desk(self._launcher, self._desk))

    async def _until_ready(self) -> bool:
        """Wait for everything started so far; False where `up` is to stop instead."""
        stopping = asyncio.create_task(self._stopping.wait(), name="stopping")
        ready = asyncio.create_task(self._all_ready(), name="ready")
        await asyncio.wait([stopping, ready], return_when=asyncio.FIRST_COMPLETED)
        for waiting in (stopping, ready):
            waiting.cancel()
        await asyncio.gather(stopping, ready, return_exceptions=True)
        return not self._stopping.is_set()

    async def _all_ready(self) -> None:
        for supervised in list(self._crew.values()):
            await supervised.is_ready.wait()

    def _running(self, spec: AppSpec, url: str) -> Running:
        return Running(
            pid=os.getpid(),
            app=spec.name,
            target=self._options.target,
            url=url,
            valkey_url=self._settings.valkey_url,
            objects_url=self._settings.objects_url,
            desk=str(self._desk),
            queues=tuple(queue.name for queue in spec.queues),
            started_at=self._clock.now(),
        )

    # Ending

    async def _end(self) -> None:
        """End what works, then control, then Valkey: each may need the ones after it."""
        self._stopping.set()
        last = ("control", "valkey")
        working = [name for name in self._crew if name not in last]
        tasks = [] if self._launcher is None else [self._drained(self._launcher)]
        await asyncio.gather(*tasks, *map(self._ended, working))
        for name in last:
            if name in self._crew:
                await self._ended(name)

    async def _drained(self, launcher: ProcessLauncher) -> None:
        if launcher.count:
            self._listener.note(f"draining {launcher.count} tasks; ctrl-C again to hurry")
        await launcher.close("tidegate up was stopped")

    async def _ended(self, name: str) -> None:
        self._crew[name].stop()
        await asyncio.wait([self._runs[name]])

    def _hurry(self) -> None:
        if self._launcher is not None:
            self._launcher.hurry(HURRY)
        for supervised in self._crew.values():
            supervised.hurry()

    def _raise_failure(self) -> None:
        for supervised in self._crew.values():
            if supervised.failure is not None:
                raise TidegateError(
                    f"{supervised.failure} before it was ready; its log is {supervised.log}"
                )
