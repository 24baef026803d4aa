"""A subscription replays, goes on live, stays within its buffer and tells every loss."""

import asyncio

import pytest

from tidegate.channels.backend import Replay
from tidegate.channels.channel import Channels
from tidegate.channels.cursor import START, Cursor
from tidegate.channels.event import Event
from tidegate.channels.message import Gap, Message
from tidegate.channels.subscription import Subscription
from tidegate.connections.valkey import Valkey
from tidegate.errors import ChannelError, SlowReaderError


async def publish(channels: Channels, channel: str, count: int) -> None:
    for _ in range(count):
        await channels.publish(channel, "x" * 80)


class Watch:
    """Another listener, to know when the hub has handed out what was published."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()

    def deliver(self, channel: str, epoch: str, events: list[Event]) -> None:
        if events[-1].offset >= 100:
            self.reached.set()

    def gap(self, gap: Gap) -> None:
        raise AssertionError(gap)


async def publish_hundred(channels: Channels, channel: str) -> None:
    """Publish 100 events while nobody reads; return when all have been handed out."""
    watch = Watch()
    await channels.hub.attach(channel, watch)
    await publish(channels, channel, 100)
    async with asyncio.timeout(10):
        await watch.reached.wait()
    channels.hub.detach(channel, watch)


async def taken(subscription: Subscription, count: int) -> list[Message | Gap]:
    async with asyncio.timeout(10):
        return [await anext(subscription) for _ in range(count)]


def offsets(items: list[Message | Gap]) -> list[int]:
    assert all(isinstance(item, Message) for item in items), items
    return [item.offset for item in items if isinstance(item, Message)]


async def test_without_a_cursor_it_starts_at_the_present(channels: Channels) -> None:
    await publish(channels, "a", 3)
    async with channels.subscribe(["a"]) as subscription:
        await publish(channels, "a", 2)
        assert offsets(await taken(subscription, 2)) == [4, 5]


async def test_from_the_beginning_replay_runs_into_live_without_a_seam(channels: Channels) -> None:
    await publish(channels, "small:a", 150)
    async with (
        channels.subscribe(["small:a"], START) as subscription,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(publish(channels, "small:a", 150))
        assert offsets(await taken(subscription, 300)) == list(range(1, 301))


async def test_the_last_event_is_not_missed_when_it_comes_while_the_log_is_read(
    channels: Channels, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(channels, "a", 99)
    replay = channels.backend.replay

    async def read_and_overtaken(channel: str, since: Cursor, **bounds: int) -> Replay:
        page = await replay(channel, since, **bounds)
        if page.top == 99:
            watch = Watch()
            await channels.hub.attach(channel, watch)
            await publish(channels, channel, 1)
            await watch.reached.wait()
            channels.hub.detach(channel, watch)
        return page

    monkeypatch.setattr(channels.backend, "replay", read_and_overtaken)
    async with channels.subscribe(["a"], START) as subscription:
        assert offsets(await taken(subscription, 100)) == list(range(1, 101))


async def test_its_cursor_is_where_the_next_one_goes_on(channels: Channels) -> None:
    await publish(channels, "a", 10)
    await publish(channels, "b", 10)
    seen: list[tuple[str, int]] = []
    text = "a=0;b=0"
    while len(seen) < 20:
        async with channels.subscribe(["a", "b"], text) as subscription:
            for item in await taken(subscription, 3 if len(seen) < 18 else 2):
                assert isinstance(item, Message)
                seen.append((item.channel, item.offset))
            text = subscription.cursor
    assert sorted(seen) == [(name, offset) for name in "ab" for offset in range(1, 11)]


async def test_a_present_start_is_in_the_cursor_too(channels: Channels) -> None:
    await publish(channels, "a", 3)
    async with channels.subscribe(["a", "b"]) as subscription:
        text = subscription.cursor
    await publish(channels, "a", 1)
    await publish(channels, "b", 1)
    async with channels.subscribe(["a", "b"], text) as subscription:
        items = await taken(subscription, 2)
    assert sorted(
        (item.channel, item.cursor.offset) for item in items if isinstance(item, Message)
    ) == [
        ("a", 4),
        ("b", 1),
    ]


async def test_cancelling_a_wait_loses_nothing(channels: Channels) -> None:
    async with channels.subscribe(["a"], START) as subscription:
        items: list[Message | Gap] = []
        async with asyncio.TaskGroup() as group:
            group.create_task(publish(channels, "a", 100))
            while len(items) < 100:
                try:
                    async with asyncio.timeout(0.0005):
                        items.append(await anext(subscription))
                except TimeoutError:
                    continue
        assert offsets(items) == list(range(1, 101))


async def test_a_reader_that_stops_keeps_its_buffer_and_loses_nothing(channels: Channels) -> None:
    async with channels.subscribe(["a"], buffer=2000) as subscription:
        for _ in range(3):
            await publish(channels, "a", 100)
        assert subscription._bytes <= 2000
        assert offsets(await taken(subscription, 300)) == list(range(1, 301))
        await publish(channels, "a", 5)
        assert offsets(await taken(subscription, 5)) == list(range(301, 306))
        assert subscription._places["a"].is_live


async def test_where_the_newest_counts_the_rest_is_a_gap(channels: Channels) -> None:
    async with channels.subscribe(["newest:a", "live"], buffer=2000) as subscription:
        await publish(channels, "live", 1)
        await publish_hundred(channels, "newest:a")
        items = await taken(subscription, 3)
        epoch = subscription.cursors["newest:a"].epoch
        assert isinstance(items[0], Message)
        assert items[0].channel == "live"
        newest = items[2]
        assert isinstance(newest, Message)
        assert items[1] == Gap("newest:a", Cursor(0, epoch), Cursor(newest.offset - 1, epoch))
        assert newest.offset > 90


async def test_where_it_is_strict_a_slow_reader_is_cut(channels: Channels) -> None:
    async with channels.subscribe(["strict:a"], buffer=2000) as subscription:
        await publish_hundred(channels, "strict:a")
        items = await taken(subscription, len(subscription._waiting))
        assert offsets(items) == list(range(1, len(items) + 1))
        with pytest.raises(SlowReaderError, match="more than 2000 bytes of channel 'strict:a'"):
            await anext(subscription)
    async with channels.subscribe(["strict:a"], subscription.cursor) as again:
        assert offsets(await taken(again, 1)) == [len(items) + 1]


async def test_a_channel_without_replay_starts_at_the_present(channels: Channels) -> None:
    await publish(channels, "present:a", 3)
    async with channels.subscribe(["present:a"], START) as subscription:
        await publish(channels, "present:a", 1)
        assert offsets(await taken(subscription, 1)) == [4]


async def test_a_reader_of_what_was_dropped_is_told_first(channels: Channels) -> None:
    await publish(channels, "dropping:a", 100)
    async with channels.subscribe(["dropping:a"], START) as subscription:
        gap, message = await taken(subscription, 2)
        assert isinstance(gap, Gap)
        assert isinstance(message, Message)
        assert (gap.since, gap.until.offset) == (START, message.offset - 1)
        assert message.offset > 50


async def test_a_reader_from_another_life_of_the_channel_is_told(channels: Channels) -> None:
    await publish(channels, "a", 3)
    async with channels.subscribe(["a"], "a=2@9-other") as subscription:
        gap, *messages = await taken(subscription, 4)
        assert isinstance(gap, Gap)
        assert gap.since == Cursor(2, "9-other")
        assert gap.until.offset == 0
        assert offsets(messages) == [1, 2, 3]


async def test_events_behind_a_cut_connection_come_all_the_same(
    channels: Channels, valkey: Valkey
) -> None:
    async with channels.subscribe(["a", "b"], START) as subscription:
        await publish(channels, "a", 3)
        await valkey.call("CLIENT", "KILL", "TYPE", "PUBSUB")
        await publish(channels, "b", 3)
        items = await taken(subscription, 6)
        assert sorted(item.channel for item in items) == list("aaabbb")


async def test_readers_do_not_hold_each_other_up(channels: Channels) -> None:
    async with (
        channels.subscribe(["a"], buffer=1000) as idle,
        channels.subscribe(["a"], buffer=1000) as busy,
    ):
        async with asyncio.TaskGroup() as group:
            group.create_task(publish(channels, "a", 200))
            assert offsets(await taken(busy, 200)) == list(range(1, 201))
        assert offsets(await taken(idle, 200)) == list(range(1, 201))


async def test_a_malformed_name_or_cursor_is_refused_at_once(channels: Channels) -> None:
    with pytest.raises(ChannelError, match="expected a channel name"):
        channels.subscribe(["no name"])
    with pytest.raises(ChannelError, match="expected a cursor"):
        channels.subscribe(["a"], "a=b")


async def test_leaving_it_leaves_no_listener(channels: Channels) -> None:
    async with channels.subscribe(["a", "b"]) as subscription:
        subscription.close()
    assert channels.hub._feeds == {}
