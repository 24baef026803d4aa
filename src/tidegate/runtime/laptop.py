"""An app at work on this machine: the programs that are kept running, and its tasks."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from tidegate.connections.embedded import EmbeddedValkey
from tidegate.launchers.child import HURRY
from tidegate.launchers.desk import Desk
from tidegate.launchers.processes import ProcessLauncher
from tidegate.runtime import programs
from tidegate.runtime.crew import Crew
from tidegate.runtime.doors import open_path
from tidegate.runtime.programs import Program
from tidegate.settings import Settings
from tidegate.spec import AppSpec

CONTROL: Final = "control"
VALKEY: Final = "valkey"


class Laptop:
    """Runs what a spec describes.

    Args:
        target: The app, as its processes are told it.
        settings: What they are told beside.
        door: The public listening socket.
        sockets: Folder for unix sockets.
        launcher: What runs the tasks.
        crew: What keeps the programs running.
        held: Closes the sockets opened here.
    """

    def __init__(
        self,
        target: str,
        settings: Settings,
        *,
        door: socket.socket,
        sockets: Path,
        launcher: ProcessLauncher,
        crew: Crew,
        held: AsyncExitStack,
    ) -> None:
        self.desk = sockets / "desk.sock"
        self._target = target
        self._settings = settings
        self._door = door
        self._sockets = sockets
        self._launcher = launcher
        self._crew = crew
        self._held = held
        self._doors: dict[str, socket.socket] = {}
        self._spec: AppSpec | None = None

    def start_valkey(self, server: EmbeddedValkey) -> None:
        """Start the embedded server."""
        self._crew.start(programs.valkey(server))

    async def start(self, spec: AppSpec) -> None:
        """Start control and all that `spec` declares; see `Crew.ready`."""
        self._spec = spec
        await self._held.enter_async_context(Desk(self._launcher, self.desk))
        self._crew.start(self._control(spec))
        for program in self._declared(spec):
            self._crew.start(program)

    async def reload(self, spec: AppSpec) -> None:
        """Run the code as it now is: services at once, tasks as their jobs allow.

        Control goes on, unless the declarations have changed or tasks had failed to start: a new
        orchestrator tries again at once.
        """
        wanted = list(self._declared(spec))
        await self._crew.end_others([VALKEY, CONTROL, *(program.name for program in wanted)])
        self._crew.restart(*(program for program in wanted if program.reloads))
        if self._launcher.forget_failures() or spec != self._spec:
            self._spec = spec
            self._crew.restart(self._control(spec))
        self._launcher.drain("its code changed")

    async def end(self, on_drain: Callable[[int], None]) -> None:
        """End what works, then control, then Valkey, since each may need the ones after it.

        `on_drain` is told how many tasks have jobs to finish or to hand back.
        """
        if self._launcher.count:
            on_drain(self._launcher.count)
        await asyncio.gather(
            self._launcher.close("tidegate up was stopped"),
            self._crew.end_others([VALKEY, CONTROL]),
        )
        await self._crew.end(CONTROL)
        await self._crew.end(VALKEY)

    def hurry(self) -> None:
        """Give what is ending no more time."""
        self._launcher.hurry(HURRY)
        self._crew.hurry()

    def _control(self, spec: AppSpec) -> Program:
        doors = {service.name: self._service_door(service.name) for service in spec.services}
        return programs.control(
            self._target,
            self._settings,
            self._door,
            services={name: Path(door.getsockname()) for name, door in doors.items()},
            desk=self.desk,
        )

    def _declared(self, spec: AppSpec) -> Iterator[Program]:
        for service in spec.services:
            door = self._service_door(service.name)
            yield programs.service(self._target, self._settings, service, door)
        for daemon in spec.daemons:
            yield programs.daemon(self._target, self._settings, daemon)
        for container in spec.containers:
            if container.command:
                yield programs.container(self._settings, container)

    def _service_door(self, name: str) -> socket.socket:
        """The socket of a service; numbered, since a path has room for 107 bytes."""
        door = self._doors.get(name)
        if door is None:
            path = self._sockets / f"service-{len(self._doors)}.sock"
            door = self._doors[name] = self._held.enter_context(open_path(path))
            self._held.callback(path.unlink, missing_ok=True)
        return door
