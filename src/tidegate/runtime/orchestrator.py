"""What runs the orchestrator: inside control, or alone as `tidegate orchestrator`."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from tidegate.app import App
from tidegate.client import Client
from tidegate.launchers.desk import RemoteLauncher
from tidegate.launchers.launcher import Launcher
from tidegate.launchers.processes import ProcessLauncher
from tidegate.runtime.folder import DataFolder
from tidegate.runtime.programs import DESK
from tidegate.scaling.orchestrator import Orchestrator
from tidegate.settings import Settings


def orchestrator(client: Client, launcher: Launcher) -> Orchestrator:
    """The orchestrator of an app whose client is open; `run` it until it is cancelled."""
    return Orchestrator(
        client.app.spec,
        queues=client.queue_backend,
        channels=client.channels.backend,
        valkey=client.valkey,
        launcher=launcher,
    )


@asynccontextmanager
async def local_launcher(target: str, settings: Settings) -> AsyncIterator[Launcher]:
    """Where tasks are started: by the `tidegate up` this runs under, else by this process.

    Tasks of this process are drained and gone when the context ends.
    """
    desk = os.environ.get(DESK)
    if desk:
        yield RemoteLauncher(Path(desk))
        return
    folder = DataFolder(settings.data)
    folder.make()
    launcher = ProcessLauncher(target, settings, logs=folder.task_logs)
    try:
        yield launcher
    finally:
        await launcher.close("its orchestrator was stopped")


async def run(app: App, target: str, settings: Settings) -> None:
    """Orchestrate until SIGTERM or SIGINT, then drain the tasks this process started."""
    async with (
        Client.open(app, settings, name="tidegate-orchestrator") as client,
        local_launcher(target, settings) as launcher,
    ):
        await until_told(orchestrator(client, launcher).run())


async def until_told(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine until it ends or the process is told to: SIGTERM or SIGINT cancels it."""
    work = asyncio.create_task(coroutine)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    with suppress(asyncio.CancelledError):
        await work
