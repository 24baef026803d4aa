"""Other people in a project: invitations, and who is in."""

from datetime import datetime
from typing import Literal

from msgspec import Struct
from starlette.responses import Response

from apps.terminal.api.answers import answer, body
from apps.terminal.api.projects import described
from apps.terminal.api.visit import ProjectVisit, Visit, personal, shared
from apps.terminal.errors import ConflictError
from apps.terminal.users.user import Role


class NewInvite(Struct):
    """Whom to let in: who may see, or who may also change and run."""

    role: Literal["viewer", "editor"] = "viewer"


class OpenInvite(Struct):
    """An invitation as its maker is given it."""

    url: str
    token: str
    expires_at: datetime


async def create(visit: ProjectVisit) -> Response:
    """A link that lets one person in, for a week."""
    if visit.services.authenticator.mode == "owner":
        raise ConflictError(
            "there is no sign-in here, so nobody to invite; set TERMINAL_AUTH to oidc or jwt",
            code="single_user",
        )
    wanted = await body(visit.request, NewInvite)
    token, expires = await visit.services.projects.invite(visit.project.id, Role(wanted.role))
    url = f"{visit.services.origin(visit.request)}/invite/{token}"
    return answer(OpenInvite(url, token, expires), 201)


async def of_project(visit: ProjectVisit) -> Response:
    """Who is in, and which invitations are open."""
    project = visit.project
    members = [
        {"id": key, "name": each.name, "role": each.role, "since": each.since}
        for key, each in project.members.items()
    ]
    invites = [
        {"id": key, "role": each.role, "expires_at": each.expires_at}
        for key, each in project.invites.items()
    ]
    return answer({"members": members, "invites": invites})


async def revoke(visit: ProjectVisit) -> Response:
    """Take an invitation back."""
    await visit.services.projects.revoke(visit.project.id, visit.parameter("invite"))
    return Response(status_code=204)


async def dismiss(visit: ProjectVisit) -> Response:
    """Take a person's role away."""
    await visit.services.projects.dismiss(visit.project.id, visit.parameter("member"))
    return Response(status_code=204)


async def accept(visit: Visit) -> Response:
    """Come in."""
    project = await visit.services.projects.join(visit.user, visit.parameter("token"))
    return answer(await described(visit, project))


ROUTES = [
    personal("POST", "/api/invites/{token}", accept),
    shared("GET", "/members", Role.OWNER, of_project),
    shared("DELETE", "/members/{member}", Role.OWNER, dismiss),
    shared("POST", "/invites", Role.OWNER, create),
    shared("DELETE", "/invites/{invite}", Role.OWNER, revoke),
]
