"""Projects, roles and invitations."""

from pathlib import Path

import pytest

from apps.terminal.errors import NotFoundError, RefusedError, RoleError
from apps.terminal.projects import INVITE_TTL, Projects
from apps.terminal.records import Records
from apps.terminal.users.user import Role, User
from tidegate import Objects
from tidegate.clock import SYSTEM

ADA, BOB, EVE = User("ada", "Ada"), User("bob", "Bob"), User("eve", "Eve")
SECRET = "s" * 32


class HeldClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def projects(tmp_path: Path, clock: HeldClock) -> Projects:
    return Projects(Records(Objects.open(tmp_path.as_uri())), secret=SECRET, clock=clock)


async def test_a_project_is_its_owners_and_nobody_elses(projects: Projects) -> None:
    project = await projects.create(ADA, "Notes")
    assert [each.id for each in await projects.of(ADA)] == [project.id]
    assert await projects.of(EVE) == []
    with pytest.raises(NotFoundError):
        await projects.get(EVE, project.id)
    assert (await projects.get(ADA, project.id, Role.OWNER)).name == "Notes"


@pytest.mark.parametrize("name", ["", "..", "a/b", "x" * 41, "unknown1"])
async def test_what_is_no_project_is_not_found(projects: Projects, name: str) -> None:
    with pytest.raises(NotFoundError):
        await projects.get(ADA, name)


async def test_an_invitation_lets_one_person_in_with_its_role(projects: Projects) -> None:
    project = await projects.create(ADA, "Notes")
    token, _ = await projects.invite(project.id, Role.VIEWER)
    await projects.join(BOB, token)
    assert [each.id for each in await projects.of(BOB)] == [project.id]
    with pytest.raises(RoleError):
        await projects.get(BOB, project.id, Role.EDITOR)
    with pytest.raises(RefusedError):
        await projects.join(EVE, token)
    assert await projects.of(EVE) == []


async def test_an_invitation_taken_twice_by_the_same_person_is_no_error(
    projects: Projects,
) -> None:
    project = await projects.create(ADA, "Notes")
    token, _ = await projects.invite(project.id, Role.EDITOR)
    await projects.join(BOB, token)
    await projects.join(BOB, token)
    assert (await projects.get(BOB, project.id)).role(BOB) is Role.EDITOR


async def test_an_invitation_never_lowers_a_role_and_is_left_for_another(
    projects: Projects,
) -> None:
    project = await projects.create(ADA, "Notes")
    token, _ = await projects.invite(project.id, Role.VIEWER)
    assert (await projects.join(ADA, token)).role(ADA) is Role.OWNER
    assert (await projects.join(BOB, token)).role(BOB) is Role.VIEWER


async def test_an_invitation_ends_by_time_or_by_being_taken_back(
    projects: Projects, clock: HeldClock
) -> None:
    project = await projects.create(ADA, "Notes")
    token, _ = await projects.invite(project.id, Role.VIEWER)
    invite = next(iter((await projects.get(ADA, project.id)).invites))
    await projects.revoke(project.id, invite)
    with pytest.raises(RefusedError, match="taken back"):
        await projects.join(BOB, token)
    late, _ = await projects.invite(project.id, Role.VIEWER)
    clock.time += INVITE_TTL
    with pytest.raises(RefusedError, match="expired"):
        await projects.join(BOB, late)


async def test_a_forged_invitation_opens_nothing(projects: Projects, tmp_path: Path) -> None:
    project = await projects.create(ADA, "Notes")
    token, _ = await projects.invite(project.id, Role.EDITOR)
    others = Projects(Records(Objects.open(tmp_path.as_uri())), secret="o" * 32, clock=SYSTEM)
    forged, _ = await others.invite(project.id, Role.EDITOR)
    for wrong in (forged, token[:-2] + "xx", "", "a.b.c"):
        with pytest.raises(RefusedError):
            await projects.join(EVE, wrong)


async def test_who_is_dismissed_is_out_and_the_owner_cannot_be(projects: Projects) -> None:
    project = await projects.create(ADA, "Notes")
    token, _ = await projects.invite(project.id, Role.EDITOR)
    await projects.join(BOB, token)
    await projects.dismiss(project.id, BOB.id)
    with pytest.raises(NotFoundError):
        await projects.get(BOB, project.id)
    assert await projects.of(BOB) == []
    with pytest.raises(RefusedError):
        await projects.dismiss(project.id, ADA.id)


async def test_a_deleted_project_is_gone_for_everyone(projects: Projects) -> None:
    project = await projects.create(ADA, "Notes")
    token, _ = await projects.invite(project.id, Role.EDITOR)
    joined = await projects.join(BOB, token)
    await projects.delete(joined)
    for user in (ADA, BOB):
        assert await projects.of(user) == []
        with pytest.raises(NotFoundError):
            await projects.get(user, project.id)
