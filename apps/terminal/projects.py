"""Projects: who owns them, who else may come in, and by which invitation.

A project is one record in the object store; beside it lies an empty mark per person, so that a
person's projects are one listing. The record is the truth: a mark without a place in the record
opens nothing.
"""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Final

from msgspec import Meta, Struct
from msgspec.structs import replace

from apps.terminal.errors import ConflictError, NotFoundError, RefusedError, RoleError
from apps.terminal.records import Records
from apps.terminal.users.seal import Seal
from apps.terminal.users.user import Role, User
from tidegate.clock import SYSTEM, Clock, at

INVITE_TTL: Final = 7 * 86400.0
MOST_INVITES: Final = 50
MOST_MEMBERS: Final = 100

ProjectName = Annotated[
    str, Meta(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$")
]


class Member(Struct, frozen=True):
    """A person in a project."""

    name: str
    role: Role
    since: datetime


class Invite(Struct, frozen=True):
    """An invitation nobody has taken yet."""

    role: Role
    expires_at: datetime


class Project(Struct, frozen=True, kw_only=True):
    """A project, without its files.

    Attributes:
        members: By user id; the owner among them.
        invites: Open invitations by id.
    """

    id: str
    name: str
    members: dict[str, Member]
    created_at: datetime
    updated_at: datetime
    invites: dict[str, Invite] = {}

    def role(self, user: User) -> Role | None:
        """What `user` may do here; None for nothing."""
        member = self.members.get(user.id)
        return member.role if member else None


class Projects:
    """All projects.

    Args:
        records: Where they are kept.
        secret: The app's secret, which invitations are signed with.
        clock: Dates them.
    """

    def __init__(self, records: Records, *, secret: str, clock: Clock = SYSTEM) -> None:
        self._records = records
        self._invitations = Seal(secret, "invitation", clock)
        self._clock = clock

    async def create(self, user: User, name: str) -> Project:
        """A new project of `user`'s."""
        now = self._now()
        project = Project(
            id=secrets.token_hex(6),
            name=name,
            members={user.id: Member(user.name, Role.OWNER, now)},
            created_at=now,
            updated_at=now,
        )
        await self._records.create(_key(project.id), project)
        await self._records.mark(_mark(user.id, project.id))
        return project

    async def of(self, user: User) -> list[Project]:
        """The projects that `user` has a role in, those that changed last first."""
        ids = await self._records.marks(_marks(user.id))
        found = await self._records.read_many({each: _key(each) for each in ids}, Project)
        mine = [project for project in found.values() if project.role(user)]
        return sorted(mine, key=lambda project: project.updated_at, reverse=True)

    async def get(self, user: User, project: str, needed: Role = Role.VIEWER) -> Project:
        """The project, where `user` has at least the role `needed` in it.

        Raises:
            NotFoundError: There is none, or `user` has no role in it.
            RoleError: The role does not suffice.
        """
        found = await self._records.read(_key(project), Project) if is_id(project) else None
        role = found.role(user) if found else None
        if found is None or role is None:
            raise NotFoundError(f"no project {project[:40]!r}; it was deleted or is not yours")
        if not role.includes(needed):
            raise RoleError(
                f"expected the role {needed} in this project, found {role}; ask its owner",
                detail={"role": role, "needed": needed},
            )
        return found

    async def rename(self, project: str, name: str) -> Project:
        """Give a project another name."""
        return await self._changed(project, lambda found: replace(found, name=name))

    async def delete(self, project: Project) -> None:
        """Forget a project and everyone's way to it; its files are another's to remove."""
        await self._records.delete(_key(project.id))
        for member in project.members:
            await self._records.unmark(_mark(member, project.id))

    async def invite(self, project: str, role: Role) -> tuple[str, datetime]:
        """A token that lets one person in, and when it expires."""
        name, expires = secrets.token_hex(6), self._now() + timedelta(seconds=INVITE_TTL)

        def invited(found: Project) -> Project:
            now = self._now()
            still = {key: each for key, each in found.invites.items() if each.expires_at > now}
            if len(still) >= MOST_INVITES:
                raise RefusedError(f"expected at most {MOST_INVITES} open invitations, found more")
            return replace(found, invites={**still, name: Invite(role, expires)})

        await self._changed(project, invited)
        token = self._invitations.sealed({"project": project, "invite": name}, ttl=INVITE_TTL)
        return token, expires

    async def join(self, user: User, token: str) -> Project:
        """The project that an invitation opens, with `user` now in it.

        An invitation lets one person in, once; who is in already stays as they are, and the
        invitation is left for someone else.

        Raises:
            RefusedError: It has expired, was revoked, is used up, or was not made here.
        """
        invitation = self._invitations.opened(token)
        project, name = str(invitation["project"]), str(invitation["invite"])
        # The mark first: a mark without a role opens nothing, a role without a mark is never found.
        await self._records.mark(_mark(user.id, project))
        return await self._changed(project, lambda found: self._joined(found, user, name))

    def _joined(self, project: Project, user: User, name: str) -> Project:
        if project.role(user):
            return project
        invite = project.invites.get(name)
        if invite is None or invite.expires_at <= self._now():
            raise RefusedError(
                "this invitation was used or taken back; ask for another", code="used", status=410
            )
        if len(project.members) >= MOST_MEMBERS:
            raise ConflictError(f"expected at most {MOST_MEMBERS} people in a project, found more")
        rest = {key: each for key, each in project.invites.items() if key != name}
        members = {**project.members, user.id: Member(user.name, invite.role, self._now())}
        return replace(project, invites=rest, members=members)

    async def revoke(self, project: str, invite: str) -> None:
        """Take an invitation back; nothing happens where it is gone already."""

        def revoked(found: Project) -> Project:
            rest = {key: each for key, each in found.invites.items() if key != invite}
            return replace(found, invites=rest)

        await self._changed(project, revoked)

    async def dismiss(self, project: str, member: str) -> None:
        """Take a person's role away.

        Raises:
            RefusedError: The person is the owner.
        """

        def dismissed(found: Project) -> Project:
            if member in found.members and found.members[member].role is Role.OWNER:
                raise RefusedError("the owner cannot leave the project; delete it instead")
            rest = {key: each for key, each in found.members.items() if key != member}
            return replace(found, members=rest)

        await self._changed(project, dismissed)
        await self._records.unmark(_mark(member, project))

    async def _changed(self, project: str, change: Callable[[Project], Project]) -> Project:
        def dated(found: Project | None) -> Project:
            if found is None:
                raise NotFoundError(f"no project {project[:40]!r}; it was deleted")
            return replace(change(found), updated_at=self._now())

        return await self._records.change(_key(project), Project, dated)

    def _now(self) -> datetime:
        return at(self._clock.now())


def is_id(name: str) -> bool:
    """Whether `name` may be an id: what else a path may spell never reaches the store."""
    return 0 < len(name) <= 40 and name.isascii() and name.isalnum()  # noqa: PLR2004 - ours have 12


def _key(project: str) -> str:
    return f"terminal/projects/{project}"


def _marks(user: str) -> str:
    return f"terminal/people/{user}"


def _mark(user: str, project: str) -> str:
    return f"{_marks(user)}/{project}"
