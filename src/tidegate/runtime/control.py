"""`tidegate control`: gateway, HTTP API, door of the services, orchestrator and scheduler.

What runs beside the front door is listed in `SERVICES`; each is started again when it fails, so
that none of them takes the others down.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from importlib.metadata import version
from typing import Final

import uvloop
from msgspec import Struct
from starlette.responses import Response
from starlette.routing import Route, Router

from tidegate.api import service as api
from tidegate.api.refusal import NotFoundError, refusal
from tidegate.app import App
from tidegate.client import Client
from tidegate.errors import ForbiddenError
from tidegate.gateway import sse
from tidegate.gateway.auth import Keyring
from tidegate.gateway.hosts import HostPolicy
from tidegate.gateway.server import Gateway
from tidegate.gateway.sse import Sse
from tidegate.gateway.websocket import Upgrades
from tidegate.jobs.scheduler import Scheduler
from tidegate.launchers.launcher import Launcher
from tidegate.observability.logs import Logger, configure
from tidegate.runtime import programs
from tidegate.runtime.doors import is_private, open_port, url_of
from tidegate.runtime.folder import DataFolder
from tidegate.runtime.front import Application, Front
from tidegate.runtime.orchestrator import local_launcher, orchestrator
from tidegate.runtime.proxy import Proxy, Receive, Scope, Send
from tidegate.runtime.target import load_app
from tidegate.runtime.tunnel import Tunnels
from tidegate.runtime.upstreams import Upstreams
from tidegate.settings import Settings

log = Logger("tidegate.control")

_OWN_PATHS: Final = ("/v1", "/connection", "/console", "/health", "/healthz", "/readyz", "/metrics")
_FIRST_DELAY: Final = 0.5
_LONGEST_DELAY: Final = 30.0
_GRACE: Final = 5.0


class Control(Struct, frozen=True):
    """What the services of this process work with."""

    client: Client
    gateway: Gateway
    launcher: Launcher


async def _orchestrate(control: Control) -> None:
    await orchestrator(control.client, control.launcher).run()


async def _schedule(control: Control) -> None:
    await Scheduler(control.client).run()


SERVICES: Final[Mapping[str, Callable[[Control], Awaitable[None]]]] = {
    "orchestrator": _orchestrate,
    "scheduler": _schedule,
}


async def serve(
    app: App,
    settings: Settings,
    *,
    target: str,
    door: socket.socket,
    services: Mapping[str, str] | None = None,
    stopping: asyncio.Event,
    ready: Callable[[str], None] = lambda _url: None,
) -> None:
    """Serve an app's front door until `stopping` is set, then send its clients elsewhere.

    Args:
        app: The app.
        settings: Where Valkey is, what tokens are signed with.
        target: The app as tasks are told it.
        door: The listening socket; closed at the end.
        services: Where ASGI services listen, by name.
        stopping: Set it to end in order.
        ready: Called with the address once requests are answered.

    Raises:
        SettingsError: A setting is missing or wrong.
        BackendUnavailableError: Valkey does not answer.
    """
    hosts = HostPolicy(
        is_loopback=_is_loopback(door), origins=(*settings.origins.split(","), settings.public_url)
    )
    upstreams = Upstreams.declared(app.spec.services, services or {})
    async with AsyncExitStack() as held:
        enter = held.enter_async_context
        client = await enter(Client.open(app, settings, name="tidegate-control"))
        launcher = await enter(local_launcher(target, settings))
        gateway = await enter(_gateway(client, settings))
        control = Control(client, gateway, launcher)
        proxy = await enter(Proxy(upstreams))
        tunnels = Tunnels(upstreams, hosts)
        held.callback(tunnels.close)
        front = await enter(
            Front(
                _application(control, settings, hosts, proxy),
                [door],
                upgrades=Upgrades(gateway, hosts, others=tunnels),
                grace=_GRACE,
            )
        )
        ready(url_of(door))
        await _until(stopping, control)
        front.stop_accepting()
        await gateway.drain(over=settings.spread)


async def _until(stopping: asyncio.Event, control: Control) -> None:
    async with asyncio.TaskGroup() as group:
        running = [
            group.create_task(_kept_running(name, run, control), name=name)
            for name, run in SERVICES.items()
        ]
        await stopping.wait()
        for task in running:
            task.cancel()


async def _kept_running(
    name: str, run: Callable[[Control], Awaitable[None]], control: Control
) -> None:
    delay = _FIRST_DELAY
    while True:
        try:
            await run(control)
        except Exception:
            log.exception("service_failed", service=name, again_in_s=delay)
        await asyncio.sleep(delay)
        delay = min(delay * 2, _LONGEST_DELAY)


def _gateway(client: Client, settings: Settings) -> Gateway:
    return Gateway(
        hub=client.channels.hub,
        valkey=client.valkey,
        keyring=Keyring.parse(settings.secret_key),
        find_job=client.job,
        version=f"tidegate {version('tidegate')}",
    )


def _application(
    control: Control, settings: Settings, hosts: HostPolicy, proxy: Proxy
) -> Application:
    """What answers HTTP: the API and SSE under our own paths, services under all others."""
    service = api.Service(
        control.client,
        control.gateway,
        tasks=control.launcher.tasks,
        task_logs=DataFolder(settings.data).task_logs,
    )
    stream = api.guarded(Sse(control.gateway, control.client.channels, hosts))
    own = Router([*api.routes(service), Route(sse.PATH, stream)], default=_nothing_here)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        refused = hosts.refusal(_header(scope, b"host"), None)
        if refused is not None:
            await refusal(ForbiddenError(refused))(scope, receive, send)
        elif _is_own(scope["path"]):
            await own(scope, receive, send)
        else:
            await proxy(scope, receive, send)

    return application


def _is_own(path: str) -> bool:
    return any(path == own or path.startswith(own + "/") for own in _OWN_PATHS)


def _header(scope: Scope, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)


async def _nothing_here(scope: Scope, receive: Receive, send: Send) -> None:
    response: Response = refusal(NotFoundError(f"nothing is served at {scope['path']!r}"))
    await response(scope, receive, send)


def _is_loopback(door: socket.socket) -> bool:
    return door.family != socket.AF_UNIX and is_private(door.getsockname()[0])


def main(target: str, *, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Run control until SIGTERM or SIGINT, at the door it was given or at one of its own."""
    configure(process="control")
    settings = Settings.load()
    uvloop.run(_run(load_app(target), settings, target, _door(host, port)))


def _door(host: str, port: int) -> socket.socket:
    given = os.environ.pop(programs.LISTEN_FD, "")
    return socket.socket(fileno=int(given)) if given else open_port(host, port)


async def _run(app: App, settings: Settings, target: str, door: socket.socket) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await serve(
        app,
        settings,
        target=target,
        door=door,
        services=json.loads(os.environ.get(programs.SERVICES) or "{}"),
        stopping=stopping,
        ready=lambda url: log.info("control_ready", url=url),
    )


def _from_command_line(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tidegate.runtime.control")
    parser.add_argument("app", help="module:attribute")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    given = parser.parse_args(words)
    main(given.app, host=given.host, port=given.port)


if __name__ == "__main__":
    _from_command_line(sys.argv[1:])
