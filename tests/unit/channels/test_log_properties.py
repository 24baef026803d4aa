"""Whatever is done to a channel, a reader gets each event once and in order, or is told."""

import asyncio
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from tidegate.channels.backend import ChannelSettings, Published
from tidegate.channels.backends.valkey import ValkeyChannels
from tidegate.channels.cursor import START, Cursor
from tidegate.connections.embedded import EmbeddedValkey
from tidegate.connections.valkey import Valkey
from tidegate.objects import Objects

KEPT = ChannelSettings(pattern="kept:*", hot_bytes=400, hot_events=8)
DROPPED = ChannelSettings(pattern="dropped:*", hot_bytes=400, hot_events=8, keep_bytes=900)
EPOCHS_REMEMBERED = 8
NUMBERS = count()


class Store:
    """One server and two processes' views of its channels, shared by all examples."""

    def __init__(self, folder: Path) -> None:
        self.runner = asyncio.Runner()
        self.run = self.runner.run
        self.server = EmbeddedValkey(folder / "valkey", append_only=False)
        self.objects = Objects.open((folder / "objects").as_uri())
        self.run(self.open())

    async def open(self) -> None:
        await self.server.start()
        self.valkey = await Valkey.open(self.server.url, app="test")
        self.backends = [
            ValkeyChannels(self.valkey, objects=self.objects, settings=(KEPT, DROPPED))
            for _ in range(2)
        ]

    async def close(self) -> None:
        for backend in self.backends:
            await backend.__aexit__()
        await self.valkey.close()
        await self.server.stop()


@pytest.fixture(scope="module", autouse=True)
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    Log.store = Store(tmp_path_factory.mktemp("store"))
    yield
    Log.store.run(Log.store.close())
    Log.store.runner.close()


class Log(RuleBasedStateMachine):
    """One channel and the list of all events that were ever acknowledged for it."""

    pattern: ClassVar[str]
    store: ClassVar[Store]
    cursors = Bundle("cursors")
    keys = Bundle("keys")

    def __init__(self) -> None:
        super().__init__()
        self.channel = f"{self.pattern}:{next(NUMBERS)}"
        self.events: list[bytes] = []
        self.epochs: list[str] = []
        self.answers: dict[str, Published] = {}

    @initialize(target=cursors)
    def begin(self) -> Cursor:
        return START

    @rule(
        target=cursors,
        sizes=st.lists(st.integers(1, 150), min_size=1, max_size=12),
        process=st.integers(0, 1),
    )
    def append(self, sizes: list[int], process: int) -> Cursor:
        return self.appended(self.new_events(sizes), process, key=None)

    @rule(target=keys, size=st.integers(1, 50), process=st.integers(0, 1))
    def append_under_a_new_key(self, size: int, process: int) -> str:
        key = f"key-{next(NUMBERS)}"
        self.appended(self.new_events([size]), process, key=key)
        return key

    @rule(key=keys, process=st.integers(0, 1))
    def append_again_under_a_known_key(self, key: str, process: int) -> None:
        append = self.store.backends[process].append(self.channel, [b"never"], key=key)
        again = self.store.run(append)
        first = self.answers[key]
        assert (again.offset, again.epoch, again.created) == (first.offset, first.epoch, False)

    @rule()
    def restart_of_the_server(self) -> None:
        # What a restart does to the app's epoch; the fault tests do it with real processes.
        run = f"{next(NUMBERS):08d}"
        self.store.run(self.store.valkey.fcall("hello", "", run))

    @rule(
        target=cursors,
        cursor=cursors,
        limit=st.integers(1, 20),
        max_bytes=st.integers(1, 1500),
        process=st.integers(0, 1),
    )
    def read(self, cursor: Cursor, limit: int, max_bytes: int, process: int) -> Cursor:
        backend = self.store.backends[process]
        replay = backend.replay(self.channel, cursor, limit=limit, max_bytes=max_bytes)
        page = self.store.run(replay)
        self.note_epoch(page.epoch)
        start = page.events[0].offset if page.events else page.top + 1
        expected = self.events[start - 1 : start - 1 + len(page.events)]
        assert page.top == len(self.events)
        assert [event.data for event in page.events] == expected
        assert len(page.events) <= limit
        assert len(page.events) <= 1 or sum(map(len, expected)) <= max_bytes
        if page.complete:
            assert start == cursor.offset + 1
            assert page.events or cursor.offset == page.top
        else:
            assert page.first > cursor.offset + 1 or not self.is_remembered(
                cursor.epoch, page.epoch
            )
            assert start == page.first
        return Cursor(start + len(page.events) - 1, page.epoch)

    @invariant()
    def kept_events_are_all_there(self) -> None:
        if self.pattern == "kept":
            page = self.store.run(self.store.backends[0].replay(self.channel, START))
            assert page.first == 1
            assert page.complete

    def new_events(self, sizes: list[int]) -> list[bytes]:
        return [(b"%d-" % next(NUMBERS)).ljust(size, b"x") for size in sizes]

    def appended(self, events: list[bytes], process: int, key: str | None) -> Cursor:
        append = self.store.backends[process].append(self.channel, events, key=key)
        published = self.store.run(append)
        self.events += events
        assert published.created
        assert published.offset == len(self.events)
        self.note_epoch(published.epoch)
        if key is not None:
            self.answers[key] = published
        return Cursor(published.offset, published.epoch)

    def note_epoch(self, epoch: str) -> None:
        # A channel that has no event yet remembers nothing: its first ones may have been lost.
        if self.events and epoch not in self.epochs:
            self.epochs.append(epoch)

    def is_remembered(self, epoch: str, now: str) -> bool:
        # Any use moves a channel on, so after more restarts than this the epoch may be forgotten.
        recent = not epoch or number_of(now) - number_of(epoch) <= EPOCHS_REMEMBERED
        return recent and (not epoch or epoch in self.epochs)


def number_of(epoch: str) -> int:
    return int(epoch.partition("-")[0])


class KeptLog(Log):
    """A log of which all is kept, in segments and hot."""

    pattern = "kept"


class DroppedLog(Log):
    """A log of which the oldest is dropped."""

    pattern = "dropped"


SETTINGS = settings(
    max_examples=15,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestKeptLog = KeptLog.TestCase
TestKeptLog.settings = SETTINGS
TestDroppedLog = DroppedLog.TestCase
TestDroppedLog.settings = SETTINGS
