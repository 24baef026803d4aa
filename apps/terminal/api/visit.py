"""One request by someone who may make it: the only way a handler is reached.

Every route says in its table whether it is about the person alone or about a project, and which
role it needs there; the check comes before the handler, which is given what was checked.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from apps.terminal.api.services import Services
from apps.terminal.projects import Project
from apps.terminal.users.user import Role, User


@dataclass(frozen=True, slots=True)
class Visit:
    """A request, and who makes it."""

    request: Request
    services: Services
    user: User

    def parameter(self, name: str) -> str:
        """A part of the path, as the route names it."""
        return str(self.request.path_params[name])


@dataclass(frozen=True, slots=True)
class ProjectVisit(Visit):
    """A request about a project that the person may make."""

    project: Project


Personal = Callable[[Visit], Awaitable[Response]]
Shared = Callable[[ProjectVisit], Awaitable[Response]]


def personal(method: str, path: str, handler: Personal) -> Route:
    """A route for everyone who is signed in."""

    async def endpoint(request: Request) -> Response:
        services: Services = request.app.state.services
        user = await services.authenticator.user(request)
        return await handler(Visit(request, services, user))

    return Route(path, endpoint, methods=[method], name=f"{method} {path}")


def shared(method: str, path: str, needed: Role, handler: Shared) -> Route:
    """A route below `/api/projects/{project}` for those with at least the role `needed` in it."""

    async def endpoint(request: Request) -> Response:
        services: Services = request.app.state.services
        user = await services.authenticator.user(request)
        project = await services.projects.get(user, request.path_params["project"], needed)
        return await handler(ProjectVisit(request, services, user, project))

    full = f"/api/projects/{{project}}{path}"
    return Route(full, endpoint, methods=[method], name=f"{method} {full}")
