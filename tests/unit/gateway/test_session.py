"""A session without a socket: the wire is a list of frames."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tidegate.channels.backends.valkey import ValkeyChannels
from tidegate.channels.hub import Hub
from tidegate.connections.valkey import Valkey
from tidegate.gateway.auth import Cap, Keyring
from tidegate.gateway.protocol import Disconnect
from tidegate.gateway.server import Gateway
from tidegate.gateway.session import MAX_UNSENT, Session
from tidegate.gateway.wheel import TURN

NOW = 1_000_000.0


class Wire:
    """What a session says to its socket."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.closed: Disconnect | None = None
        self.is_read = True
        self.waits = 0
        self.write = self.frames.append

    def unsent(self) -> int:
        return self.waits

    def close(self, why: Disconnect) -> None:
        self.closed = why

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True

    @property
    def said(self) -> list[dict[str, Any]]:
        heads = {126: 4, 127: 10}
        return [
            json.loads(line)
            for frame in self.frames
            for line in frame[heads.get(frame[1], 2) :].split(b"\n")
        ]


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def gateway(valkey: Valkey) -> AsyncIterator[Gateway]:
    async def no_job(_job: str) -> None:
        return None

    async with (
        ValkeyChannels(valkey) as backend,
        Hub(backend) as hub,
        Gateway(
            hub=hub,
            valkey=valkey,
            keyring=Keyring(["k" * 32]),
            find_job=no_job,
            now=Clock(),
        ) as gateway,
    ):
        yield gateway


def opened(gateway: Gateway, *, ttl: float | None = None) -> tuple[Session, Wire]:
    wire = Wire()
    session = Session(gateway, wire, "C1")
    caps = [Cap(channels=("*",), allow=frozenset({"subscribe", "publish"}))]
    token = gateway.keyring.issue(sub="ann", now=NOW, ttl=ttl, caps=caps)
    session.receive(json.dumps({"id": 1, "connect": {"token": token}}))
    assert wire.said[0]["connect"]["client"] == "C1"
    return session, wire


def code(wire: Wire) -> int | None:
    return wire.closed.code if wire.closed else None


async def test_a_silent_client_is_ended_after_its_ping(gateway: Gateway) -> None:
    session, wire = opened(gateway)
    session.check()
    session.ping()
    assert wire.said[-1] == {}
    session.check()
    assert code(wire) == 3012


async def test_anything_a_client_says_shows_that_it_lives(gateway: Gateway) -> None:
    session, wire = opened(gateway)
    for sign in ("{}", '{"id":2,"ping":{}}'):
        session.ping()
        session.receive(sign)
        session.check()
    assert wire.closed is None


async def test_a_slow_client_that_reads_on_is_not_taken_for_a_silent_one(gateway: Gateway) -> None:
    session, wire = opened(gateway)
    wire.waits = 1_000_000
    session.full()
    session.ping()
    wire.waits = 900_000
    session.check()
    assert wire.closed is None
    session.ping()
    session.drained()
    session.check()
    assert wire.closed is None
    wire.waits = 900_000
    session.ping()
    session.check()
    assert code(wire) == 3012


async def test_a_client_that_asks_and_does_not_read_is_cut(gateway: Gateway) -> None:
    session, wire = opened(gateway)
    wire.waits = MAX_UNSENT + 1
    session.full()
    session.receive('{"id":2,"ping":{}}')
    assert code(wire) == 3008


async def test_large_commands_that_wait_stop_the_reading_sooner(gateway: Gateway) -> None:
    session, wire = opened(gateway)
    publish = {"channel": "a", "data": "x" * 1_000_000}
    session.receive(json.dumps({"id": 2, "publish": publish}))
    session.receive(json.dumps({"id": 3, "publish": publish}))
    assert not wire.is_read
    while gateway.lanes._tasks:
        await next(iter(gateway.lanes._tasks))
    assert wire.is_read
    assert [line["id"] for line in wire.said[1:]] == [2, 3]


async def test_a_token_that_ended_ends_the_connection_after_a_while(gateway: Gateway) -> None:
    session, wire = opened(gateway, ttl=60.0)
    clock = gateway.now
    assert isinstance(clock, Clock)
    clock.now = NOW + 70
    session.check()
    assert wire.closed is None
    clock.now = NOW + 90
    session.check()
    assert code(wire) == 3005


async def test_a_second_connect_and_a_message_to_nobody_end_the_connection(
    gateway: Gateway,
) -> None:
    for line, expected in (
        ('{"id":2,"connect":{"token":"x"}}', 3501),
        ('{"send":{"data":1}}', 3508),
    ):
        session, wire = opened(gateway)
        session.receive(line)
        assert code(wire) == expected


async def test_another_users_token_does_not_refresh_a_session(gateway: Gateway) -> None:
    session, wire = opened(gateway, ttl=60.0)
    other = gateway.keyring.issue(sub="bob", now=NOW, ttl=60.0)
    session.receive(json.dumps({"id": 2, "refresh": {"token": other}}))
    assert code(wire) == 3500


async def test_what_is_asked_after_the_end_is_not_answered(gateway: Gateway) -> None:
    session, wire = opened(gateway)
    session.receive('{"id":2,"subscribe":{"channel":"a"}}')
    session.over()
    while gateway.lanes._tasks:
        await next(iter(gateway.lanes._tasks))
    session.over()
    assert len(wire.frames) == 1
    assert gateway.connections == 0
    assert gateway.channels_followed == 0


async def test_a_client_whose_check_fails_does_not_spare_the_others(gateway: Gateway) -> None:
    class Broken:
        is_idle = True

        def ping(self) -> None:
            raise RuntimeError

        def check(self) -> None:
            raise RuntimeError

        def disconnect(self, _why: Disconnect) -> None:
            gateway.closed(self, slot)

    slot = gateway.opened(Broken())
    _, wire = opened(gateway)
    for _ in range(TURN):
        gateway.tick()
    assert {} in wire.said
