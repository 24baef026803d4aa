"""What every channel backend promises, as tests. A backend is finished when it passes.

class TestMyChannels(ChannelContract):
    @pytest.fixture
    async def channels(self) -> AsyncIterator[ChannelsUnderTest]:
        yield MyChannelsUnderTest(settings=CONTRACT_SETTINGS)
"""

import asyncio
from typing import Final, Protocol

import pytest

from tidegate.channels.backend import (
    MAX_EVENT_BYTES,
    MAX_EVENTS,
    ChannelBackend,
    ChannelSettings,
    Replay,
    Writer,
)
from tidegate.channels.cursor import START, Cursor
from tidegate.channels.event import Event
from tidegate.errors import ChannelError, StaleAttemptError

CONTRACT_SETTINGS: Final = (
    ChannelSettings(pattern="small:*", hot_bytes=1000, hot_events=10),
    ChannelSettings(pattern="dropping:*", hot_bytes=1000, hot_events=10, keep_bytes=2000),
    ChannelSettings(pattern="brief:*", hot_bytes=1000, hot_events=10, ttl=60.0),
    ChannelSettings(pattern="present:*", hot_bytes=1000, hot_events=10, replay=False),
)
"""What the backend under test is given."""


class ChannelsUnderTest(Protocol):
    """A backend of its own for each test, and the powers the suite needs over it."""

    backend: ChannelBackend
    other: ChannelBackend
    """The same channels, seen from another process."""

    async def elapse(self, seconds: float) -> None:
        """Let this much time pass for the store."""
        ...

    async def attempt(self, job: str) -> Writer:
        """A running attempt of a job of this id, under a lease of 30 s."""
        ...

    async def restart(self) -> None:
        """Kill the store without notice and start it again on what it had kept."""
        ...

    async def cut(self) -> None:
        """Cut the connections over which subscribers are told."""
        ...

    async def settle(self) -> None:
        """Wait until what appends have set going in the background is done."""
        ...

    async def segments(self) -> list[str]:
        """The keys of the objects that hold spilled events."""
        ...


class Recorder:
    """Collects what one subscription is told."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, str, list[Event]]] = []
        self.cuts = 0
        self._news = asyncio.Event()

    def on_events(self, channel: str, epoch: str, events: list[Event]) -> None:
        """Keep what one append wrote."""
        self.runs.append((channel, epoch, events))
        self._news.set()

    def on_cut(self, _channel: str) -> None:
        """Count a cut."""
        self.cuts += 1
        self._news.set()

    @property
    def data(self) -> list[bytes]:
        """The events so far."""
        return [event.data for _, _, events in self.runs for event in events]

    async def until(self, *, events: int = 0, cuts: int = 0) -> None:
        """Wait until this many have come; 10 s at most."""
        async with asyncio.timeout(10):
            while len(self.data) < events or self.cuts < cuts:
                self._news.clear()
                await self._news.wait()


def numbered(count: int, first: int = 1) -> list[bytes]:
    """`count` events that tell each other apart."""
    return [b'{"number":%d}' % number for number in range(first, first + count)]


async def read_all(backend: ChannelBackend, channel: str, *, limit: int = 1000) -> list[bytes]:
    """The whole log from its beginning, page by page."""
    data: list[bytes] = []
    cursor = START
    while True:
        page = await backend.replay(channel, cursor, limit=limit)
        assert page.complete
        assert [event.offset for event in page.events] == _following(cursor, page)
        data += [event.data for event in page.events]
        cursor = Cursor(cursor.offset + len(page.events), page.epoch)
        if cursor.offset == page.top:
            return data


def _following(cursor: Cursor, page: Replay) -> list[int]:
    return [cursor.offset + 1 + step for step in range(len(page.events))]


class ChannelContract:
    """The suite; subclasses provide the fixture `channels`."""

    # Appending

    async def test_offsets_count_from_one_without_a_gap(self, channels: ChannelsUnderTest) -> None:
        first = await channels.backend.append("a", [b"1"])
        second = await channels.backend.append("a", [b"2", b"3", b"4"])
        assert (first.offset, second.offset) == (1, 4)
        assert first.epoch == second.epoch != ""
        assert await channels.backend.top("a") == Cursor(4, first.epoch)

    async def test_channels_count_apart(self, channels: ChannelsUnderTest) -> None:
        await channels.backend.append("a", [b"1"])
        assert (await channels.backend.append("b:c", [b"1"])).offset == 1

    async def test_events_of_one_append_stay_together(self, channels: ChannelsUnderTest) -> None:
        appends = [
            backend.append("a", [b"%d.%d" % (number, part) for part in range(3)])
            for number in range(20)
            for backend in (channels.backend, channels.other)
        ]
        await asyncio.gather(*appends)
        data = await read_all(channels.backend, "a")
        assert len(data) == 120
        for start in range(0, 120, 3):
            number = data[start].partition(b".")[0]
            assert data[start : start + 3] == [b"%s.%d" % (number, part) for part in range(3)]

    async def test_events_come_back_byte_for_byte(self, channels: ChannelsUnderTest) -> None:
        data = ['"ü\\n€"'.encode(), b'{"a": 1}\n', b"\n\n", b"\0\xff\xfe", b'""', b"9 9 9\n"]
        await channels.backend.append("a", data)
        assert await read_all(channels.backend, "a") == data

    async def test_a_known_key_appends_nothing_and_answers_as_before(
        self, channels: ChannelsUnderTest
    ) -> None:
        first = await channels.backend.append("a", [b"1", b"2"], key="k")
        await channels.backend.append("a", [b"3"])
        again = await channels.other.append("a", [b"1", b"2"], key="k")
        assert (again.offset, again.epoch, again.created) == (first.offset, first.epoch, False)
        assert first.created
        assert await read_all(channels.backend, "a") == [b"1", b"2", b"3"]

    async def test_a_key_counts_for_its_own_channel_only(self, channels: ChannelsUnderTest) -> None:
        await channels.backend.append("a", [b"1"], key="k")
        assert (await channels.backend.append("b", [b"1"], key="k")).created

    async def test_a_key_is_forgotten_when_its_window_has_passed(
        self, channels: ChannelsUnderTest
    ) -> None:
        await channels.backend.append("a", [b"1"], key="k", window=10)
        await channels.elapse(9)
        assert not (await channels.backend.append("a", [b"1"], key="k", window=10)).created
        await channels.elapse(2)
        assert (await channels.backend.append("a", [b"1"], key="k", window=10)).created

    async def test_a_key_can_be_forgotten_at_once(self, channels: ChannelsUnderTest) -> None:
        await channels.backend.append("a", [b"1"], key="k1")
        await channels.backend.append("a", [b"2"], key="k2", forget="k1")
        assert (await channels.backend.append("a", [b"3"], key="k1")).created
        assert not (await channels.backend.append("a", [b"3"], key="k2")).created

    async def test_an_attempt_writes_only_while_its_lease_lasts(
        self, channels: ChannelsUnderTest
    ) -> None:
        writer = await channels.attempt("job-1")
        await channels.backend.append("a", [b"1"], writer=writer)
        await channels.elapse(31)
        with pytest.raises(StaleAttemptError) as refused:
            await channels.backend.append("a", [b"2"], writer=writer)
        assert (refused.value.job, refused.value.fence) == ("job-1", writer.fence)
        assert await read_all(channels.backend, "a") == [b"1"]

    async def test_another_attempts_fence_is_refused(self, channels: ChannelsUnderTest) -> None:
        writer = await channels.attempt("job-1")
        for stranger in (Writer("job-1", writer.fence + 1), Writer("job-2", writer.fence)):
            with pytest.raises(StaleAttemptError):
                await channels.backend.append("a", [b"1"], writer=stranger)
        assert (await channels.backend.top("a")).offset == 0

    @pytest.mark.parametrize(
        ("channel", "events"),
        [
            ("", [b"1"]),
            ("with space", [b"1"]),
            ("a::b", [b"1"]),
            ("a/b", [b"1"]),
            ("x" * 256, [b"1"]),
            ("a", []),
            ("a", [b"1"] * (MAX_EVENTS + 1)),
            ("a", [b"1" * (MAX_EVENT_BYTES + 1)]),
        ],
        ids=["empty", "space", "hole", "slash", "long", "none", "too many", "too large"],
    )
    async def test_what_cannot_be_appended_is_refused(
        self, channels: ChannelsUnderTest, channel: str, events: list[bytes]
    ) -> None:
        with pytest.raises(ChannelError, match="expected"):
            await channels.backend.append(channel, events)

    # Reading

    async def test_replay_comes_in_pages_of_a_count(self, channels: ChannelsUnderTest) -> None:
        await channels.backend.append("a", numbered(25))
        page = await channels.backend.replay("a", START, limit=10)
        assert [event.offset for event in page.events] == list(range(1, 11))
        assert (page.top, page.first, page.complete) == (25, 1, True)
        page = await channels.backend.replay("a", Cursor(20, page.epoch), limit=10)
        assert [event.offset for event in page.events] == list(range(21, 26))

    async def test_replay_comes_in_pages_of_a_size_but_never_of_nothing(
        self, channels: ChannelsUnderTest
    ) -> None:
        await channels.backend.append("a", [b"x" * 100] * 10)
        page = await channels.backend.replay("a", START, max_bytes=350)
        assert len(page.events) == 3
        page = await channels.backend.replay("a", START, max_bytes=10)
        assert len(page.events) == 1

    async def test_replay_from_the_top_is_empty_and_complete(
        self, channels: ChannelsUnderTest
    ) -> None:
        published = await channels.backend.append("a", numbered(3))
        page = await channels.backend.replay("a", Cursor(3, published.epoch))
        assert (page.events, page.top, page.complete) == ([], 3, True)

    async def test_an_unknown_channel_has_the_epoch_its_first_event_will_have(
        self, channels: ChannelsUnderTest
    ) -> None:
        page = await channels.backend.replay("a", START)
        assert (page.events, page.top, page.first, page.complete) == ([], 0, 1, True)
        assert await channels.backend.top("a") == Cursor(0, page.epoch)
        assert (await channels.backend.append("a", [b"1"])).epoch == page.epoch

    @pytest.mark.parametrize("offset", [0, 2, 9])
    async def test_a_reader_of_a_foreign_epoch_is_told_and_starts_anew(
        self, channels: ChannelsUnderTest, offset: int
    ) -> None:
        await channels.backend.append("a", numbered(3))
        page = await channels.backend.replay("a", Cursor(offset, "foreign"))
        assert not page.complete
        assert [event.data for event in page.events] == numbered(3)

    async def test_a_reader_beyond_the_top_is_told(self, channels: ChannelsUnderTest) -> None:
        published = await channels.backend.append("a", numbered(3))
        page = await channels.backend.replay("a", Cursor(5, published.epoch))
        assert (page.complete, page.events) == (False, [])

    # Bounds

    async def test_a_spilled_log_reads_from_the_beginning_byte_for_byte(
        self, channels: ChannelsUnderTest
    ) -> None:
        for start in range(1, 200, 7):
            await channels.backend.append("small:a", numbered(7, start))
        await channels.settle()
        assert await channels.segments()
        assert await read_all(channels.backend, "small:a") == numbered(203)
        assert await read_all(channels.other, "small:a", limit=11) == numbered(203)

    async def test_any_place_in_a_spilled_log_can_be_read_on_from(
        self, channels: ChannelsUnderTest
    ) -> None:
        for start in range(1, 60, 3):
            await channels.backend.append("small:a", numbered(3, start))
        for offset in range(60):
            page = await channels.backend.replay("small:a", Cursor(offset), limit=5)
            assert page.complete
            assert [event.data for event in page.events] == numbered(60)[offset : offset + 5]

    async def test_several_producers_may_spill_at_once(self, channels: ChannelsUnderTest) -> None:
        async def produce(backend: ChannelBackend, name: int) -> list[bytes]:
            mine = [b'{"of":%d,"number":%d}' % (name, number) for number in range(150)]
            for event in mine:
                await backend.append("small:a", [event])
            return mine

        backends = (channels.backend, channels.other)
        produced = await asyncio.gather(*[produce(each, n) for n, each in enumerate(backends)])
        data = await read_all(channels.backend, "small:a")
        for name, mine in enumerate(produced):
            assert [event for event in data if event.startswith(b'{"of":%d' % name)] == mine

    async def test_beyond_what_is_kept_the_oldest_is_dropped_and_readers_are_told(
        self, channels: ChannelsUnderTest
    ) -> None:
        events = [b"%04d" % number + b"x" * 96 for number in range(1, 101)]
        for event in events:
            await channels.backend.append("dropping:a", [event])
        await channels.settle()
        page = await channels.backend.replay("dropping:a", START)
        assert not page.complete
        assert page.first > 50
        assert [event.data for event in page.events] == events[page.first - 1 :]
        assert (await channels.backend.replay("dropping:a", Cursor(page.first - 1))).complete
        assert not (await channels.backend.replay("dropping:a", Cursor(page.first - 2))).complete

    async def test_a_channel_without_replay_keeps_its_bounds_and_no_segments(
        self, channels: ChannelsUnderTest
    ) -> None:
        for event in numbered(100):
            await channels.backend.append("present:a", [event])
        await channels.settle()
        page = await channels.backend.replay("present:a", START)
        assert 100 - page.first < 10
        assert await channels.segments() == []

    async def test_a_channel_ends_when_its_ttl_has_passed(
        self, channels: ChannelsUnderTest
    ) -> None:
        await channels.backend.append("brief:a", [b"1"])
        await channels.elapse(50)
        await channels.backend.append("brief:a", [b"2"])
        await channels.elapse(50)
        assert await channels.backend.sweep() == 0
        assert await read_all(channels.backend, "brief:a") == [b"1", b"2"]
        await channels.elapse(11)
        assert await channels.backend.sweep() == 1
        assert (await channels.backend.top("brief:a")).offset == 0

    async def test_a_channel_that_begins_again_has_another_epoch(
        self, channels: ChannelsUnderTest
    ) -> None:
        before = await channels.backend.append("brief:a", [b"1", b"2"])
        await channels.elapse(61)
        await channels.backend.sweep()
        foreseen = await channels.backend.top("brief:a")
        after = await channels.backend.append("brief:a", [b"3"])
        assert (after.offset, after.epoch) == (1, foreseen.epoch)
        assert after.epoch != before.epoch
        page = await channels.backend.replay("brief:a", Cursor(1, before.epoch))
        assert (page.complete, [event.data for event in page.events]) == (False, [b"3"])

    async def test_the_segments_of_an_ended_channel_go_with_it(
        self, channels: ChannelsUnderTest
    ) -> None:
        for event in numbered(50):
            await channels.backend.append("brief:a", [event])
            await channels.backend.append("small:a", [event])
        await channels.settle()
        before = await channels.segments()
        await channels.elapse(61)
        await channels.backend.sweep()
        after = await channels.segments()
        assert 0 < len(after) < len(before)
        assert await read_all(channels.backend, "small:a") == numbered(50)

    # Being told

    async def test_a_subscriber_is_told_of_each_append_after_it(
        self, channels: ChannelsUnderTest
    ) -> None:
        recorder = Recorder()
        await channels.backend.append("a", [b"before"])
        await channels.backend.subscribe("a", recorder.on_events, recorder.on_cut)
        published = await channels.other.append("a", [b"1", b"2"])
        await channels.backend.append("other", [b"not for a"])
        await channels.backend.append("a", [b"3"])
        await recorder.until(events=3)
        assert recorder.runs == [
            ("a", published.epoch, [Event(2, b"1"), Event(3, b"2")]),
            ("a", published.epoch, [Event(4, b"3")]),
        ]

    async def test_nobody_is_told_after_unsubscribing(self, channels: ChannelsUnderTest) -> None:
        left, right = Recorder(), Recorder()
        await channels.backend.subscribe("a", left.on_events, left.on_cut)
        await channels.backend.subscribe("b", right.on_events, right.on_cut)
        channels.backend.unsubscribe("a")
        await channels.backend.append("a", [b"1"])
        await channels.backend.append("b", [b"1"])
        await right.until(events=1)
        assert left.data == []

    async def test_a_subscriber_learns_that_its_connection_was_cut(
        self, channels: ChannelsUnderTest
    ) -> None:
        recorder = Recorder()
        await channels.backend.subscribe("a", recorder.on_events, recorder.on_cut)
        await channels.cut()
        await recorder.until(cuts=1)
        await channels.backend.append("a", [b"1"])
        await recorder.until(events=1)
        assert recorder.data == [b"1"]

    # Restarts

    async def test_after_a_restart_nothing_acknowledged_is_missing(
        self, channels: ChannelsUnderTest
    ) -> None:
        before = await channels.backend.append("a", numbered(20))
        await channels.restart()
        after = await channels.backend.append("a", numbered(20, 21))
        assert after.offset == 40
        assert after.epoch != before.epoch
        assert await read_all(channels.backend, "a") == numbered(40)

    async def test_a_reader_that_missed_nothing_reads_on_after_restarts(
        self, channels: ChannelsUnderTest
    ) -> None:
        epochs = [(await channels.backend.append("a", numbered(10))).epoch]
        for start in (11, 21):
            await channels.restart()
            epochs.append((await channels.backend.append("a", numbered(10, start))).epoch)
        for epoch, offset in zip(epochs, (7, 15, 29), strict=True):
            page = await channels.backend.replay("a", Cursor(offset, epoch))
            assert page.complete
            assert page.epoch == epochs[-1]
            assert [event.data for event in page.events] == numbered(30)[offset:]

    async def test_a_reader_ahead_of_the_epochs_end_is_told(
        self, channels: ChannelsUnderTest
    ) -> None:
        before = await channels.backend.append("a", numbered(10))
        await channels.restart()
        await channels.backend.append("a", numbered(5, 11))
        page = await channels.backend.replay("a", Cursor(12, before.epoch))
        assert not page.complete
        assert [event.data for event in page.events] == numbered(5, 11)

    async def test_a_key_is_still_known_after_a_restart(self, channels: ChannelsUnderTest) -> None:
        await channels.backend.append("a", [b"1"], key="k")
        await channels.restart()
        assert not (await channels.backend.append("a", [b"1"], key="k")).created
        assert await read_all(channels.backend, "a") == [b"1"]

    async def test_segments_outlive_a_restart(self, channels: ChannelsUnderTest) -> None:
        for event in numbered(50):
            await channels.backend.append("small:a", [event])
        await channels.restart()
        for event in numbered(50, 51):
            await channels.backend.append("small:a", [event])
        assert await read_all(channels.backend, "small:a") == numbered(100)
