"""What each child of `tidegate up` runs: its command line, environment and sign of readiness."""

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from tidegate.connections.address import Address
from tidegate.connections.embedded import EmbeddedValkey
from tidegate.connections.link import ReplyError, open_link, packed
from tidegate.errors import BackendUnavailableError
from tidegate.launchers.child import python
from tidegate.runtime.doors import answered, is_success
from tidegate.settings import Settings
from tidegate.spec import ContainerSpec, DaemonSpec, ServiceSpec

LISTEN_FD: Final = "TIDEGATE_LISTEN_FD"
SERVICES: Final = "TIDEGATE_SERVICES"
DESK: Final = "TIDEGATE_DESK"
_PAUSE: Final = 0.01


async def _at_once() -> str:
    return ""


class Program(Struct, frozen=True, kw_only=True):
    """One program for `up` to keep running.

    Attributes:
        env: The whole of its environment.
        keep: Descriptors it is given.
        ready: Waits until it answers; what is then to be said about it, often nothing.
        reloads: Whether a changed file restarts it.
    """

    name: str
    argv: list[str]
    env: dict[str, str]
    stop_timeout: float = 30.0
    keep: tuple[int, ...] = ()
    ready: Callable[[], Awaitable[str]] = field(default=_at_once)
    reloads: bool = True


def valkey(server: EmbeddedValkey) -> Program:
    """The embedded Valkey."""
    with suppress(FileNotFoundError):
        server.socket.unlink()
    env = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}

    async def ready() -> str:
        await _until_answering(Address(path=str(server.socket)))
        return ""

    return Program(name="valkey", argv=server.command(), env=env, ready=ready, reloads=False)


def control(
    target: str,
    settings: Settings,
    door: socket.socket,
    *,
    services: Mapping[str, Path],
    desk: Path,
) -> Program:
    """Gateway, HTTP API, orchestrator and the way to the services, behind the public door.

    It is told the unix socket of each of `services` by name, and the `desk` that starts tasks.
    """
    told = {
        "TIDEGATE_ADMIN_TOKEN": settings.admin_token,
        LISTEN_FD: str(door.fileno()),
        SERVICES: json.dumps({name: str(path) for name, path in services.items()}),
        DESK: str(desk),
    }

    async def ready() -> str:
        await answered(door, "/readyz")
        return ""

    return Program(
        name="control",
        argv=python("-m", "tidegate", "control", target),
        env=_inherited(settings, told),
        keep=(door.fileno(),),
        ready=ready,
        reloads=False,
    )


def service(target: str, settings: Settings, spec: ServiceSpec, door: socket.socket) -> Program:
    """An ASGI service behind a door of its own."""
    told = {**spec.env, LISTEN_FD: str(door.fileno())}

    async def ready() -> str:
        status = await answered(door, spec.health)
        return "" if is_success(status) else _unhealthy(spec, status)

    return Program(
        name=spec.name,
        argv=python("-m", "tidegate.runtime.service", target, spec.name),
        env=_inherited(settings, told),
        stop_timeout=spec.stop_timeout,
        keep=(door.fileno(),),
        ready=ready,
    )


def daemon(target: str, settings: Settings, spec: DaemonSpec) -> Program:
    """A coroutine of the app's, in a process of its own."""
    return Program(
        name=spec.name,
        argv=python("-m", "tidegate.runtime.daemon", target, spec.name),
        env=_inherited(settings, spec.env),
        stop_timeout=spec.stop_timeout,
    )


def container(settings: Settings, spec: ContainerSpec) -> Program:
    """A program that is not ours; it learns its port from `PORT`."""
    port = {} if spec.port is None else {"PORT": str(spec.port)}

    async def ready() -> str:
        if spec.port is not None:
            await _listening(spec.port)
        return ""

    return Program(
        name=spec.name,
        argv=list(spec.command),
        env={**os.environ, **port, **spec.env, "TIDEGATE_PUBLIC_URL": settings.public_url},
        stop_timeout=spec.stop_timeout,
        ready=ready,
        reloads=False,
    )


def _inherited(settings: Settings, told: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, **settings.environment(), **told}


def _unhealthy(spec: ServiceSpec, status: int) -> str:
    return (
        f"answers {status} at {spec.health}, where a load balancer expects 200; "
        "serve it, or declare health="
    )


async def answering(address: Address) -> None:
    """Return if the server answers a command.

    Raises:
        BackendUnavailableError: It cannot be reached.
        ReplyError: It answers that it cannot: it refuses commands while it reads its file.
    """
    link = await open_link(address, name="tidegate-up")
    try:
        await link.send(packed("PING"))
    finally:
        link.close()


async def _until_answering(address: Address) -> None:
    while True:
        with suppress(BackendUnavailableError, ReplyError):
            await answering(address)
            return
        await asyncio.sleep(_PAUSE)


async def _listening(port: int) -> None:
    while True:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(_PAUSE)
