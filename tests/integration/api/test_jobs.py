from typing import Any

import pytest


def code(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


async def test_a_job_is_enqueued_and_shown(api: Any) -> None:
    enqueued = await api.post("/v1/queues/work/jobs", {"name": "test.double", "payload": 4})
    job = enqueued.json()["job"]
    assert enqueued.status_code == 202
    assert enqueued.json() == {"job": job, "channel": f"job:{job}", "created": True}
    shown = (await api.get(f"/v1/jobs/{job}")).json()
    assert (shown["state"], shown["queue"], shown["payload"]) == ("ready", "work", 4)
    assert shown["enqueued_at"].endswith("Z")


async def test_options_are_taken_and_a_repeated_id_creates_nothing(api: Any) -> None:
    body = {"name": "test.double", "payload": 1, "options": {"id": "mine", "delay": 60.0}}
    first = await api.post("/v1/queues/work/jobs", body)
    again = await api.post("/v1/queues/work/jobs", body)
    assert (first.json()["created"], again.json()["created"]) == (True, False)
    assert (await api.get("/v1/jobs/mine")).json()["state"] == "scheduled"


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("nowhere", {"name": "test.double", "payload": 1}, (404, "unknown_queue")),
        ("work", {"name": "test.nothing"}, (404, "unknown_handler")),
        ("work", {"name": "test.double", "payload": "four"}, (400, "wrong_payload")),
        ("work", {"name": "test.double", "payload": 1, "options": {"x": 1}}, (400, "usage")),
        ("work", {"name": "test.double", "options": {"priority": "top"}}, (400, "wrong_payload")),
        ("work", {"payload": 1}, (400, "usage")),
        ("work", [], (400, "usage")),
    ],
)
async def test_a_wrong_enqueue_is_refused_with_what_was_expected(
    api: Any, path: str, body: Any, expected: tuple[int, str]
) -> None:
    response = await api.post(f"/v1/queues/{path}/jobs", body)
    assert code(response) == expected
    assert "Traceback" not in response.text


async def test_an_unknown_priority_is_refused(api: Any) -> None:
    body = {"name": "test.double", "payload": 1, "options": {"priority": "top"}}
    assert (await api.post("/v1/queues/work/jobs", body)).status_code == 400


async def test_a_body_that_is_no_json_or_no_utf8_is_refused(api: Any) -> None:
    for content in (b"{", b"\xff", b'{"name":"\xff"}', b"[" * 200_000):
        response = await api.http.post("/v1/queues/work/jobs", content=content)
        assert code(response) == (400, "usage")


async def test_a_payload_of_10_mb_is_refused_after_reading_no_more_than_8(api: Any) -> None:
    sent = 0

    async def body() -> Any:
        nonlocal sent
        for _ in range(100):
            sent += 100_000
            yield b"x" * 100_000

    response = await api.http.post("/v1/queues/work/jobs", content=body())
    assert code(response) == (413, "too_large")
    assert sent < 9_000_000


async def test_a_full_queue_says_when_to_try_again(api: Any) -> None:
    body = {"name": "test.nothing"}
    assert (await api.post("/v1/queues/small/jobs", body)).status_code == 202
    full = await api.post("/v1/queues/small/jobs", body)
    assert code(full) == (429, "queue_full")
    assert int(full.headers["retry-after"]) >= 1
    assert full.json()["error"]["detail"]["limit"] == 1


async def test_jobs_of_a_queue_are_listed_by_page_and_state(api: Any) -> None:
    jobs = [await api.enqueue(number) for number in range(5)]
    first = (await api.get("/v1/queues/work/jobs", limit=3)).json()
    rest = (await api.get("/v1/queues/work/jobs", limit=3, cursor=first["cursor"])).json()
    assert [each["job"] for each in first["jobs"] + rest["jobs"]] == jobs[::-1]
    assert rest["cursor"] is None
    assert (await api.get("/v1/queues/work/jobs", state="dead")).json()["jobs"] == []
    assert code(await api.get("/v1/queues/work/jobs", state="odd")) == (400, "usage")
    assert code(await api.get("/v1/queues/work/jobs", limit="many")) == (400, "usage")
    assert code(await api.get("/v1/queues/nowhere/jobs")) == (404, "unknown_queue")


async def test_a_waiting_job_is_cancelled_once(api: Any) -> None:
    job = await api.enqueue()
    cancelled = await api.post(f"/v1/jobs/{job}/cancel", {"reason": "no need"})
    assert cancelled.json() == {"job": job, "state": "cancelled"}
    shown = (await api.get(f"/v1/jobs/{job}")).json()
    assert shown["reason"] == "no need"
    assert code(await api.post(f"/v1/jobs/{job}/cancel")) == (409, "illegal_transition")
    assert code(await api.post("/v1/jobs/nobody/cancel")) == (404, "unknown_job")


async def test_an_ended_job_is_retried_and_a_waiting_one_is_not(api: Any) -> None:
    job = await api.enqueue()
    assert code(await api.post(f"/v1/jobs/{job}/retry")) == (409, "illegal_transition")
    await api.post(f"/v1/jobs/{job}/cancel")
    assert (await api.post(f"/v1/jobs/{job}/retry")).json() == {"job": job, "state": "ready"}
    assert code(await api.post("/v1/jobs/nobody/retry")) == (404, "unknown_job")


async def test_jobs_of_a_queue_are_redriven_up_to_a_limit(api: Any) -> None:
    for _ in range(3):
        await api.post(f"/v1/jobs/{await api.enqueue()}/cancel")
    body = {"state": "cancelled", "limit": 2}
    assert (await api.post("/v1/queues/work/redrive", body)).json() == {"redriven": 2}
    assert (await api.post("/v1/queues/work/redrive", body)).json() == {"redriven": 1}
    assert code(await api.post("/v1/queues/work/redrive", {"state": "ready"})) == (400, "usage")


async def test_queues_show_their_counts_and_are_paused(api: Any) -> None:
    await api.enqueue()
    listed = (await api.get("/v1/queues")).json()["queues"]
    assert [(queue["name"], queue["depth"]) for queue in listed] == [("work", 1), ("small", 0)]
    assert (await api.post("/v1/queues/work/pause")).json()["paused"]
    assert (await api.client.queue_backend.exchange("w1", queues=["work"], limit=1)).claims == []
    assert not (await api.post("/v1/queues/work/resume")).json()["paused"]
    await api.claim()
    shown = (await api.get("/v1/queues/work")).json()
    assert (shown["ready"], shown["running"], shown["depth"]) == (0, 1, 1)
    assert code(await api.get("/v1/queues/nowhere")) == (404, "unknown_queue")
