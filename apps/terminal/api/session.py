"""Who is asking, and the token that opens the gateway to them."""

from datetime import datetime

from msgspec import Struct
from starlette.responses import Response

from apps.terminal.api.answers import answer, body
from apps.terminal.api.visit import Visit, personal
from apps.terminal.sandbox.limits import MIB
from apps.terminal.settings import TerminalSettings


class Wanted(Struct):
    """Which project a token must cover; it covers others as well, as far as they fit."""

    project: str | None = None


class Grant(Struct):
    """A gateway token, good for some minutes."""

    token: str
    expires_at: datetime


async def show(visit: Visit) -> Response:
    """Who is asking, how to reach the gateway, and what a command is held to."""
    grant = await granted(visit, visit.request.query_params.get("project"))
    services = visit.services
    return answer(
        {
            "user": visit.user,
            "mode": services.authenticator.mode,
            "gateway": {
                "url": "/connection/websocket",
                "token": grant.token,
                "expires_at": grant.expires_at,
            },
            "limits": _limits(services.settings),
            "isolation": await services.isolation.layers(),
        }
    )


async def token(visit: Visit) -> Response:
    """A fresh gateway token."""
    wanted = await body(visit.request, Wanted)
    return answer(await granted(visit, wanted.project))


async def granted(visit: Visit, project: str | None) -> Grant:
    """A token for the person's projects, `project` in any case among them."""
    services = visit.services
    projects = await services.projects.of(visit.user)
    if project is not None:
        first = await services.projects.get(visit.user, project)
        projects = [first, *(each for each in projects if each.id != project)]
    token, expires = services.grants.issue(visit.user, projects)
    return Grant(token, expires)


def _limits(settings: TerminalSettings) -> dict[str, object]:
    """What a person may want to know before a command meets it."""
    return {
        "command": settings.limits,
        "project": settings.project_limits,
        "upload_bytes": settings.upload_mb * MIB,
    }


ROUTES = [
    personal("GET", "/api/session", show),
    personal("POST", "/api/session/token", token),
]
