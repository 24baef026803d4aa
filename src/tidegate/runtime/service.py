"""What the process of one ASGI service runs: `python -m tidegate.runtime.service APP NAME`.

The app's client is open around it, so a request handler may use `app.client` and `job.enqueue`.
"""

import asyncio
import inspect
import os
import socket
import sys
from typing import Any, Final

import uvicorn
import uvloop

from tidegate.app import App
from tidegate.client import Client
from tidegate.errors import DeclarationError
from tidegate.runtime.programs import LISTEN_FD
from tidegate.runtime.target import load, load_app
from tidegate.settings import Settings
from tidegate.spec import ServiceSpec

_LOG_CONFIG: Final[dict[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "loggers": {
        "uvicorn": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        "uvicorn.access": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
    },
}


async def serve(app: App, spec: ServiceSpec, door: socket.socket) -> None:
    """Serve one ASGI application at a listening socket until SIGTERM."""
    async with Client.open(app, Settings.load()):
        config = uvicorn.Config(
            application(spec),
            log_config=_LOG_CONFIG,
            access_log=False,
            ws="websockets-sansio",
            lifespan="auto",
            proxy_headers=True,
            forwarded_allow_ips="*",  # only control reaches this socket
            timeout_graceful_shutdown=max(int(spec.stop_timeout) - 1, 1),
        )
        await uvicorn.Server(config).serve(sockets=[door])


def application(spec: ServiceSpec) -> Any:
    """The ASGI application that a service declares; a function without parameters makes one.

    Raises:
        DeclarationError: There is none of that name.
    """
    found = load(spec.asgi)
    if not callable(found):
        raise DeclarationError(
            f"service {spec.name!r}: expected {spec.asgi!r} to name an ASGI application, "
            f"found {type(found).__name__}"
        )
    return found() if _is_factory(found) else found


def _is_factory(found: Any) -> bool:
    required = [
        parameter
        for parameter in inspect.signature(found).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    return not required


def main(target: str, name: str) -> None:
    """Run the service `name` of the app that `target` names."""
    app = load_app(target)
    spec = next(service for service in app.spec.services if service.name == name)
    door = socket.socket(fileno=int(os.environ.pop(LISTEN_FD)))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(app, spec, door))


if __name__ == "__main__":
    main(*sys.argv[1:])
