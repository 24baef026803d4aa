"""The process of one worker: `tidegate worker APP NAME`.

It must be the process that gets the signals (PID 1 of its container, or under an init that passes
them on): SIGTERM or SIGINT drains, the second one hands back at once.
"""

import asyncio
import signal
from typing import Final

import uvloop

from tidegate.app import App
from tidegate.client import Client
from tidegate.errors import DeclarationError
from tidegate.jobs.worker import Worker
from tidegate.observability import logs
from tidegate.runtime.target import load_app
from tidegate.settings import Settings
from tidegate.spec import WorkerSpec

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


async def run(app: App, spec: WorkerSpec, settings: Settings, idle_timeout: float | None) -> None:
    """Work until told to stop, or idle for `idle_timeout` seconds."""
    async with Client.open(app, settings, name=f"tidegate-worker-{spec.name}") as client:
        worker = Worker(client, spec, idle_timeout=idle_timeout)
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, worker.drain.begin)
        await worker.run()


def chosen(app: App, name: str | None) -> WorkerSpec:
    """The worker of that name; the only one where no name is given.

    Raises:
        DeclarationError: There is none of that name, or several to choose from.
    """
    workers = {worker.name: worker for worker in app.spec.workers}
    if name is None and len(workers) == 1:
        return next(iter(workers.values()))
    found = workers.get(name or "")
    if found is None:
        asked = "the name of a worker" if name is None else f"a worker, found {name!r}"
        raise DeclarationError(
            f"expected {asked}; app {app.name!r} declares {', '.join(workers) or 'none'}"
        )
    return found


def main(target: str, name: str | None = None, *, exit_when_idle: float | None = None) -> None:
    """Run the worker `name` of the app that `target` names; returns once it has drained.

    Args:
        target: `module:attribute` or a path; see `target.load_app`.
        name: Which of the app's workers; the only one for None.
        exit_when_idle: Seconds without a job after which it leaves; None to stay.

    Raises:
        DeclarationError: There is no such app or worker.
        SettingsError: No Valkey is named.
        BackendUnavailableError: Valkey does not answer.
    """
    settings = Settings.load()
    app = load_app(target)
    spec = chosen(app, name)
    logs.configure(worker=spec.name, task=settings.task)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(app, spec, settings, exit_when_idle))
