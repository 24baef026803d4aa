"""The gateway's sockets, spoken to without an SDK: bad input, slow and silent clients."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from tidegate.channels.cursor import START
from tidegate.gateway.wheel import PATIENCE, TURN

CHUNK = "x" * 50_000


async def said(socket: ClientConnection) -> dict[str, Any]:
    """The next thing the gateway says, of what may be several lines."""
    lines = getattr(socket, "lines", [])
    if not lines:
        async with asyncio.timeout(10):
            lines = str(await socket.recv()).split("\n")
    socket.lines = lines[1:]
    found: dict[str, Any] = json.loads(lines[0])
    return found


@asynccontextmanager
async def session(running: Any, *channels: str, **options: Any) -> AsyncIterator[ClientConnection]:
    """A socket that has connected and subscribed."""
    async with connect(running.url, compression=None, **options) as socket:
        await socket.send(json.dumps({"id": 1, "connect": {"token": running.token()}}))
        assert (await said(socket))["connect"]["ping"] == TURN
        for number, channel in enumerate(channels, 2):
            await socket.send(json.dumps({"id": number, "subscribe": {"channel": channel}}))
            assert "subscribe" in await said(socket)
        yield socket


async def closing_code(socket: ClientConnection) -> int:
    with suppress(ConnectionClosed):
        async with asyncio.timeout(10):
            async for _ in socket:
                pass
    assert socket.close_code is not None
    return socket.close_code


async def test_events_of_one_turn_come_in_one_frame(running: Any) -> None:
    async with session(running, "news:a") as socket:
        await running.publish("news:a", 1, 2, 3)
        frame = await socket.recv()
        assert [json.loads(line)["push"]["pub"]["data"] for line in str(frame).split("\n")] == [
            1,
            2,
            3,
        ]


async def test_several_commands_in_one_frame_are_answered_in_order(running: Any) -> None:
    async with connect(running.url) as socket:
        commands = [
            {"id": 1, "connect": {"token": running.token()}},
            {"id": 2, "subscribe": {"channel": "news:a"}},
            {"id": 3, "publish": {"channel": "news:a", "data": "hello"}},
            {"id": 4, "ping": {}},
        ]
        await socket.send("\n".join(map(json.dumps, commands)))
        answers = [await said(socket) for _ in range(5)]
        assert {answer["id"] for answer in answers if "id" in answer} == {1, 2, 3, 4}
        assert [a["push"]["pub"]["data"] for a in answers if "push" in a] == ["hello"]


@pytest.mark.parametrize(
    "frame",
    [
        "no json",
        "[]",
        '{"id":"x"}',
        '{"id":1,"subscribe":{"channel":"news:a"}}',  # before connect
        b"\xff\xfe",
        "[" * 100_000,
        '{"id":1,"connect":{"token":3}}',
    ],
)
async def test_a_malformed_frame_ends_the_connection_with_code_3501(
    running: Any, frame: str | bytes
) -> None:
    async with connect(running.url) as socket:
        await socket.send(frame)
        assert await closing_code(socket) == 3501
    assert running.gateway.connections == 0


async def test_bytes_that_are_no_utf8_reach_nobody(running: Any) -> None:
    async with session(running, "news:a") as other, session(running) as socket:
        bad = b'{"id":9,"publish":{"channel":"news:a","data":"\xff"}}'
        await socket.send(bad, text=True)
        assert await closing_code(socket) == 3501
        await running.publish("news:a", "good")
        assert (await said(other))["push"]["pub"]["data"] == "good"


async def test_a_message_in_fragments_is_put_together(running: Any) -> None:
    async with session(running, "news:a") as socket:
        text = json.dumps({"id": 9, "publish": {"channel": "news:a", "data": "whole"}})
        await socket.send([text[:10], text[10:20], text[20:]])
        answers = [await said(socket), await said(socket)]
        assert any(a.get("push", {}).get("pub", {}).get("data") == "whole" for a in answers)


async def test_a_frame_that_is_too_large_ends_the_connection(running: Any) -> None:
    async with session(running) as socket:
        await socket.send("x" * 2_000_000)
        assert await closing_code(socket) == 1009


async def test_an_event_above_one_mib_is_refused_with_a_reason(running: Any) -> None:
    async with session(running) as socket:
        data = "x" * (1024 * 1024 + 1)
        await socket.send(json.dumps({"id": 9, "publish": {"channel": "news:a", "data": data}}))
        error = (await said(socket))["error"]
        assert error["code"] == 107
        assert "1048576" in error["message"]


@pytest.mark.parametrize("channel", ["", "a b", "a::b", "../etc", "x" * 300, "*"])
async def test_a_name_that_is_none_is_refused(running: Any, channel: str) -> None:
    async with session(running) as socket:
        await socket.send(json.dumps({"id": 9, "subscribe": {"channel": channel}}))
        assert (await said(socket))["error"]["code"] == 107


async def test_subscribing_twice_is_refused(running: Any) -> None:
    async with session(running, "news:a") as socket:
        await socket.send(json.dumps({"id": 9, "subscribe": {"channel": "news:a"}}))
        assert (await said(socket))["error"]["code"] == 105


async def test_a_failed_recovery_is_an_error_where_the_client_asked_for_one(running: Any) -> None:
    await running.publish("news:a", 1)
    async with session(running) as socket:
        request = {"channel": "news:a", "recover": True, "offset": 1, "epoch": "other", "flag": 2}
        await socket.send(json.dumps({"id": 9, "subscribe": request}))
        assert (await said(socket))["error"]["code"] == 112
        del request["flag"]
        await socket.send(json.dumps({"id": 10, "subscribe": request}))
        answer = (await said(socket))["subscribe"]
        assert answer["was_recovering"]
        assert "recovered" not in answer
        assert answer["offset"] == 1


async def test_pages_of_other_sites_and_other_names_of_loopback_are_refused(running: Any) -> None:
    with pytest.raises(InvalidStatus) as caught:
        await connect(running.url, origin=Origin("https://evil.example"))
    assert caught.value.response.status_code == 403
    rebound = running.url.replace("127.0.0.1", "evil.example")
    with pytest.raises(InvalidStatus) as caught:
        await connect(rebound, host="127.0.0.1")
    assert caught.value.response.status_code == 403
    async with session(running, origin=Origin(f"http://127.0.0.1:{running.port}")):
        assert running.gateway.connections == 1


async def test_a_connection_that_never_connects_is_ended(running: Any) -> None:
    async with connect(running.url) as socket:
        await until(lambda: running.gateway.connections == 1)
        turn(running, PATIENCE + 1)
        assert await closing_code(socket) == 3502


async def test_a_client_that_answers_pings_stays_and_a_silent_one_goes(running: Any) -> None:
    async with session(running) as alive, session(running) as silent:
        for _ in range(2 * TURN):
            turn(running, 1)
            await answer_ping(alive)
        assert await closing_code(silent) == 3012
        assert running.gateway.connections == 1


async def answer_ping(socket: ClientConnection) -> None:
    """Answer a ping, if one has come; return once the gateway has the answer."""
    try:
        async with asyncio.timeout(0.01):  # there may be none
            assert await socket.recv() == "{}"
    except TimeoutError:
        return
    await socket.send("{}")
    await socket.send(json.dumps({"id": 9, "ping": {}}))
    assert (await said(socket))["id"] == 9


async def test_a_frozen_subscriber_costs_the_others_nothing_and_catches_up(running: Any) -> None:
    async with (
        session(running, "big:a", max_queue=1, max_size=None) as frozen,
        session(running, "big:a") as lively,
    ):
        frozen.transport.pause_reading()
        for number in range(200):
            await running.publish("big:a", [number, CHUNK])
            assert (await said(lively))["push"]["pub"]["data"][0] == number
        (held,) = [s for s in sessions(running) if held_back(s)]
        assert held.subscriptions["big:a"].held_at.offset < 200
        frozen.transport.resume_reading()
        seen = [(await said(frozen))["push"]["pub"] for _ in range(200)]
        assert [pub["offset"] for pub in seen] == list(range(1, 201))
        assert [pub["data"][0] for pub in seen] == list(range(200))
        await running.publish("big:a", "live again")
        assert (await said(frozen))["push"]["pub"]["data"] == "live again"


async def test_a_frozen_subscriber_whose_part_of_the_log_is_gone_is_told_so(running: Any) -> None:
    async with session(running, "short:a", max_queue=1, max_size=None) as frozen:
        frozen.transport.pause_reading()
        for number in range(200):
            await running.publish("short:a", [number, CHUNK])
        await until(lambda: held_back(sessions(running)[0]))
        frozen.transport.resume_reading()
        while "pub" in (push := (await said(frozen))["push"]):
            pass
        assert push["unsubscribe"]["code"] == 2500


async def test_a_frozen_subscriber_of_a_conflated_channel_gets_only_the_newest(
    running: Any,
) -> None:
    async with session(running, "conflated:a", max_queue=1, max_size=None) as frozen:
        frozen.transport.pause_reading()
        for number in range(200):
            await running.publish("conflated:a", [number, CHUNK])
        await until(lambda: bool(sessions(running)) and held_back(sessions(running)[0]))
        frozen.transport.resume_reading()
        seen = []
        while not seen or seen[-1] != 199:
            seen.append((await said(frozen))["push"]["pub"]["data"][0])
        assert seen == sorted(seen)
        assert len(seen) < 150


async def test_a_frozen_subscriber_of_a_cut_channel_is_disconnected(running: Any) -> None:
    async with session(running, "cut:a", max_queue=1, max_size=None) as frozen:
        frozen.transport.pause_reading()
        for number in range(200):
            await running.publish("cut:a", [number, CHUNK])
        await until(lambda: running.gateway.connections == 0)
        frozen.transport.resume_reading()
        assert await closing_code(frozen) == 3008


async def test_commands_pile_up_in_the_socket_and_not_in_the_gateway(running: Any) -> None:
    async with session(running) as socket:
        for number in range(1000):
            publish = {"channel": "input:a", "data": number}
            await socket.send(json.dumps({"id": number + 2, "publish": publish}))
        answered = [(await said(socket))["id"] for _ in range(1000)]
        assert answered == list(range(2, 1002))
        page = await running.backend.replay("input:a", START)
        assert [int(event.data) for event in page.events] == list(range(1000))


async def test_new_clients_are_turned_away_while_the_gateway_ends(running: Any) -> None:
    running.gateway.is_draining = True
    with pytest.raises(InvalidStatus) as caught:
        async with connect(running.url):
            pass
    assert caught.value.response.status_code == 503


async def test_clients_are_sent_away_over_a_spread_of_time(running: Any) -> None:
    async with session(running), session(running), session(running), session(running):
        left: list[int] = []
        draining = asyncio.create_task(running.gateway.drain(over=0.4))
        while running.gateway.connections:
            left.append(running.gateway.connections)
            await asyncio.sleep(0.02)  # the spread itself is what is looked at
        await draining
        assert {3, 2, 1} <= set(left)


async def test_a_restart_of_valkey_loses_and_repeats_nothing(running: Any, server: Any) -> None:
    async with session(running) as socket:
        request: dict[str, Any] = {"channel": "news:a"}
        await socket.send(json.dumps({"id": 9, "subscribe": request}))
        request |= {"recover": True, "epoch": (await said(socket))["subscribe"]["epoch"]}
        await running.publish("news:a", 1)
        request["offset"] = (await said(socket))["push"]["pub"]["offset"]
        server.process.kill()
        await server.process.wait()
        await server.start()
        await running.publish("news:a", 2)
        assert (await said(socket))["push"]["unsubscribe"]["code"] == 2500
        await socket.send(json.dumps({"id": 10, "subscribe": request}))
        again = (await said(socket))["subscribe"]
        assert again["recovered"]
        assert again["epoch"] != request["epoch"]
        assert again["publications"] == [{"data": 2, "offset": 2}]
        await running.publish("news:a", 3)
        assert (await said(socket))["push"]["pub"] == {"data": 3, "offset": 3}


def sessions(running: Any) -> list[Any]:
    return list(running.gateway._clients)


def held_back(session: Any) -> bool:
    return any(each is not None and each.held_at for each in session.subscriptions.values())


def turn(running: Any, seconds: int) -> None:
    for _ in range(seconds):
        running.gateway.tick()


async def until(holds: Any) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.005)
