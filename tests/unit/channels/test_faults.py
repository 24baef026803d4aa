"""Valkey dies, loses its last writes, or drops connections; readers have all, or are told."""

import asyncio
from pathlib import Path

import pytest

from tidegate.channels.backends.valkey import ValkeyChannels
from tidegate.channels.channel import Channels
from tidegate.channels.cursor import START, Cursor
from tidegate.channels.message import Gap, Message
from tidegate.channels.writer import ChannelWriter
from tidegate.connections.embedded import EmbeddedValkey
from tidegate.connections.valkey import Valkey
from tidegate.objects import Objects
from tidegate.testing.channel import numbered, read_all


async def kill(server: EmbeddedValkey) -> None:
    assert server.process is not None
    server.process.kill()
    await server.process.wait()


async def write(writer: ChannelWriter, count: int) -> None:
    for number, event in enumerate(numbered(count)):
        await writer.write(event)
        if not number % 50:
            await asyncio.sleep(0.002)  # spreads the stream over the kills
    await writer.flush()


async def read(channels: Channels, name: str, count: int) -> list[Message | Gap]:
    items: list[Message | Gap] = []
    async with asyncio.timeout(60), channels.subscribe([name], START) as subscription:
        while not items or items[-1] != last(items, count):
            items.append(await anext(subscription))
    return items


def last(items: list[Message | Gap], count: int) -> Message | None:
    item = items[-1]
    return item if isinstance(item, Message) and item.offset == count else None


@pytest.mark.parametrize("name", ["a", "small:a"])
async def test_a_stream_over_three_kills_of_valkey_arrives_whole(
    channels: Channels, server: EmbeddedValkey, name: str
) -> None:
    async with channels.writer(name) as writer, asyncio.TaskGroup() as group:
        reading = group.create_task(read(channels, name, 3000))
        writing = group.create_task(write(writer, 3000))
        for moment in (0.02, 0.05, 0.035):
            await asyncio.sleep(moment)  # some way into the stream
            await kill(server)
            await server.start()
        await writing
    items = reading.result()
    assert [item.data for item in items if isinstance(item, Message)] == numbered(3000)
    assert [item.offset for item in items if isinstance(item, Message)] == list(range(1, 3001))
    assert await read_all(channels.backend, name) == numbered(3000)


async def test_a_stream_over_cut_subscriber_connections_arrives_whole(
    channels: Channels, valkey: Valkey
) -> None:
    async with channels.writer("a") as writer, asyncio.TaskGroup() as group:
        reading = group.create_task(read(channels, "a", 3000))
        writing = group.create_task(write(writer, 3000))
        while not writing.done():
            await valkey.call("CLIENT", "KILL", "TYPE", "PUBSUB")
            await asyncio.sleep(0.01)  # time for it to come back, or not quite
    items = reading.result()
    assert [item.data for item in items if isinstance(item, Message)] == numbered(3000)


class Rewound:
    """A server that comes back without its last writes, as after a power cut."""

    def __init__(self, server: EmbeddedValkey) -> None:
        self._server = server
        self._kept = 0

    @property
    def _log(self) -> Path:
        (path,) = self._server.folder.glob("appendonlydir/*.incr.aof")
        return path

    def remember(self) -> None:
        self._kept = self._log.stat().st_size

    async def restart(self) -> None:
        await kill(self._server)
        with self._log.open("r+b") as log:
            log.truncate(self._kept)
        await self._server.start()


@pytest.fixture
def rewound(server: EmbeddedValkey) -> Rewound:
    return Rewound(server)


async def test_a_reader_of_lost_events_is_told_and_no_offset_means_two_events(
    backend: ValkeyChannels, rewound: Rewound
) -> None:
    before = await backend.append("a", numbered(10))
    rewound.remember()
    await backend.append("a", numbered(5, 11))
    await rewound.restart()
    after = await backend.append("a", [b'"other"'])
    assert after.offset == 11
    assert after.epoch != before.epoch
    told = await backend.replay("a", Cursor(13, before.epoch))
    assert not told.complete
    assert [(event.offset, event.data) for event in told.events] == [(11, b'"other"')]
    behind = await backend.replay("a", Cursor(8, before.epoch))
    assert behind.complete
    assert [event.data for event in behind.events] == [*numbered(2, 9), b'"other"']


async def test_a_live_reader_of_lost_events_gets_a_gap(
    channels: Channels, rewound: Rewound
) -> None:
    async with channels.subscribe(["a"], START) as subscription, asyncio.timeout(30):
        for event in numbered(10):
            await channels.backend.append("a", [event])
        rewound.remember()
        for event in numbered(5, 11):
            await channels.backend.append("a", [event])
        read_before = [await anext(subscription) for _ in range(15)]
        await rewound.restart()
        after = await channels.backend.append("a", [b'"other"'])
        gap, message = [await anext(subscription) for _ in range(2)]
    seen = read_before[-1]
    assert isinstance(seen, Message)
    assert gap == Gap("a", Cursor(15, seen.epoch), Cursor(10, after.epoch))
    assert message == Message("a", 11, after.epoch, b'"other"')


async def test_a_segment_of_lost_events_is_never_taken_for_the_new_ones(
    valkey: Valkey, rewound: Rewound, objects: Objects, backend: ValkeyChannels
) -> None:
    rewound.remember()
    for event in numbered(40):
        await backend.append("small:a", [event])
    await asyncio.gather(*backend._spiller._tasks.values())
    assert [info async for info in objects.list("channels")]
    await rewound.restart()
    for event in numbered(40, 1000):
        await backend.append("small:a", [event])
    assert await read_all(backend, "small:a") == numbered(40, 1000)
