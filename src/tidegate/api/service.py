"""The API as an ASGI application."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Router
from starlette.routing import Route as Served

from tidegate.api.access import allowed, attempt_of
from tidegate.api.call import Call, read_body, read_query
from tidegate.api.openapi import document
from tidegate.api.refusal import MethodNotAllowedError, NotFoundError, answer, refusal
from tidegate.api.route import Route
from tidegate.api.routes import ROUTES
from tidegate.client import Client
from tidegate.gateway.auth import Keyring, bearer
from tidegate.gateway.server import Gateway
from tidegate.launchers.launcher import Task

OPENAPI_PATH: Final = "/v1/openapi.json"
_METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")

Endpoint = Callable[[Request], Awaitable[Response]]
Tasks = Callable[[], Awaitable[Sequence[Task]]]


async def no_tasks() -> Sequence[Task]:
    """What a control without a launcher knows of tasks."""
    return ()


class Service:
    """What the API works on.

    Attributes:
        client: The app's open client.
        gateway: The gateway beside it.
        keyring: What tokens are signed with.
        secret_key: The setting it was made from, which attempts' tokens are signed with too.
        admin_token: A token that allows everything; empty for none.
        tasks: Asks the launcher.
        task_logs: The folder of the tasks' logs, where they are on this machine.
    """

    def __init__(
        self,
        client: Client,
        gateway: Gateway,
        *,
        tasks: Tasks = no_tasks,
        task_logs: Path | None = None,
    ) -> None:
        self.client = client
        self.gateway = gateway
        self.keyring: Keyring = gateway.keyring
        self.secret_key = client.settings.secret_key
        self.admin_token = client.settings.admin_token
        self.tasks = tasks
        self.task_logs = task_logs


def routes(service: Service) -> list[BaseRoute]:
    """Everything the API serves, for a router of Starlette's."""
    by_path: dict[str, dict[str, Route]] = {}
    for route in ROUTES:
        by_path.setdefault(route.path, {})[route.method] = route
    served: list[BaseRoute] = [
        Served(path, _endpoint(service, methods), methods=_METHODS)
        for path, methods in by_path.items()
    ]

    @cache
    def text() -> bytes:
        title, version = service.client.app.name, service.gateway.version
        return msgspec.json.encode(document(ROUTES, title=title, version=version))

    async def openapi(_request: Request) -> Response:
        return Response(text(), media_type="application/json")

    return [*served, Served(OPENAPI_PATH, openapi, methods=["GET"])]


def application(service: Service) -> Router:
    """The API alone."""
    return Router(routes(service), default=_nothing_here)


def _endpoint(service: Service, methods: Mapping[str, Route]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return await _carried_out(service, _chosen(methods, request), request)

    return guarded(endpoint)


def guarded(endpoint: Endpoint) -> Endpoint:
    """The same endpoint, whose errors are answered as JSON."""

    async def answering(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Exception as failure:  # noqa: BLE001 - the caller is told; `refusal` logs
            return refusal(failure)

    return answering


def _chosen(methods: Mapping[str, Route], request: Request) -> Route:
    route = methods.get("GET" if request.method == "HEAD" else request.method)
    if route is None:
        raise MethodNotAllowedError(
            f"expected {' or '.join(sorted(methods))} for {request.url.path!r}, "
            f"found {request.method}"
        )
    return route


async def _carried_out(service: Service, route: Route, request: Request) -> Response:
    call = Call(service, request, claims=allowed(service, route.access, request))
    if route.access == "attempt":
        token = bearer(request.headers.get("Authorization"))
        call.attempt = attempt_of(service, token, call.path["job"])
    if route.query is not None:
        call.query = read_query(request, route.query)
    if route.body is not None:
        call.body = await read_body(request, route.body)
    done = await route.handler(call)
    return done if isinstance(done, Response) else answer(done, route.status)


async def _nothing_here(scope: Any, receive: Any, send: Any) -> None:
    failure = NotFoundError(f"nothing is served at {scope['path']!r}")
    await refusal(failure)(scope, receive, send)
