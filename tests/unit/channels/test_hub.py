"""The hub hands each event out once and in order, whatever happens to its connection."""

import asyncio

import pytest

from tidegate.channels.backend import ChannelBackend, Replay
from tidegate.channels.backends.valkey import ValkeyChannels
from tidegate.channels.cursor import Cursor
from tidegate.channels.event import Event
from tidegate.channels.hub import Hub
from tidegate.channels.message import Gap
from tidegate.connections.valkey import Valkey
from tidegate.errors import BackendUnavailableError, ChannelError, ObjectError


class Collector:
    """A listener that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.epochs: list[str] = []
        self.gaps: list[Gap] = []
        self._news = asyncio.Event()

    def deliver(self, channel: str, epoch: str, events: list[Event]) -> None:
        self.events += events
        self.epochs.append(epoch)
        self._news.set()

    def gap(self, gap: Gap) -> None:
        self.gaps.append(gap)
        self._news.set()

    @property
    def offsets(self) -> list[int]:
        return [event.offset for event in self.events]

    async def until(self, offset: int) -> None:
        async with asyncio.timeout(10):
            while not self.events or self.events[-1].offset < offset:
                self._news.clear()
                await self._news.wait()

    async def until_gap(self) -> None:
        async with asyncio.timeout(10):
            while not self.gaps:
                self._news.clear()
                await self._news.wait()


async def publish(backend: ChannelBackend, channel: str, count: int) -> None:
    for number in range(count):
        await backend.append(channel, [b"%d" % number])


async def cut_subscribers(valkey: Valkey) -> None:
    await valkey.call("CLIENT", "KILL", "TYPE", "PUBSUB")


async def test_a_listener_gets_all_behind_the_cursor_it_was_given(backend: ValkeyChannels) -> None:
    async with Hub(backend) as hub:
        await publish(backend, "a", 5)
        collector = Collector()
        cursor = await hub.attach("a", collector)
        await publish(backend, "a", 5)
        await collector.until(10)
        assert cursor.offset == 5
        assert collector.offsets == [6, 7, 8, 9, 10]
        assert hub.position("a") == Cursor(10, cursor.epoch)


async def test_listeners_that_come_while_events_flow_miss_none(backend: ValkeyChannels) -> None:
    async with Hub(backend) as hub, asyncio.TaskGroup() as group:
        group.create_task(publish(backend, "a", 300))
        collectors, cursors = [], []
        for _ in range(20):
            collectors.append(Collector())
            cursors.append(await hub.attach("a", collectors[-1]))
        for collector, cursor in zip(collectors, cursors, strict=True):
            await collector.until(300)
            assert collector.offsets == list(range(cursor.offset + 1, 301))


async def test_many_listeners_share_one_subscription(
    backend: ValkeyChannels, valkey: Valkey
) -> None:
    async with Hub(backend) as hub:
        collectors = [Collector() for _ in range(5)]
        await asyncio.gather(*[hub.attach("a", collector) for collector in collectors])
        counts = await valkey.call("PUBSUB", "SHARDNUMSUB", "tg1:{test}:c:a")
        assert counts[1] == 1
        await publish(backend, "a", 3)
        for collector in collectors:
            await collector.until(3)
            assert collector.offsets == [1, 2, 3]


async def test_the_last_listener_ends_the_subscription(
    backend: ValkeyChannels, valkey: Valkey
) -> None:
    async with Hub(backend) as hub:
        stays, leaves, other = Collector(), Collector(), Collector()
        for collector in (stays, leaves):
            await hub.attach("a", collector)
        await hub.attach("b", other)
        hub.detach("a", leaves)
        hub.detach("a", leaves)
        await publish(backend, "a", 1)
        await stays.until(1)
        assert leaves.events == []
        hub.detach("a", stays)
        await publish(backend, "b", 1)
        await other.until(1)
        assert await valkey.call("PUBSUB", "SHARDCHANNELS") == [b"tg1:{test}:c:b"]


async def test_a_channel_can_be_left_and_joined_again(backend: ValkeyChannels) -> None:
    async with Hub(backend) as hub:
        for number in range(1, 6):
            collector = Collector()
            await hub.attach("a", collector)
            await publish(backend, "a", 1)
            await collector.until(number)
            hub.detach("a", collector)
            assert collector.offsets == [number]


async def test_a_cut_connection_loses_and_repeats_nothing(
    backend: ValkeyChannels, valkey: Valkey
) -> None:
    async with Hub(backend) as hub:
        collector = Collector()
        await hub.attach("a", collector)
        async with asyncio.TaskGroup() as group:
            group.create_task(publish(backend, "a", 400))
            for offset in (50, 120, 260):
                await collector.until(offset)
                await cut_subscribers(valkey)
        await collector.until(400)
        assert collector.offsets == list(range(1, 401))
        assert collector.gaps == []


async def test_a_missed_publication_is_read_from_the_log(backend: ValkeyChannels) -> None:
    async with Hub(backend) as hub:
        collector = Collector()
        cursor = await hub.attach("a", collector)
        await publish(backend, "a", 3)
        await collector.until(3)
        # As if 4 and 5 had never come: 6 arrives next, and 2 once more.
        backend.unsubscribe("a")
        await publish(backend, "a", 3)
        hub._received("a", cursor.epoch, [Event(2, b"again")])
        hub._received("a", cursor.epoch, [Event(6, b"2")])
        await collector.until(6)
        assert collector.offsets == [1, 2, 3, 4, 5, 6]


async def test_what_overlaps_is_handed_out_once(backend: ValkeyChannels) -> None:
    async with Hub(backend) as hub:
        collector = Collector()
        cursor = await hub.attach("a", collector)
        for first, last in ((1, 2), (1, 3), (2, 5)):
            run = [Event(offset, b"") for offset in range(first, last + 1)]
            hub._received("a", cursor.epoch, run)
        assert collector.offsets == [1, 2, 3, 4, 5]


async def test_listeners_are_told_when_what_they_missed_was_dropped(
    backend: ValkeyChannels,
) -> None:
    async with Hub(backend) as hub:
        collector = Collector()
        cursor = await hub.attach("dropping:a", collector)
        backend.unsubscribe("dropping:a")
        for _ in range(60):
            await backend.append("dropping:a", [b"x" * 100])
        hub._cut("dropping:a")
        await collector.until(60)
        (gap,) = collector.gaps
        assert gap.since == cursor
        assert gap.until == Cursor(collector.offsets[0] - 1, cursor.epoch)
        assert collector.offsets == list(range(gap.until.offset + 1, 61))


class Failing(ValkeyChannels):
    """Channels whose next replays fail."""

    failures: list[Exception]

    async def replay(
        self, channel: str, since: Cursor, *, limit: int = 1000, max_bytes: int = 8 * 1024 * 1024
    ) -> Replay:
        if self.failures:
            raise self.failures.pop()
        return await super().replay(channel, since, limit=limit, max_bytes=max_bytes)


async def test_a_store_that_is_away_is_waited_for(valkey: Valkey) -> None:
    async with Failing(valkey) as backend, Hub(backend) as hub:
        backend.failures = [BackendUnavailableError("away")] * 3
        collector = Collector()
        await hub.attach("a", collector)
        backend.unsubscribe("a")
        await publish(backend, "a", 5)
        hub._cut("a")
        await collector.until(5)
        assert collector.offsets == [1, 2, 3, 4, 5]


async def test_a_damaged_segment_is_a_gap_and_not_the_end(valkey: Valkey) -> None:
    async with Failing(valkey) as backend, Hub(backend) as hub:
        backend.failures = [ObjectError("damaged")]
        collector = Collector()
        cursor = await hub.attach("a", collector)
        await publish(backend, "a", 5)
        await collector.until(5)
        backend.unsubscribe("a")
        await publish(backend, "a", 3)
        hub._cut("a")
        await backend.subscribe("a", hub._received, hub._cut)
        await collector.until_gap()
        await publish(backend, "a", 1)
        await collector.until(9)
        assert collector.gaps == [Gap("a", Cursor(5, cursor.epoch), Cursor(8, cursor.epoch))]
        assert collector.offsets == [1, 2, 3, 4, 5, 9]


async def test_a_name_that_is_none_leaves_nothing_behind(backend: ValkeyChannels) -> None:
    async with Hub(backend) as hub:
        with pytest.raises(ChannelError):
            await hub.attach("no name", Collector())
        assert hub._feeds == {}


async def test_a_cancelled_attach_leaves_nothing_behind(backend: ValkeyChannels) -> None:
    async with Hub(backend) as hub:
        attaching = asyncio.create_task(hub.attach("a", Collector()))
        await asyncio.sleep(0)  # it has begun, and waits for the server
        attaching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attaching
        assert hub._feeds == {}
