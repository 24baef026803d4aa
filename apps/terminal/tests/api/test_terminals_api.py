"""Terminals over HTTP, as far as no worker is needed."""

import httpx
import pytest


@pytest.fixture
async def base(http: httpx.AsyncClient) -> str:
    made = await http.post("/api/projects", json={"name": "Notes"})
    return f"/api/projects/{made.json()['id']}/terminals"


async def test_terminals_are_opened_listed_and_closed(http: httpx.AsyncClient, base: str) -> None:
    first = (await http.post(base, json={})).json()
    second = (await http.post(base, json={})).json()
    assert [first["title"], second["title"]] == ["Terminal 1", "Terminal 2"]
    assert (first["cwd"], first["running"], first["last_exit"]) == ("", None, None)
    assert (await http.delete(f"{base}/{first['id']}")).status_code == 204
    assert (await http.delete(f"{base}/{first['id']}")).status_code == 404
    third = (await http.post(base, json={})).json()
    listed = (await http.get(base)).json()["terminals"]
    assert [each["id"] for each in listed] == [second["id"], third["id"]]
    assert third["title"] == "Terminal 1"


async def test_a_command_is_put_in_line_and_answered_with_its_job_and_channel(
    http: httpx.AsyncClient, base: str
) -> None:
    terminal = (await http.post(base, json={})).json()["id"]
    path = f"{base}/{terminal}"
    sent = await http.post(f"{path}/commands", json={"command": "ls", "cols": 100, "rows": 30})
    assert sent.status_code == 202
    project = base.split("/")[3]
    assert sent.json()["channel"] == f"terminal:{project}:{terminal}"
    shown = (await http.get(base)).json()["terminals"][0]
    assert (shown["running"], shown["cols"], shown["rows"]) == (sent.json()["job"], 100, 30)
    assert (await http.get(f"{path}/history")).json() == {"commands": ["ls"]}
    status = (await http.get("/api/status")).json()
    assert (status["queue"]["name"], status["queue"]["depth"]) == ("commands", 1)
    assert set(status["tasks"]) == {"running", "starting", "desired", "max"}
    assert (await http.post(f"{path}/kill", json={})).status_code == 202
    assert (await http.get(base)).json()["terminals"][0]["running"] is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"command": ""},
        {"command": "  "},
        {"command": "a\0b"},
        {"command": "x" * (64 * 1024 + 1)},
        {"command": "ls", "cols": 0},
        {"command": "ls", "rows": 100_000},
        {"command": "ls", "workspace": "mine"},
        {"command": "ls", "unknown": 1},
        {"command": 1},
    ],
)
async def test_a_command_that_cannot_be_is_refused(
    http: httpx.AsyncClient, base: str, body: object
) -> None:
    terminal = (await http.post(base, json={})).json()["id"]
    answer = await http.post(f"{base}/{terminal}/commands", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "wrong_body"


async def test_a_body_past_the_limit_is_refused(http: httpx.AsyncClient, base: str) -> None:
    terminal = (await http.post(base, json={})).json()["id"]
    body = b'{"command": "' + b"x" * 300_000 + b'"}'
    answer = await http.post(f"{base}/{terminal}/commands", content=body)
    assert answer.status_code == 413


async def test_a_terminal_takes_twenty_waiting_commands_and_no_more(
    http: httpx.AsyncClient, base: str
) -> None:
    terminal = (await http.post(base, json={})).json()["id"]
    path = f"{base}/{terminal}/commands"
    answers = [(await http.post(path, json={"command": "ls"})).status_code for _ in range(22)]
    assert answers == [202] * 21 + [429]


async def test_paths_are_completed(http: httpx.AsyncClient, base: str) -> None:
    await http.put(f"{base.removesuffix('/terminals')}/files/src/main.py", content=b"")
    terminal = (await http.post(base, json={})).json()["id"]
    path = f"{base}/{terminal}/complete"
    found = await http.get(path, params={"line": "cat sr", "cursor": 6})
    assert found.json() == {"start": 4, "options": ["src/"]}
    for wrong in ({"line": "x"}, {"line": "x", "cursor": "-1"}, {"line": "x", "cursor": "²"}):
        assert (await http.get(path, params=wrong)).status_code == 400
