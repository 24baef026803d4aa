"""What the process of one daemon runs: `python -m tidegate.runtime.daemon APP NAME`."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

import uvloop

from tidegate.app import App
from tidegate.client import Client
from tidegate.errors import DeclarationError
from tidegate.runtime.target import load, load_app
from tidegate.settings import Settings
from tidegate.spec import DaemonSpec

Coroutine = Callable[[Client], Awaitable[object]]


async def run(app: App, spec: DaemonSpec) -> None:
    """Call the daemon with the open client, and cancel it on SIGTERM or SIGINT."""
    function = declared(spec)
    async with Client.open(app, Settings.load()) as client:
        work = asyncio.ensure_future(function(client))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, work.cancel)
        with suppress(asyncio.CancelledError):
            await work


def declared(spec: DaemonSpec) -> Coroutine:
    """The coroutine function a daemon declares.

    Raises:
        DeclarationError: There is none of that name.
    """
    found = load(spec.target)
    if not asyncio.iscoroutinefunction(found):
        raise DeclarationError(
            f"daemon {spec.name!r}: expected {spec.target!r} to name a coroutine function, "
            f"found {type(found).__name__}"
        )
    return found


def main(target: str, name: str) -> None:
    """Run the daemon `name` of the app that `target` names."""
    app = load_app(target)
    spec = next(daemon for daemon in app.spec.daemons if daemon.name == name)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(app, spec))


if __name__ == "__main__":
    main(*sys.argv[1:])
