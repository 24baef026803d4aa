"""Projects: make, list, rename, delete."""

from datetime import datetime

from msgspec import Struct
from starlette.responses import Response

from apps.terminal.api.answers import answer, body
from apps.terminal.api.visit import ProjectVisit, Visit, personal, shared
from apps.terminal.projects import Project, ProjectName
from apps.terminal.users.user import Role
from tidegate.clock import at

# What runs is ended within two seconds, and then saves what it changed.
ENDING = 5.0


class Named(Struct, forbid_unknown_fields=True):
    """What a project is called."""

    name: ProjectName


class ShownProject(Struct):
    """A project as one person sees it."""

    id: str
    name: str
    role: Role
    created_at: datetime
    updated_at: datetime
    files: int
    bytes: int


async def mine(visit: Visit) -> Response:
    """The person's projects, those that changed last first."""
    projects = await visit.services.projects.of(visit.user)
    shown = [await described(visit, project) for project in projects]
    return answer({"projects": sorted(shown, key=lambda each: each.updated_at, reverse=True)})


async def create(visit: Visit) -> Response:
    """A new project."""
    named = await body(visit.request, Named)
    project = await visit.services.projects.create(visit.user, named.name.strip())
    return answer(await described(visit, project), 201)


async def show(visit: ProjectVisit) -> Response:
    """One project."""
    return answer(await described(visit, visit.project))


async def rename(visit: ProjectVisit) -> Response:
    """Call it something else."""
    named = await body(visit.request, Named)
    project = await visit.services.projects.rename(visit.project.id, named.name.strip())
    return answer(await described(visit, project))


async def delete(visit: ProjectVisit) -> Response:
    """Remove a project for everyone: what runs is ended, then terminals and files go."""
    services, project = visit.services, visit.project
    # Nobody may start anything new before the rest is taken down.
    await services.projects.delete(project)
    terminals = await services.terminals.of(project.id)
    for terminal in terminals:
        await services.commands.kill(project.id, terminal, "KILL")
    for terminal in terminals:
        await services.commands.ended(terminal, ENDING)
    await services.terminals.delete_all(project.id)
    await services.shelf.of(project.id).destroy()
    return Response(status_code=204)


async def described(visit: Visit, project: Project) -> ShownProject:
    """A project with the size of its files."""
    newest = await visit.services.shelf.of(project.id).newest()
    changed_at = at(newest.committed_at)
    return ShownProject(
        id=project.id,
        name=project.name,
        role=project.role(visit.user) or Role.VIEWER,
        created_at=project.created_at,
        updated_at=max(project.updated_at, changed_at),
        files=len(newest.tree.files),
        bytes=newest.tree.total_bytes,
    )


ROUTES = [
    personal("GET", "/api/projects", mine),
    personal("POST", "/api/projects", create),
    shared("GET", "", Role.VIEWER, show),
    shared("PATCH", "", Role.OWNER, rename),
    shared("DELETE", "", Role.OWNER, delete),
]
