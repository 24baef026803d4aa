"""Spilling keeps logs bounded, and holds producers back rather than lose an event."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tidegate.channels.backend import ChannelSettings
from tidegate.channels.backends.valkey import ValkeyChannels
from tidegate.channels.cursor import START, Cursor
from tidegate.channels.segment import packed_segment, unpacked_segment
from tidegate.clock import SYSTEM
from tidegate.connections.valkey import Valkey
from tidegate.errors import BackendUnavailableError, ObjectError
from tidegate.objects import Objects
from tidegate.objects.address import ObjectsAddress
from tidegate.testing.channel import numbered, read_all

BOUNDS = ChannelSettings(pattern="*", hot_bytes=100_000, hot_events=10)
NESTED = ChannelSettings(pattern="*:*", hot_bytes=100_000, hot_events=10)


class Fragile(Objects):
    """Objects in a folder whose puts and gets can be made to fail or to wait."""

    def __init__(self, folder: Path) -> None:
        super().__init__(ObjectsAddress(folder=str(folder)))
        self.is_away = False
        self.tries = 0
        self.before_put: Callable[[], Awaitable[object]] | None = None
        self.before_get: Callable[[], Awaitable[object]] | None = None

    async def put_if_absent(self, key: str, data: bytes) -> bool:
        self.tries += 1
        if self.is_away:
            raise BackendUnavailableError("away")
        if self.before_put is not None:
            await self.before_put()
        return await super().put_if_absent(key, data)

    async def get(self, key: str) -> bytes:
        if self.before_get is not None:
            before, self.before_get = self.before_get, None
            await before()
        return await super().get(key)

    async def keys(self) -> list[str]:
        return sorted([info.key async for info in self.list()])


@pytest.fixture
def objects(tmp_path: Path) -> Fragile:
    return Fragile(tmp_path / "objects")


@pytest.fixture
async def backend(valkey: Valkey, objects: Fragile) -> AsyncIterator[ValkeyChannels]:
    async with ValkeyChannels(valkey, objects=objects, settings=[BOUNDS, NESTED]) as channels:
        yield channels


async def idle(backend: ValkeyChannels) -> None:
    async with asyncio.timeout(10):
        await asyncio.gather(*backend._spiller._tasks.values())


async def hot_offsets(valkey: Valkey, channel: str) -> list[bytes]:
    return [
        entry[0] for entry in await valkey.call("XRANGE", f"{valkey.prefix}c:{channel}", "-", "+")
    ]


async def test_the_older_half_becomes_a_segment_and_leaves_the_log(
    backend: ValkeyChannels, valkey: Valkey, objects: Fragile
) -> None:
    published = await backend.append("a:b", numbered(12))
    await idle(backend)
    assert await objects.keys() == [f"channels/test/a:b/{published.epoch}/1-5"]
    (key,) = await objects.keys()
    events = unpacked_segment(await objects.get(key))
    assert [event.data for event in events] == numbered(5)
    assert await hot_offsets(valkey, "a:b") == [b"%d-0" % offset for offset in range(6, 13)]


async def test_a_producer_waits_at_twice_the_bounds_until_objects_are_back(
    backend: ValkeyChannels, objects: Fragile
) -> None:
    objects.is_away = True
    await backend.append("a", numbered(21))
    waiting = asyncio.create_task(backend.append("a", numbered(1, 22)))
    # Long enough for the append to come back if it were let through.
    assert await asyncio.wait([waiting], timeout=0.3) == (set(), {waiting})
    assert objects.tries > 0
    objects.is_away = False
    assert (await waiting).offset == 22
    assert await read_all(backend, "a") == numbered(22)


async def test_a_producer_that_gives_up_waiting_has_appended_nothing(
    backend: ValkeyChannels, objects: Fragile
) -> None:
    objects.is_away = True
    await backend.append("a", numbered(21))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await backend.append("a", [b"never"])
    assert (await backend.top("a")).offset == 21


async def test_other_channels_do_not_wait(backend: ValkeyChannels, objects: Fragile) -> None:
    objects.is_away = True
    await backend.append("a", numbered(21))
    async with asyncio.timeout(5):
        assert (await backend.append("b", [b"1"])).offset == 1


async def test_of_two_that_spill_the_same_log_one_wins_and_nothing_is_left_over(
    backend: ValkeyChannels, valkey: Valkey, objects: Fragile
) -> None:
    async with ValkeyChannels(valkey, objects=Objects(objects.address), settings=[BOUNDS]) as other:

        async def overtaken() -> None:
            # The first has read 1-5 and not yet stored it.
            objects.before_put = None
            other._spiller.note("a", BOUNDS, 0, 12)
            await idle(other)

        objects.before_put = overtaken
        await backend.append("a", numbered(12))
        await idle(backend)
    epoch = (await backend.top("a")).epoch
    assert await objects.keys() == [f"channels/test/a/{epoch}/1-5"]
    assert await read_all(backend, "a") == numbered(12)


async def test_a_segment_that_comes_too_late_is_deleted_again(
    backend: ValkeyChannels, valkey: Valkey, objects: Fragile
) -> None:
    wider = ChannelSettings(pattern="*", hot_bytes=100_000, hot_events=8)
    async with ValkeyChannels(valkey, objects=Objects(objects.address), settings=[wider]) as other:

        async def overtaken() -> None:
            objects.before_put = None
            other._spiller.note("a", wider, 0, 12)
            await idle(other)

        objects.before_put = overtaken
        await backend.append("a", numbered(12))
        await idle(backend)
    epoch = (await backend.top("a")).epoch
    assert await objects.keys() == [f"channels/test/a/{epoch}/1-4"]
    assert await read_all(backend, "a") == numbered(12)


async def test_a_put_whose_answer_was_lost_is_found_and_committed(
    backend: ValkeyChannels, objects: Fragile
) -> None:
    epoch = (await backend.top("a")).epoch
    plain = Objects(objects.address)

    async def stored_already() -> None:
        objects.before_put = None
        await backend.append("b", [b"unrelated"])
        key = f"channels/test/a/{epoch}/1-5"
        await plain.put(key, packed_segment(epoch, 1, numbered(5)))

    objects.before_put = stored_already
    await backend.append("a", numbered(12))
    await idle(backend)
    assert await objects.keys() == [f"channels/test/a/{epoch}/1-5"]
    assert await read_all(backend, "a") == numbered(12)


async def test_a_segment_dropped_while_it_is_read_is_told_as_a_loss(
    valkey: Valkey, objects: Fragile
) -> None:
    bounds = ChannelSettings(pattern="*", hot_bytes=1000, hot_events=10, keep_bytes=3000)
    async with ValkeyChannels(valkey, objects=objects, settings=[bounds]) as backend:
        for _ in range(25):
            await backend.append("a", [b"x" * 100])
            await idle(backend)

        async def dropped() -> None:
            for _ in range(30):
                await backend.append("a", [b"x" * 100])
                await idle(backend)

        page = await backend.replay("a", START)
        assert page.complete
        objects.before_get = dropped
        page = await backend.replay("a", START)
        assert not page.complete
        assert page.events[0].offset == page.first > 1


async def test_a_damaged_segment_is_an_error_and_not_a_silent_loss(
    backend: ValkeyChannels, objects: Fragile
) -> None:
    await backend.append("a", numbered(12))
    await idle(backend)
    (key,) = await objects.keys()
    data = await objects.get(key)
    await objects.put(key, data[:-1] + b"?")
    with pytest.raises(ObjectError, match="checksum"):
        await backend.replay("a", START)
    assert (await backend.replay("a", Cursor(5))).complete


async def test_a_lost_segment_is_an_error_that_says_where_to_look(
    backend: ValkeyChannels, objects: Fragile
) -> None:
    await backend.append("a", numbered(12))
    await idle(backend)
    await objects.delete(*await objects.keys())
    with pytest.raises(ObjectError, match="TIDEGATE_OBJECTS_URL"):
        await backend.replay("a", START)


async def test_a_process_without_objects_says_that_it_needs_them(
    backend: ValkeyChannels, valkey: Valkey
) -> None:
    await backend.append("a", numbered(12))
    await idle(backend)
    async with ValkeyChannels(valkey) as without:
        with pytest.raises(ObjectError, match="set TIDEGATE_OBJECTS_URL"):
            await without.replay("a", START)


async def test_what_a_killed_process_left_goes_with_the_channel(
    valkey: Valkey, objects: Fragile
) -> None:
    later = 0.0

    def now() -> float:
        return SYSTEM.now() + later

    async with ValkeyChannels(valkey, objects=objects, settings=[BOUNDS], now=now) as backend:
        epoch = (await backend.append("a", numbered(12))).epoch
        await idle(backend)
        await objects.put(f"channels/test/a/{epoch}/6-9", b"stored, and never committed")
        later = 86_401.0
        assert await backend.sweep() == 1
    assert await objects.keys() == []


async def test_a_sweep_that_was_interrupted_is_finished_by_the_next(
    valkey: Valkey, objects: Fragile
) -> None:
    later = 0.0

    def now() -> float:
        return SYSTEM.now() + later

    async with ValkeyChannels(valkey, objects=objects, settings=[BOUNDS], now=now) as backend:
        await backend.append("a", numbered(12))
        await idle(backend)
        later = 86_401.0
        # As if the process had died between the server's answer and the deletion.
        await backend._calls.plain("channel_sweep", 500)
        reborn = (await backend.append("a", numbered(12, 100))).epoch
        await idle(backend)
        assert len(await objects.keys()) == 2
        assert await backend.sweep() == 0
        assert await objects.keys() == [f"channels/test/a/{reborn}/1-5"]
        assert await read_all(backend, "a") == numbered(12, 100)


async def test_a_sweep_that_cannot_delete_leaves_the_segments_to_the_next(
    valkey: Valkey, objects: Fragile, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = 0.0

    def now() -> float:
        return SYSTEM.now() + later

    async def refused(*_: str) -> None:
        raise ObjectError("read-only")

    async with ValkeyChannels(valkey, objects=objects, settings=[BOUNDS], now=now) as backend:
        await backend.append("a", numbered(12))
        await idle(backend)
        later = 86_401.0
        with monkeypatch.context() as patched:
            patched.setattr(objects, "delete", refused)
            assert await backend.sweep() == 1
        assert await objects.keys() != []
        await backend.sweep()
    assert await objects.keys() == []
