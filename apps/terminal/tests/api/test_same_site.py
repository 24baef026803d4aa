"""On a laptop there is no sign-in, so who asks must be this machine and this page."""

import httpx
import pytest


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "localhost.evil.example", ""]
)
@pytest.mark.parametrize("path", ["/", "/api/session", "/api/projects"])
async def test_another_name_for_this_machine_is_refused(
    http: httpx.AsyncClient, host: str, path: str
) -> None:
    answer = await http.get(path, headers={"host": host})
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "other_site"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://localhost:9999"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
async def test_another_site_can_neither_change_anything_nor_get_a_token(
    http: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    asked = [
        await http.post("/api/projects", json={"name": "x"}, headers=headers),
        await http.post("/api/session/token", json={}, headers=headers),
        await http.get("/api/session", headers=headers),
        await http.request("DELETE", "/api/projects/abc", headers=headers),
    ]
    assert [answer.status_code for answer in asked] == [403] * 4
    assert (await http.get("/api/projects")).json() == {"projects": []}


async def test_our_own_page_and_programs_without_a_browser_may(http: httpx.AsyncClient) -> None:
    own = {"origin": "http://localhost:8000", "sec-fetch-site": "same-origin"}
    assert (await http.post("/api/projects", json={"name": "x"}, headers=own)).status_code == 201
    assert (await http.post("/api/projects", json={"name": "y"})).status_code == 201
    for host in ("127.0.0.1:8000", "[::1]:8000", "LOCALHOST"):
        assert (await http.get("/api/session", headers={"host": host})).status_code == 200


async def test_the_session_says_what_the_page_needs(http: httpx.AsyncClient) -> None:
    session = (await http.get("/api/session")).json()
    assert session["user"] == {"id": "owner", "name": "Owner"}
    assert session["mode"] == "owner"
    assert session["gateway"]["url"] == "/connection/websocket"
    assert session["limits"]["command"]["timeout"] == 600.0
    layers = {layer["layer"]: layer for layer in session["isolation"]}
    assert layers["environment"]["active"] is True
    assert isinstance(layers["user"]["active"], bool)
    assert layers["user"]["detail"]
