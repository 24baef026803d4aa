"""Subscriptions survive their connection, and say when something may have been missed."""

import asyncio
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial

import pytest

from tidegate.connections.address import Address
from tidegate.connections.embedded import EmbeddedValkey
from tidegate.connections.link import ReplyError
from tidegate.connections.pubsub import PubSub
from tidegate.connections.valkey import Valkey
from tidegate.errors import BackendUnavailableError


@dataclass
class Heard:
    """What a subscriber was told, in order."""

    messages: list[tuple[str, bytes]] = field(default_factory=list)
    resets: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def message(self, name: str, data: bytes) -> None:
        self.messages.append((name, data))
        self.news.set()

    def reset(self) -> None:
        self.resets += 1
        self.news.set()

    async def until(self, *, messages: int = 0, resets: int = 0) -> None:
        async with asyncio.timeout(20):
            while len(self.messages) < messages or self.resets < resets:
                self.news.clear()
                await self.news.wait()


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
async def pubsub(valkey: Valkey, heard: Heard) -> AsyncIterator[PubSub]:
    async with PubSub(valkey.address, on_reset=heard.reset) as opened:
        yield opened


async def lost(pubsub: PubSub) -> None:
    """Wait until it has given its connection up."""
    async with asyncio.timeout(10):
        while pubsub._link is not None:  # noqa: ASYNC110 - it tells nobody but itself
            await asyncio.sleep(0.005)


async def test_each_name_has_its_own_handler(pubsub: PubSub, valkey: Valkey, heard: Heard) -> None:
    for name in ("a", "b"):
        await pubsub.subscribe(name, partial(heard.message, name))
    for name, data in (("a", "1"), ("b", "2"), ("c", "3"), ("a", "4")):
        await valkey.call("SPUBLISH", name, data)
    await heard.until(messages=3)
    assert heard.messages == [("a", b"1"), ("b", b"2"), ("a", b"4")]


async def test_from_the_moment_subscribe_returns_nothing_is_missed(
    pubsub: PubSub, valkey: Valkey, heard: Heard
) -> None:
    for number in range(100):
        await pubsub.subscribe(f"c{number}", partial(heard.message, "c"))
        assert await valkey.call("SPUBLISH", f"c{number}", b"%d" % number) == 1
    await heard.until(messages=100)


async def test_after_unsubscribe_nothing_is_handed_over(
    pubsub: PubSub, valkey: Valkey, heard: Heard
) -> None:
    await pubsub.subscribe("a", partial(heard.message, "a"))
    await pubsub.subscribe("b", partial(heard.message, "b"))
    await valkey.call("SPUBLISH", "a", "on its way")
    pubsub.unsubscribe("a")
    pubsub.unsubscribe("a")
    await valkey.call("SPUBLISH", "b", "1")
    await heard.until(messages=1)
    assert ("b", b"1") in heard.messages


async def test_a_cut_connection_comes_back_with_all_names_before_the_reset(
    pubsub: PubSub, valkey: Valkey, heard: Heard
) -> None:
    for number in range(200):
        await pubsub.subscribe(f"c{number}", partial(heard.message, "c"))
    await valkey.call("CLIENT", "KILL", "TYPE", "PUBSUB")
    await heard.until(resets=1)
    for number in range(200):
        assert await valkey.call("SPUBLISH", f"c{number}", "x") == 1
    await heard.until(messages=200)


async def test_a_name_subscribed_while_the_server_is_away_is_there_after_the_reset(
    pubsub: PubSub, valkey: Valkey, server: EmbeddedValkey, heard: Heard
) -> None:
    assert server.process is not None
    server.process.kill()
    await server.process.wait()
    await lost(pubsub)
    await pubsub.subscribe("a", partial(heard.message, "a"))
    await server.start()
    await heard.until(resets=1)
    assert await valkey.call("SPUBLISH", "a", "1") == 1
    await heard.until(messages=1)


async def test_a_silent_server_counts_as_lost(
    pubsub: PubSub,
    valkey: Valkey,
    server: EmbeddedValkey,
    heard: Heard,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tidegate.connections.pubsub._PING_EVERY", 0.02)
    monkeypatch.setattr("tidegate.connections.pubsub._PING_TIMEOUT", 0.3)
    await pubsub.subscribe("a", partial(heard.message, "a"))
    await valkey.call("CLIENT", "KILL", "TYPE", "PUBSUB")  # the next watch is the quick one
    await heard.until(resets=1)
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    await lost(pubsub)
    monkeypatch.undo()  # from here on, slow is not silent
    server.process.send_signal(signal.SIGCONT)
    await heard.until(resets=2)
    assert await valkey.call("SPUBLISH", "a", "1") == 1
    await heard.until(messages=1)


async def test_a_refused_subscription_is_raised_and_the_others_go_on(
    pubsub: PubSub, valkey: Valkey, heard: Heard
) -> None:
    await pubsub.subscribe("open:a", partial(heard.message, "a"))
    await valkey.call("ACL", "SETUSER", "default", "resetchannels", "&open:*")
    with pytest.raises(ReplyError, match="NOPERM"):
        await pubsub.subscribe("secret", partial(heard.message, "secret"))
    await valkey.call("SPUBLISH", "open:a", "1")
    await heard.until(messages=1)
    assert heard.messages == [("a", b"1")]


async def test_opening_without_a_server_is_refused_at_once() -> None:
    away = PubSub(Address(path="/nowhere.sock"), on_reset=lambda: None)
    with pytest.raises(BackendUnavailableError):
        await away.__aenter__()
