"""Plain SSE over a real gateway, read as a browser's EventSource would read it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest


@dataclass
class Event:
    """One event, or (with empty data) the change of the last event id."""

    kind: str
    id: str
    data: Any


@dataclass
class Source:
    """A stream that is open."""

    response: httpx.Response
    lines: AsyncIterator[str]
    id: str = ""

    async def next(self) -> Event:
        """The next event; comments are passed over."""
        kind, data = "message", None
        async with asyncio.timeout(10):
            async for line in self.lines:
                name, _, value = line.partition(": ")
                if name == "id":
                    self.id = value
                elif name == "event":
                    kind = value
                elif name == "data":
                    data = json.loads(value)
                elif not line and data is not None:
                    return Event(kind, self.id, data)
        raise EOFError


@asynccontextmanager
async def source(
    running: Any, *channels: str, last: str = "", token: str | None = None, **headers: str
) -> AsyncIterator[Source]:
    params = [("channel", channel) for channel in channels]
    params.append(("token", running.token() if token is None else token))
    if last:
        headers["Last-Event-ID"] = last
    url = f"http://127.0.0.1:{running.port}/connection/sse"
    async with (
        httpx.AsyncClient(timeout=10, trust_env=False) as client,
        client.stream("GET", url, params=params, headers=headers) as response,
    ):
        yield Source(response, response.aiter_lines())


async def status(running: Any, *channels: str, **options: Any) -> tuple[int, str]:
    async with source(running, *channels, **options) as it:
        await it.response.aread()
        return it.response.status_code, it.response.json()["error"]["code"]


async def ready(it: Source) -> None:
    """Return once the stream has begun, and so misses nothing."""
    async for line in it.lines:
        if line.startswith("id: "):
            it.id = line.removeprefix("id: ")
            return


async def test_several_channels_come_in_one_stream(running: Any) -> None:
    async with source(running, "news:a", "news:b") as it:
        assert it.response.headers["content-type"].startswith("text/event-stream")
        assert it.response.headers["x-accel-buffering"] == "no"
        await ready(it)
        await running.publish("news:a", {"text": "one\ntwo"})
        first = await it.next()
        await running.publish("news:b", 2)
        second = await it.next()
    assert first.data == {"channel": "news:a", "offset": 1, "data": {"text": "one\ntwo"}}
    assert second.data == {"channel": "news:b", "offset": 1, "data": 2}
    assert second.id.startswith("news:a=1,news:b=1@")


async def test_a_stream_goes_on_where_the_last_one_broke_off(running: Any) -> None:
    async with source(running, "news:a", "news:b") as it:
        await ready(it)
        await running.publish("news:a", 1)
        last = (await it.next()).id
    await running.publish("news:a", 2)
    await running.publish("news:b", 3)
    await running.stop()
    await running.start()
    async with source(running, "news:a", "news:b", last=last) as it:
        seen = {
            (event.data["channel"], event.data["data"])
            for event in [await it.next(), await it.next()]
        }
    assert seen == {("news:a", 2), ("news:b", 3)}


async def test_who_broke_off_before_the_first_event_misses_nothing_either(running: Any) -> None:
    async with source(running, "news:a") as it:
        await ready(it)
        last = it.id
    await running.publish("news:a", 1)
    async with source(running, "news:a", last=last) as it:
        assert (await it.next()).data["data"] == 1


async def test_a_person_may_ask_for_a_channel_from_its_beginning(running: Any) -> None:
    await running.publish("news:a", 1, 2)
    async with source(running, "news:a", last="news:a=0") as it:
        assert [(await it.next()).data["data"] for _ in range(2)] == [1, 2]


async def test_a_loss_is_told_as_an_event_of_its_own(running: Any) -> None:
    async with source(running, "short:a") as it:
        await ready(it)
        last = it.id
    for number in range(40):
        await running.publish("short:a", f"{number}" + "x" * 500)
    async with source(running, "short:a", last=last) as it:
        gap = await it.next()
        after = await it.next()
    assert gap.kind == "gap"
    assert gap.data["channel"] == "short:a"
    assert gap.data["since"]["offset"] == 0
    assert after.data["offset"] == gap.data["until"]["offset"] + 1


async def test_a_silent_stream_is_kept_alive_by_comments(
    running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidegate.gateway.sse.PING_EVERY", 0.05)
    async with source(running, "news:a") as it:
        async for line in it.lines:
            if line == ": ping":
                break


async def test_the_end_of_a_silent_job_is_told_once(running: Any, ended_job: Any) -> None:
    running.records["J1"] = ended_job("J1")
    async with source(running, "job:J1", "news:a") as it:
        end = await it.next()
    assert end.data["data"] == {"type": "end", "job": "J1", "state": "succeeded"}
    async with source(running, "job:J1", "news:a", last=end.id) as it:
        await ready(it)
        await running.publish("news:a", "only this")
        assert (await it.next()).data["channel"] == "news:a"


async def test_who_waits_for_a_silent_job_hears_its_end_on_a_stream(
    running: Any, ended_job: Any
) -> None:
    async with source(running, "job:J1") as it:
        await ready(it)
        running.records["J1"] = ended_job("J1")
        assert (await it.next()).data["data"]["state"] == "succeeded"


async def test_a_gateway_that_ends_tells_its_streams(running: Any) -> None:
    async with source(running, "news:a") as it:
        await ready(it)
        assert running.gateway.connections == 1
        await running.gateway.drain(over=0.0)
        end = await it.next()
    assert end.kind == "end"
    assert end.data == {"code": 3001, "reason": "shutdown"}


async def test_a_stream_ends_with_its_token(running: Any) -> None:
    async with source(running, "news:a", token=running.token(ttl=0.2)) as it:
        await ready(it)
        await asyncio.sleep(0.3)  # the token has to end
        for _ in range(30):
            running.gateway.tick()
        assert (await it.next()).data["reason"] == "connection expired"


async def test_a_stream_that_is_closed_is_forgotten(running: Any) -> None:
    async with source(running, "news:a") as it:
        await ready(it)
    async with asyncio.timeout(10):
        while running.gateway.connections:  # noqa: ASYNC110 - it has no event of its own
            await asyncio.sleep(0.005)


async def test_what_is_wrong_is_answered_as_json(running: Any) -> None:
    assert await status(running) == (400, "wrong_channel")
    assert await status(running, "no name") == (400, "wrong_channel")
    assert await status(running, "news:a", last="nonsense") == (400, "wrong_channel")
    assert await status(running, "news:a", token="") == (401, "bad_token")
    assert await status(running, "news:a", token=running.token(ttl=-1)) == (401, "token_expired")
    running.gateway.is_draining = True
    assert await status(running, "news:a") == (503, "backend_unavailable")
    running.gateway.is_draining = False
    narrow = running.token("room:*")
    assert await status(running, "news:a", token=narrow) == (403, "forbidden")
    evil = {"Origin": "https://evil.example"}
    assert await status(running, "news:a", **evil) == (403, "forbidden")


async def test_a_token_may_come_in_the_header(running: Any) -> None:
    bearer = {"Authorization": f"Bearer {running.token()}"}
    async with source(running, "news:a", token="", **bearer) as it:
        await ready(it)
        await running.publish("news:a", 1)
        assert (await it.next()).data["data"] == 1
