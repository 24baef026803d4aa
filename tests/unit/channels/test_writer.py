"""A writer gathers events, keeps their order, stores each once and holds its producer back."""

import asyncio
from collections.abc import Sequence

import pytest

from tidegate.channels.backend import Published, Writer
from tidegate.channels.backends.valkey import ValkeyChannels
from tidegate.channels.channel import Channels
from tidegate.channels.cursor import START
from tidegate.channels.writer import ChannelWriter
from tidegate.connections.valkey import Valkey
from tidegate.errors import BackendUnavailableError, ChannelError, StaleAttemptError
from tidegate.testing.channel import numbered, read_all


class Watched(ValkeyChannels):
    """Channels that note what was appended, and can lose answers or wait."""

    def __init__(self, valkey: Valkey) -> None:
        super().__init__(valkey)
        self.batches: list[int] = []
        self.answers_to_lose = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._appended = asyncio.Condition()

    async def appends(self, count: int) -> None:
        async with asyncio.timeout(10), self._appended:
            await self._appended.wait_for(lambda: len(self.batches) >= count)

    async def append(
        self,
        channel: str,
        events: Sequence[bytes],
        *,
        writer: Writer | None = None,
        key: str | None = None,
        window: float = 300.0,
        forget: str | None = None,
    ) -> Published:
        await self.gate.wait()
        published = await super().append(
            channel, events, writer=writer, key=key, window=window, forget=forget
        )
        if self.answers_to_lose:
            self.answers_to_lose -= 1
            raise BackendUnavailableError("the answer was lost")
        async with self._appended:
            self.batches.append(len(events))
            self._appended.notify_all()
        return published


async def test_all_that_was_written_is_stored_in_order(channels: Channels) -> None:
    async with channels.writer("a") as writer:
        for event in numbered(5000):
            await writer.write(event)
    assert await read_all(channels.backend, "a") == numbered(5000)
    assert writer.last is not None
    assert writer.last.offset == 5000


@pytest.fixture
def endless_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what does not wait for the pause gets through."""
    monkeypatch.setattr("tidegate.channels.writer._PAUSE", 3600.0)


async def test_the_first_event_leaves_at_once_and_later_ones_together(
    valkey: Valkey, endless_pause: None
) -> None:
    async with Watched(valkey) as backend, ChannelWriter(backend, "a") as writer:
        await writer.write(b"1")
        await backend.appends(1)
        for event in numbered(50):
            await writer.write(event)
        await writer.flush()
        assert backend.batches == [1, 50]


async def test_a_full_batch_does_not_wait_for_the_pause(
    valkey: Valkey, endless_pause: None
) -> None:
    async with Watched(valkey) as backend, ChannelWriter(backend, "a") as writer:
        await writer.write(b"1")
        await backend.appends(1)
        await writer.write(b"x" * 20_000)
        await backend.appends(2)


async def test_a_pause_ends_a_batch(valkey: Valkey) -> None:
    async with Watched(valkey) as backend, ChannelWriter(backend, "a") as writer:
        await writer.write(b"1")
        await backend.appends(1)
        await writer.write(b"2")
        await backend.appends(2)


async def test_events_whose_answer_was_lost_are_stored_once(valkey: Valkey) -> None:
    async with Watched(valkey) as backend:
        backend.answers_to_lose = 3
        async with ChannelWriter(backend, "a") as writer:
            for event in numbered(20):
                await writer.write(event)
        assert await read_all(backend, "a") == numbered(20)


async def test_only_the_newest_key_of_a_writer_is_kept(valkey: Valkey) -> None:
    async with Watched(valkey) as backend, ChannelWriter(backend, "a") as writer:
        for event in numbered(5):
            await writer.write(event)
            await writer.flush()
        assert await valkey.call("ZCARD", f"{valkey.prefix}ck:a") == 1


async def test_a_producer_waits_while_nothing_can_be_stored(valkey: Valkey) -> None:
    async with Watched(valkey) as backend, ChannelWriter(backend, "a") as writer:
        backend.gate.clear()
        for _ in range(26):
            await writer.write(b"x" * 10_000)
        one_more = asyncio.create_task(writer.write(b"x" * 10_000))
        # Long enough for it to pass if anything let it; it is held until the gate opens.
        assert await asyncio.wait([one_more], timeout=0.05) == (set(), {one_more})
        backend.gate.set()
        await one_more
        await writer.flush()
        assert (await backend.top("a")).offset == 27


async def test_an_event_larger_than_the_buffer_still_fits(channels: Channels) -> None:
    async with channels.writer("a") as writer:
        for _ in range(3):
            await writer.write(b"x" * 1_000_000)
    assert (await channels.backend.top("a")).offset == 3


async def test_flush_says_where_the_last_event_is(channels: Channels) -> None:
    async with channels.writer("a") as writer:
        assert await writer.flush() is None
        await writer.write(b"1")
        await writer.write(b"2")
        published = await writer.flush()
        assert published is not None
        assert published.offset == (await channels.backend.top("a")).offset == 2


async def test_a_refused_attempt_learns_it_at_its_next_call(channels: Channels) -> None:
    writer = channels.writer("a", writer=Writer("no-such-job", 1))
    await writer.write(b"1")
    with pytest.raises(StaleAttemptError):
        await writer.flush()
    for call in (writer.write(b"2"), writer.flush(), writer.close()):
        with pytest.raises(StaleAttemptError):
            await call
    assert (await channels.backend.top("a")).offset == 0


async def test_a_store_that_stays_away_is_given_up_after_patience(valkey: Valkey) -> None:
    async with Watched(valkey) as backend:
        backend.answers_to_lose = 10**6
        writer = ChannelWriter(backend, "a", patience=0.05)
        await writer.write(b"1")
        with pytest.raises(BackendUnavailableError):
            await writer.close()


async def test_what_ended_the_block_is_what_is_raised(channels: Channels) -> None:
    async def failing() -> None:
        async with channels.writer("a", writer=Writer("no-such-job", 1)) as writer:
            await writer.write(b"1")
            raise KeyError

    with pytest.raises(KeyError):
        await failing()


async def test_too_large_an_event_is_refused_and_the_rest_goes_on(channels: Channels) -> None:
    async with channels.writer("a") as writer:
        await writer.write(b"1")
        with pytest.raises(ChannelError, match="at most 1048576 bytes"):
            await writer.write(b"x" * 1_100_000)
        await writer.write(b"2")
    page = await channels.backend.replay("a", START)
    assert [event.data for event in page.events] == [b"1", b"2"]
