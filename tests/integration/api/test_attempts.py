from typing import Any


def code(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


async def test_an_outside_program_reports_progress_events_and_a_result(api: Any) -> None:
    job = await api.enqueue()
    claim = await api.claim()
    headers, base = api.attempt(claim), f"/v1/attempts/{job}"
    progress = await api.post(f"{base}/progress", {"done": 1, "of": 3}, headers=headers)
    assert progress.json() == {"job": job, "accepted": True}
    events = {"events": [{"text": "one"}, {"text": "two"}], "key": "k"}
    published = await api.post(f"{base}/publish", events, headers=headers)
    assert (published.json()["offset"], published.json()["created"]) == (2, True)
    again = await api.post(f"{base}/publish", events, headers=headers)
    assert (again.json()["offset"], again.json()["created"]) == (2, False)
    await api.post(f"{base}/complete", {"result": {"answer": 8}}, headers=headers)
    shown = (await api.get(f"/v1/jobs/{job}")).json()
    assert (shown["state"], shown["result"]) == ("succeeded", {"answer": 8})
    log = (await api.get(f"/v1/channels/job:{job}/events")).json()["events"]
    assert [event["data"].get("text") for event in log[:2]] == ["one", "two"]
    assert log[-1]["data"] == {"type": "end", "answer": 8, "job": job, "state": "succeeded"}


async def test_a_failed_attempt_runs_again_until_its_retries_are_used_up(api: Any) -> None:
    job = await api.enqueue()
    for state in ("ready", "dead"):
        claim = await api.claim()
        body = {"message": "it broke", "type": "Broken", "traceback": "line 1"}
        await api.post(f"/v1/attempts/{job}/fail", body, headers=api.attempt(claim))
        await api.client.queue_backend.sweep(["work"])
        assert (await api.get(f"/v1/jobs/{job}")).json()["state"] == state
    errors = (await api.get(f"/v1/jobs/{job}")).json()["errors"]
    assert [(error["attempt"], error["type"], error["message"]) for error in errors] == [
        (1, "Broken", "it broke"),
        (2, "Broken", "it broke"),
    ]


async def test_a_failure_not_worth_repeating_ends_the_job_at_once(api: Any) -> None:
    job = await api.enqueue()
    claim = await api.claim()
    body = {"message": "never", "retry": False}
    await api.post(f"/v1/attempts/{job}/fail", body, headers=api.attempt(claim))
    assert (await api.get(f"/v1/jobs/{job}")).json()["state"] == "dead"


async def test_a_late_attempt_changes_nothing(api: Any) -> None:
    job = await api.enqueue()
    late = api.attempt(await api.claim())
    await api.post(f"/v1/attempts/{job}/complete", {"result": 1}, headers=late)
    for path, body in (
        ("progress", {"done": 1}),
        ("publish", {"events": [1]}),
        ("complete", {"result": 2}),
        ("fail", {"message": "late"}),
    ):
        response = await api.post(f"/v1/attempts/{job}/{path}", body, headers=late)
        assert code(response) == (409, "stale_attempt")
    assert (await api.get(f"/v1/jobs/{job}")).json()["result"] == 1


async def test_only_the_attempts_own_token_is_taken(api: Any) -> None:
    job = await api.enqueue()
    other = await api.enqueue()
    claim = await api.claim()
    path, body = f"/v1/attempts/{job}/progress", {"done": 1}
    assert code(await api.post(path, body)) == (401, "bad_token")
    ended = api.attempt(claim, ttl=-1)
    assert code(await api.post(path, body, headers=ended)) == (401, "bad_token")
    elsewhere = f"/v1/attempts/{other}/progress"
    assert code(await api.post(elsewhere, body, headers=api.attempt(claim))) == (401, "bad_token")


async def test_an_attempts_token_opens_nothing_else(api: Any) -> None:
    await api.enqueue()
    headers = api.attempt(await api.claim())
    response = await api.http.get("/v1/queues", headers=headers)
    assert response.status_code == 401
