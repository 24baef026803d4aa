"""The web service: the API, sign-in, and the page for everything else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from apps.terminal.api import files, invites, projects, session, status, terminals
from apps.terminal.api.answers import refused
from apps.terminal.api.page import Confined, Page
from apps.terminal.api.same_machine import SameMachine
from apps.terminal.api.same_site import LOOPBACK, SameSite
from apps.terminal.api.services import Services
from apps.terminal.app import app, settings
from apps.terminal.errors import NotFoundError
from apps.terminal.settings import TerminalSettings
from tidegate import Settings
from tidegate.errors import TidegateError

API: list[BaseRoute] = [
    *session.ROUTES,
    *projects.ROUTES,
    *invites.ROUTES,
    *files.ROUTES,
    *terminals.ROUTES,
    *status.ROUTES,
]


def create() -> Starlette:
    """The ASGI application of the service `web`."""
    return application(settings, Settings.load().public_url)


def application(settings: TerminalSettings, public_url: str) -> Starlette:
    """The ASGI application with these settings; the app's client must be open when it starts."""

    @asynccontextmanager
    async def lifespan(web: Starlette) -> AsyncIterator[None]:
        services = Services.over(app.client, settings)
        # Routes of the sign-in are known only now, and come before the page's.
        web.router.routes[:0] = services.authenticator.routes()
        web.state.services = services
        yield
        await services.authenticator.close()

    return Starlette(
        routes=[
            Route("/healthz", _healthy),
            *API,
            Mount("/api", _unknown),
            Route("/{path:path}", Page(settings.web_dist)),
        ],
        middleware=_guards(settings, public_url),
        exception_handlers={TidegateError: refused, HTTPException: refused, Exception: refused},
        lifespan=lifespan,
    )


def _guards(settings: TerminalSettings, public_url: str) -> list[Middleware]:
    own = urlsplit(public_url).hostname
    guards = [Middleware(Confined)]
    if settings.auth == "owner":
        return [*guards, Middleware(SameMachine), Middleware(SameSite, LOOPBACK)]
    return [*guards, Middleware(SameSite, frozenset({own}) if own else None)]


async def _healthy(request: Request) -> Response:  # noqa: ARG001 - it is always the same
    return PlainTextResponse("ok\n")


async def _unknown(scope: object, receive: object, send: object) -> None:  # noqa: ARG001
    raise NotFoundError("no such address in this API; see README.md for those there are")
