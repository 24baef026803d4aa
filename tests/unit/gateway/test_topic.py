"""Topic and hub over a log whose answers and messages come when the test lets them."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.channels.backend import ChannelSettings, OnCut, OnEvents, Replay
from tidegate.channels.cursor import START, Cursor
from tidegate.channels.event import Event
from tidegate.channels.hub import Hub
from tidegate.gateway.protocol import Disconnect, Unsubscribe
from tidegate.gateway.topic import Topic

CHANNEL = "news:a"
EPOCH = "e1"


class Log:
    """One channel whose subscribers hear of an event later, and whose reads take their time."""

    def __init__(self, kept: int = 100_000) -> None:
        self.events: list[Event] = []
        self.kept = kept
        self.unheard: list[list[Event]] = []
        self.reads: list[asyncio.Future[None]] = []
        self.on_events: OnEvents | None = None

    def publish(self, count: int) -> None:
        first = len(self.events) + 1
        run = [Event(offset, b"%d" % offset) for offset in range(first, first + count)]
        self.events += run
        if self.on_events is not None:
            self.unheard.append(run)

    def tell(self) -> None:
        if self.unheard and self.on_events is not None:
            self.on_events(CHANNEL, EPOCH, self.unheard.pop(0))

    def answer(self) -> None:
        if self.reads:
            self.reads.pop(0).set_result(None)

    def settings(self, channel: str) -> ChannelSettings:
        return ChannelSettings(pattern=channel)

    async def replay(
        self, _channel: str, since: Cursor, *, limit: int = 1000, max_bytes: int = 0
    ) -> Replay:
        top, events = len(self.events), self.events[since.offset :][:limit]
        first = max(1, top - self.kept + 1)
        complete = since.epoch in ("", EPOCH) and first <= since.offset + 1 <= top + 1
        await self._its_time()
        return Replay(events=events, top=top, epoch=EPOCH, first=first, complete=complete)

    async def top(self, _channel: str) -> Cursor:
        return Cursor(len(self.events), EPOCH)

    async def subscribe(self, _channel: str, on_events: OnEvents, _on_cut: OnCut) -> None:
        self.on_events = on_events

    def unsubscribe(self, _channel: str) -> None:
        self.on_events = None

    async def _its_time(self) -> None:
        gate = asyncio.get_running_loop().create_future()
        self.reads.append(gate)
        await gate


class Reader:
    """A member that reads what it is sent as a client would."""

    def __init__(self, at: int = 0) -> None:
        self.seen: list[int] = list(range(1, at + 1))
        self.gone: list[Unsubscribe | Disconnect] = []
        self.write: Callable[[bytes], None] = self._read

    def _read(self, frame: bytes) -> None:
        payload = frame[2:] if frame[1] < 126 else frame[4:] if frame[1] == 126 else frame[10:]
        for line in payload.split(b"\n"):
            self.seen.append(json.loads(line)["push"]["pub"]["offset"])

    def unsubscribed(self, _channel: str, why: Unsubscribe) -> None:
        self.gone.append(why)

    def disconnect(self, why: Disconnect) -> None:
        self.gone.append(why)

    @property
    def cursor(self) -> Cursor:
        return Cursor(len(self.seen), EPOCH)


async def joined(topic: Topic, reader: Reader, max_bytes: int) -> None:
    """What a session does to make a reader live, from wherever it stands."""
    while True:
        missed = await topic.recover(reader.cursor, max_bytes=max_bytes)
        assert missed.is_complete
        reader.seen += [event.offset for event in missed.events]
        assert missed.at.offset == len(reader.seen)
        if missed.is_current:
            topic.join(reader)
            return


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


class World:
    """A topic, its log, and readers that come, lag and come back as the steps say."""

    def __init__(self, log: Log, topic: Topic, max_bytes: int) -> None:
        self.log = log
        self.topic = topic
        self.max_bytes = max_bytes
        self.readers: list[Reader] = []
        self.joining: list[asyncio.Task[None]] = []

    def publish(self, number: int) -> None:
        self.log.publish(number + 1)

    def tell(self, _number: int) -> None:
        self.log.tell()

    def answer(self, _number: int) -> None:
        self.log.answer()

    def come(self, number: int) -> None:
        # It may have seen, through another gateway, what is still on its way to this one.
        reader = Reader(at=min(number, len(self.log.events)))
        self.readers.append(reader)
        self.joining.append(asyncio.create_task(joined(self.topic, reader, self.max_bytes)))

    def lag(self, number: int) -> None:
        if number < len(self.readers) and self.joining[number].done():
            self.topic.hold_back(self.readers[number])

    def come_back(self, number: int) -> None:
        if number < len(self.readers) and self.joining[number].done():
            reader = self.readers[number]
            self.topic.hold_back(reader)
            self.joining[number] = asyncio.create_task(joined(self.topic, reader, self.max_bytes))

    async def calm(self) -> None:
        """Let everything that is on its way arrive."""
        while self.log.unheard or self.log.reads or not all(t.done() for t in self.joining):
            self.log.tell()
            self.log.answer()
            await settled()
        self.topic.flush()


KINDS = ["publish", "tell", "answer", "come", "lag", "come_back"]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 8)), max_size=60),
    st.integers(1, 2000),
)
def test_every_reader_gets_every_event_once_and_in_order(
    steps: list[tuple[str, int]], max_bytes: int
) -> None:
    async def scenario(log: Log, _hub: Hub, topic: Topic) -> None:
        world = World(log, topic, max_bytes)
        for kind, number in steps:
            getattr(world, kind)(number)
            await settled()
        await world.calm()
        for number in range(len(world.readers)):
            world.come_back(number)
        await world.calm()
        for reader in world.readers:
            assert reader.seen == list(range(1, len(log.events) + 1))
            assert not reader.gone

    log = Log()
    log.publish(5)
    run(scenario, log)


def run(scenario: Callable[[Log, Hub, Topic], Coroutine[Any, Any, None]], log: Log) -> None:
    async def whole() -> None:
        async with Hub(log) as hub:  # type: ignore[arg-type]
            topic = Topic(CHANNEL, hub, lambda _count: None)
            topic.users = 1
            await topic.open()
            await scenario(log, hub, topic)
            topic.close()

    asyncio.run(whole())


def test_who_missed_little_is_given_it_without_a_read_of_the_log() -> None:
    async def scenario(log: Log, _hub: Hub, topic: Topic) -> None:
        log.publish(10)
        log.tell()
        missed = await topic.recover(Cursor(4, EPOCH))
        assert [event.offset for event in missed.events] == [5, 6, 7, 8, 9, 10]
        assert not log.reads

    run(scenario, Log())


def test_a_recovery_stops_at_its_bound() -> None:
    async def scenario(log: Log, _hub: Hub, topic: Topic) -> None:
        work = asyncio.create_task(topic.recover(START, max_bytes=1))
        while not work.done():
            log.answer()
            await settled()
        missed = work.result()
        assert missed.is_complete
        assert not missed.is_current

    log = Log()
    log.publish(50_000)
    run(scenario, log)


def test_events_that_are_gone_make_a_recovery_incomplete() -> None:
    async def scenario(log: Log, _hub: Hub, topic: Topic) -> None:
        work = asyncio.create_task(topic.recover(Cursor(10, EPOCH)))
        await settled()
        log.answer()
        assert not (await work).is_complete

    log = Log(kept=20)
    log.publish(100)
    run(scenario, log)
