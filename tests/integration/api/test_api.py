import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tidegate.api.routes import ROUTES
from tidegate.clock import SYSTEM
from tidegate.errors import BackendUnavailableError
from tidegate.gateway.auth import Cap
from tidegate.launchers.launcher import Phase, Task


def code(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


async def test_every_call_but_the_public_ones_needs_a_token(api: Any) -> None:
    for route in ROUTES:
        path = re.sub(r"{\w+}", "x", route.path)
        response = await api.http.request(route.method, path, headers={"Authorization": ""})
        assert (response.status_code == 401) == (route.access != "public"), path
    assert response.headers.get("www-authenticate") is None


async def test_a_token_opens_what_it_grants_and_no_more(api: Any) -> None:
    mail = api.bearer(Cap(queues=("work",), allow=frozenset({"enqueue"})))
    body = {"name": "test.double", "payload": 1}
    assert (await api.post("/v1/queues/work/jobs", body, headers=mail)).status_code == 202
    assert code(await api.post("/v1/queues/small/jobs", body, headers=mail)) == (403, "forbidden")
    assert code(await api.http.get("/v1/queues", headers=mail)) == (403, "forbidden")
    admin = api.bearer(Cap(allow=frozenset({"admin"})))
    assert (await api.http.get("/v1/queues", headers=admin)).status_code == 200


async def test_a_forged_token_is_told_from_a_missing_one(api: Any) -> None:
    missing = await api.http.get("/v1/queues", headers={"Authorization": ""})
    forged = await api.http.get("/v1/queues", headers={"Authorization": "Bearer e30.e30.x"})
    assert code(missing) == code(forged) == (401, "bad_token")
    assert missing.headers["www-authenticate"] == "Bearer"
    assert "Authorization: Bearer" in missing.json()["error"]["message"]


async def test_an_issued_token_says_what_was_asked_for(api: Any) -> None:
    body = {"sub": "ann", "ttl": 60, "caps": [{"channels": ["news:*"], "allow": ["subscribe"]}]}
    issued = (await api.post("/v1/tokens", body)).json()
    claims = api.service.keyring.verify(issued["token"], now=SYSTEM.now())
    assert claims.sub == "ann"
    assert claims.grants("subscribe", "news:a")
    assert issued["expires_at"].endswith("Z")
    wrong = {"caps": [{"channels": ["a::b"], "allow": ["subscribe"]}]}
    assert code(await api.post("/v1/tokens", wrong)) == (400, "wrong_channel")
    unknown = {"caps": [{"channels": ["a"], "allow": ["fly"]}]}
    assert code(await api.post("/v1/tokens", unknown)) == (400, "usage")


async def test_a_channel_is_written_and_read_by_page(api: Any) -> None:
    for number in range(5):
        placed = await api.post("/v1/channels/news:a/events", {"data": number})
    assert placed.json()["offset"] == 5
    first = (await api.get("/v1/channels/news:a/events", limit=3)).json()
    assert [event["data"] for event in first["events"]] == [0, 1, 2]
    place = {"offset": first["offset"], "epoch": first["epoch"]}
    rest = (await api.get("/v1/channels/news:a/events", **place)).json()
    assert [event["offset"] for event in rest["events"]] == [4, 5]
    assert (rest["top"], rest["complete"]) == (5, True)
    elsewhere = (await api.get("/v1/channels/news:a/events", offset=2, epoch="other")).json()
    assert not elsewhere["complete"]


async def test_a_repeated_key_writes_one_event(api: Any) -> None:
    body = {"data": 1, "key": "once"}
    first = (await api.post("/v1/channels/news:a/events", body)).json()
    again = (await api.post("/v1/channels/news:a/events", body)).json()
    assert (first["offset"], first["created"]) == (1, True)
    assert (again["offset"], again["created"]) == (1, False)


async def test_a_reader_of_a_channel_may_not_write_it(api: Any) -> None:
    reader = api.bearer(Cap(channels=("news:*",), allow=frozenset({"history"})))
    path = "/v1/channels/news:a/events"
    assert (await api.http.get(path, headers=reader)).status_code == 200
    assert code(await api.post(path, {"data": 1}, headers=reader)) == (403, "forbidden")


async def test_unknown_paths_and_methods_are_answered_as_json(api: Any) -> None:
    assert code(await api.get("/v1/nothing")) == (404, "not_found")
    assert code(await api.http.delete("/v1/queues")) == (405, "method_not_allowed")


async def test_readiness_says_what_is_missing(
    api: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in ("/healthz", "/health", "/readyz"):
        assert (await api.get(path)).json()["status"] == "ok"
    assert (await api.http.head("/healthz")).status_code == 200
    api.service.gateway.is_draining = True
    assert (await api.get("/readyz")).json()["reasons"] == ["shutting down"]
    api.service.gateway.is_draining = False
    await server.stop()
    monkeypatch.setattr(api.client.valkey, "_patience", 0.1)
    ready = await api.get("/readyz")
    assert ready.status_code == 503
    assert "Valkey" in ready.json()["reasons"][0]
    assert code(await api.get("/v1/queues")) == (503, "backend_unavailable")
    assert (await api.get("/healthz")).status_code == 200


async def test_a_failure_nobody_expected_shows_nothing_of_itself(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken() -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(api.client, "queues", broken)
    response = await api.get("/v1/queues")
    assert code(response) == (500, "internal")
    assert "secret" not in response.text


async def test_a_backend_that_is_away_is_worth_trying_again(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away() -> None:
        raise BackendUnavailableError("gone")

    monkeypatch.setattr(api.client, "queues", away)
    response = await api.get("/v1/queues")
    assert code(response) == (503, "backend_unavailable")
    assert response.headers["retry-after"] == "1"


async def test_metrics_name_queues_workers_and_the_gateway(api: Any) -> None:
    await api.enqueue()
    text = (await api.get("/metrics")).text
    assert 'tidegate_queue_depth_jobs{queue="work"} 1.0' in text
    assert 'tidegate_jobs_enqueued_total{queue="work"} 1.0' in text
    assert "tidegate_gateway_connections 0.0" in text
    assert "tidegate_gateway_deliveries_total 0.0" in text


async def test_metrics_show_histograms_that_workers_reported(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reported() -> dict[str, dict[str, float]]:
        return {
            "tidegate_queue_wait_seconds|queue=work|job=test.double": {
                "0.001": 3.0,
                "0.1": 1.0,
                "sum": 0.06,
            },
            "tidegate_unknown|queue=work": {"value": 1.0},
        }

    monkeypatch.setattr(api.client.queue_backend, "metrics", reported)
    text = (await api.get("/metrics")).text
    labels = 'job="test.double",le="%s",queue="work"'
    head = "tidegate_queue_wait_seconds_bucket{"
    assert f"{head}{labels % '0.001'}}} 3.0" in text
    assert f"{head}{labels % '0.1'}}} 4.0" in text
    assert f"{head}{labels % '+Inf'}}} 4.0" in text
    assert 'tidegate_queue_wait_seconds_sum{job="test.double",queue="work"} 0.06' in text
    assert "tidegate_unknown" not in text


async def test_tasks_are_listed_with_what_their_workers_say(api: Any) -> None:
    async def tasks() -> list[Task]:
        return [Task(id="T1", worker="work", phase=Phase.RUNNING, started_at=1.0)]

    api.service.tasks = tasks
    listed = (await api.get("/v1/tasks")).json()
    assert [(task["task"], task["phase"]) for task in listed["tasks"]] == [("T1", "running")]
    assert listed["workers"] == []


async def test_logs_show_their_end_and_refuse_paths(api: Any, tmp_path: Path) -> None:
    (tmp_path / "T1.log").write_text("".join(f"line {number}\n" for number in range(10)))
    (tmp_path.parent / "secret.log").write_text("secret")
    assert (await api.get("/v1/tasks/T1/logs", tail=2)).text == "line 8\nline 9\n"
    for task in ("T2", "..%2Fsecret", "../secret", "T1.log"):
        response = await api.get(f"/v1/tasks/{task}/logs")
        assert response.status_code == 404


async def test_the_document_describes_every_route_and_refers_to_nothing_missing(api: Any) -> None:
    found = (await api.get("/v1/openapi.json")).json()
    assert found["openapi"] == "3.1.0"
    described = [(path, method) for path, methods in found["paths"].items() for method in methods]
    assert sorted(described) == sorted((route.path, route.method.lower()) for route in ROUTES)
    schemas = found["components"]["schemas"]
    text = str(found)
    for name in re.findall(r"#/components/schemas/(\w+)", text):
        assert name in schemas
    operations = [each for path in found["paths"].values() for each in path.values()]
    assert len({each["operationId"] for each in operations}) == len(operations)
    assert all(each["summary"] for each in operations)


async def test_calls_may_be_made_side_by_side(api: Any) -> None:
    jobs: list[str] = await asyncio.gather(*(api.enqueue(number) for number in range(50)))
    shown: list[httpx.Response] = await asyncio.gather(*(api.get(f"/v1/jobs/{j}") for j in jobs))
    assert [each.json()["payload"] for each in shown] == list(range(50))
