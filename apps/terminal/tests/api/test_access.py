"""Who may do what: every route, for every role, strangers and forgers."""

import time
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.routing import Route

from apps.terminal.api.asgi import API
from apps.terminal.tests.api.people import People, people_of
from apps.terminal.tests.conftest import SECRET
from apps.terminal.tests.issuer import TestIssuer
from apps.terminal.users.grants import Grants, caps
from apps.terminal.users.user import User
from tidegate import Client

SIGNED_IN = "signed in"
P, T = "/api/projects/{project}", "/api/projects/{project}/terminals/{terminal}"

# The least role that each route needs. A new route is not tested until it is named here, and the
# first test fails until then.
NEEDED = {
    "GET /api/session": SIGNED_IN,
    "POST /api/session/token": SIGNED_IN,
    "GET /api/projects": SIGNED_IN,
    "POST /api/projects": SIGNED_IN,
    "POST /api/invites/{token}": SIGNED_IN,
    "GET /api/status": SIGNED_IN,
    f"GET {P}": "viewer",
    f"GET {P}/files": "viewer",
    f"GET {P}/files/{{path:path}}": "viewer",
    f"GET {P}/archive": "viewer",
    f"GET {P}/terminals": "viewer",
    f"GET {T}/history": "viewer",
    f"GET {T}/complete": "viewer",
    f"PUT {P}/files/{{path:path}}": "editor",
    f"DELETE {P}/files/{{path:path}}": "editor",
    f"POST {P}/folders": "editor",
    f"DELETE {P}/folders/{{path:path}}": "editor",
    f"POST {P}/move": "editor",
    f"POST {P}/upload": "editor",
    f"POST {P}/import": "editor",
    f"POST {P}/terminals": "editor",
    f"DELETE {T}": "editor",
    f"POST {T}/commands": "editor",
    f"POST {T}/kill": "editor",
    f"GET {P}/members": "owner",
    f"DELETE {P}/members/{{member}}": "owner",
    f"POST {P}/invites": "owner",
    f"DELETE {P}/invites/{{invite}}": "owner",
    f"PATCH {P}": "owner",
    f"DELETE {P}": "owner",
}
RANK = {"nobody": 0, "stranger": 1, "viewer": 2, "editor": 3, "owner": 4}
ABOUT_A_PROJECT = [name for name, needed in NEEDED.items() if needed in RANK]


@pytest.fixture
async def people(client: Client, issuer: TestIssuer) -> AsyncIterator[People]:
    async with people_of(issuer) as found:
        yield found


async def ask(
    browser: httpx.AsyncClient, name: str, project: str = "p", terminal: str = "t"
) -> httpx.Response:
    method, _, path = name.partition(" ")
    parts = {"{project}": project, "{terminal}": terminal, "{path:path}": "a.txt"}
    parts |= {"{member}": "nobody1", "{invite}": "none1", "{token}": "none"}
    for part, value in parts.items():
        path = path.replace(part, value)
    query = "?line=cat%20a&cursor=5" if path.endswith("complete") else ""
    body = b'{"name": "Other", "path": "b", "from": "a.txt", "to": "c", "command": "ls"}'
    return await browser.request(method, path + query, content=body if method != "GET" else None)


def test_every_route_says_who_may_use_it() -> None:
    assert {route.name for route in API if isinstance(route, Route)} == set(NEEDED)


@pytest.mark.parametrize("person", list(RANK))
async def test_a_route_is_open_to_its_role_and_closed_to_lesser_ones(
    people: People, person: str
) -> None:
    browser = people.of(person)
    project = await people.project()
    for name in ABOUT_A_PROJECT:
        terminal = await people.terminal(project)
        status = (await ask(browser, name, project, terminal)).status_code
        if person == "nobody":
            assert status == 401, name
        elif person == "stranger":
            assert status == 404, name
        elif RANK[person] < RANK[NEEDED[name]]:
            assert status == 403, name
        else:
            assert status not in (401, 403, 405, 500, 503), name


async def test_nobody_is_let_in_without_a_good_token(people: People, issuer: TestIssuer) -> None:
    forger = TestIssuer(1)
    forger.url = issuer.url
    forger.rotate(issuer.current, holder="forger")
    tokens = [
        None,
        "nonsense",
        people.token("owner", exp=int(time.time()) - 120),
        people.token("owner", aud="another"),
        forger.token("terminal", sub="owner"),
    ]
    for token in tokens:
        for name in NEEDED:
            answer = await ask(people.browser(token), name)
            assert answer.status_code == 401, (name, token)
            assert answer.json()["error"]["code"] == "sign_in"


async def test_a_person_sees_only_projects_they_are_in(people: People) -> None:
    project = await people.project()
    for person, role in (("owner", "owner"), ("editor", "editor"), ("viewer", "viewer")):
        listed = (await people.of(person).get("/api/projects")).json()["projects"]
        assert [(each["id"], each["role"]) for each in listed] == [(project, role)]
    assert (await people.of("stranger").get("/api/projects")).json() == {"projects": []}


async def test_who_is_dismissed_loses_every_route_at_once(people: People) -> None:
    project = await people.project()
    owner, editor = people.of("owner"), people.of("editor")
    members = (await owner.get(f"/api/projects/{project}/members")).json()["members"]
    found = next(each["id"] for each in members if each["name"] == "Editor")
    await owner.delete(f"/api/projects/{project}/members/{found}")
    assert (await editor.get(f"/api/projects/{project}/files")).status_code == 404
    granted = (await editor.post("/api/session/token", json={})).json()["token"]
    claims = Grants(SECRET)._keys.verify(granted, now=time.time())
    assert not claims.grants("subscribe", f"project:{project}")


async def test_a_gateway_token_opens_the_channels_of_ones_own_projects_only(
    people: People,
) -> None:
    mine, others = await people.project(), "f" * 12
    for person in ("owner", "editor", "viewer", "stranger"):
        session = (await people.of(person).get("/api/session")).json()
        claims = Grants(SECRET)._keys.verify(session["gateway"]["token"], now=time.time())
        is_in, may_type = person != "stranger", person in ("owner", "editor")
        for right in ("subscribe", "history"):
            assert claims.grants(right, f"terminal:{mine}:t") is is_in
            assert claims.grants(right, f"project:{mine}") is is_in
            assert not claims.grants(right, f"terminal:{others}:t")
            assert not claims.grants(right, f"input:{mine}:t")
        assert claims.grants("publish", f"input:{mine}:t") is may_type
        assert not claims.grants("publish", f"input:{others}:t")
        assert not claims.grants("publish", f"terminal:{mine}:t")
        assert not claims.grants("publish", f"project:{mine}")
        assert claims.grants("subscribe", "tidegate:status")
        assert not claims.grants_enqueue("commands")
        assert not claims.is_admin


async def test_a_token_for_a_project_one_is_not_in_is_refused(people: People) -> None:
    project = await people.project()
    asked = {"project": project}
    refused = await people.of("stranger").post("/api/session/token", json=asked)
    assert refused.status_code == 404
    assert (await people.of("viewer").post("/api/session/token", json=asked)).status_code == 200


def test_a_token_without_projects_says_nothing_of_typing() -> None:
    assert [cap.channels for cap in caps(User("u", "U"), [])] == [("tidegate:status",)]
