"""What an app's own handler reads channels through: replay, then live, in one iterator."""

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Final, Self

from tidegate.channels.backend import Slow
from tidegate.channels.cursor import START, Cursor, cursor_text
from tidegate.channels.event import Event, checked_name
from tidegate.channels.hub import Hub
from tidegate.channels.message import Gap, Message
from tidegate.errors import BackendUnavailableError, SlowReaderError

BUFFER_BYTES: Final = 1024 * 1024
_PAGE_EVENTS: Final = 500
_PAGE_BYTES: Final = 512 * 1024
_RETRY: Final = 0.2
# What a waiting event costs beyond its data, so that the buffer is bounded for tiny ones too.
_OVERHEAD: Final = 200


class Subscription:
    """Messages of some channels from where `cursors` stand, without gap and without repeat.

    An async iterator of `Message` and `Gap`, used as an async context manager. Each event comes
    once and in its channel's order, or a `Gap` says which do not come; between channels there is
    no order. A channel without a cursor starts at the present, `Cursor()` is its beginning.
    Cancelling a wait for the next message loses nothing, so that a handler may wait with a timeout
    and send a ping meanwhile. A lost connection to Valkey is waited out.

    At most `buffer` bytes wait for the reader. When that is full the channel's setting decides:
    with `slow="resume"` nothing more is kept, and the reader goes on from the log when it comes
    back, losing nothing the log still holds; with `conflate` the channel's newest event takes the
    place of those waiting, after a `Gap`; with `cut` the iterator ends with `SlowReaderError`.

    Iterating raises `ObjectError` where an older part of the log cannot be read.
    """

    def __init__(
        self, hub: Hub, cursors: Mapping[str, Cursor | None], *, buffer: int = BUFFER_BYTES
    ) -> None:
        self._hub = hub
        self._buffer = buffer
        self._places = {
            channel: _Place(self, hub, checked_name(channel), cursor)
            for channel, cursor in cursors.items()
        }
        self._waiting: deque[Message | Gap] = deque()
        self._bytes = 0
        self._news = asyncio.Event()
        self._failure: SlowReaderError | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._attach()
        except BaseException:
            self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop receiving; closing again does nothing."""
        for channel, place in self._places.items():
            self._hub.detach(channel, place)

    @property
    def cursors(self) -> dict[str, Cursor]:
        """Where the reader stands: behind the last message it was given, by channel."""
        return {channel: place.read for channel, place in self._places.items()}

    @property
    def cursor(self) -> str:
        """`cursors` as text: SSE's `id:`, and what a later subscription goes on from."""
        return cursor_text(self.cursors)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message | Gap:
        while not self._waiting:
            await self._refill()
        item = self._waiting.popleft()
        self._bytes -= _size(item)
        place = self._places[item.channel]
        place.read = item.cursor if isinstance(item, Message) else item.until
        return item

    async def _attach(self) -> None:
        attaching = [place.attach() for place in self._places.values()]
        # All have ended before an error goes on, so that none attaches after `close`.
        found = await asyncio.gather(*attaching, return_exceptions=True)
        if failures := [each for each in found if each is not None]:
            raise failures[0]

    async def _refill(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._news.clear()
        behind = next((place for place in self._places.values() if place.wants_log), None)
        if behind is None:
            await self._news.wait()
        else:
            await behind.read_log()

    def put(self, item: Message | Gap) -> None:
        """Keep an item for the reader."""
        self._waiting.append(item)
        self._bytes += _size(item)
        self._news.set()

    def has_room(self, events: list[Event]) -> bool:
        """Whether these events fit; into an empty buffer any do."""
        size = sum([len(event.data) + _OVERHEAD for event in events])
        return not self._waiting or self._bytes + size <= self._buffer

    def drop(self, channel: str) -> None:
        """Forget what waits of a channel."""
        self._waiting = deque(item for item in self._waiting if item.channel != channel)
        self._bytes = sum(map(_size, self._waiting))

    def wake(self) -> None:
        """Have the reader look at its channels again."""
        self._news.set()

    def fail(self, channel: str) -> None:
        """End the iterator behind what waits already."""
        self._failure = SlowReaderError(channel, self._buffer)
        self.close()
        self._news.set()


class _Place:
    """Where a subscription stands in one channel.

    Attributes:
        read: Up to here the reader has been given.
        queued: Up to here items wait for the reader.
        is_live: Whether `queued` moves with the hub; otherwise the log is read.
        wants_log: Whether the log may hold more than `queued`.
    """

    def __init__(self, owner: Subscription, hub: Hub, channel: str, asked: Cursor | None) -> None:
        self._owner = owner
        self._hub = hub
        self._channel = channel
        self._asked = asked
        self._slow: Slow = hub.backend.settings(channel).slow
        self.read = self.queued = START
        self.is_live = False
        self.wants_log = False
        self._has_moved = False

    async def attach(self) -> None:
        """Start listening, at the asked cursor or at the present."""
        asked = self._asked
        now = await self._hub.attach(self._channel, self)
        may_replay = self._hub.backend.settings(self._channel).replay
        if asked is None or not (asked.epoch or may_replay):
            asked = now
        self.read = self.queued = asked
        self.is_live = asked == now
        self.wants_log = not self.is_live

    def deliver(self, _channel: str, epoch: str, events: list[Event]) -> None:
        """As `Listener.deliver`."""
        if not self.is_live:
            self._fall_behind()
            return
        known = self.queued.offset + 1 - events[0].offset
        if known < 0 or (known and epoch != self.queued.epoch):
            self._fall_behind()
        elif fresh := events[known:]:
            self._take(epoch, fresh)

    def gap(self, gap: Gap) -> None:
        """As `Listener.gap`."""
        if self.is_live and gap.since == self.queued:
            self._owner.put(gap)
            self.queued = gap.until
        else:
            self._fall_behind()

    async def read_log(self) -> None:
        """Queue the next stretch of the log; live again where it reaches the hub."""
        self._has_moved = False
        try:
            page = await self._hub.backend.replay(
                self._channel, self.queued, limit=_PAGE_EVENTS, max_bytes=_PAGE_BYTES
            )
        except BackendUnavailableError:
            await asyncio.sleep(_RETRY)
            return
        if not page.complete:
            before = page.events[0].offset - 1 if page.events else page.top
            self._skip(Cursor(before, page.epoch))
        self._queue(page.epoch, page.events)
        at = self._hub.position(self._channel)
        self.is_live = at.epoch == page.epoch and at.offset <= self.queued.offset
        # What the hub handed out since may be behind the page's end, and nothing may follow it.
        self.wants_log = not self.is_live and (self._has_moved or self.queued.offset < page.top)

    def _fall_behind(self) -> None:
        self.is_live = False
        self.wants_log = self._has_moved = True
        self._owner.wake()

    def _take(self, epoch: str, events: list[Event]) -> None:
        if self._owner.has_room(events):
            self._queue(epoch, events)
        elif self._slow == "resume":
            self._fall_behind()
        elif self._slow == "cut":
            self._owner.fail(self._channel)
        else:
            self._owner.drop(self._channel)
            self.queued = self.read
            self._skip(Cursor(events[-1].offset - 1, epoch))
            self._queue(epoch, events[-1:])

    def _skip(self, until: Cursor) -> None:
        if until != self.queued:
            self._owner.put(Gap(self._channel, self.queued, until))
            self.queued = until

    def _queue(self, epoch: str, events: list[Event]) -> None:
        for event in events:
            self._owner.put(Message(self._channel, event.offset, epoch, event.data))
        self.queued = Cursor(self.queued.offset + len(events), epoch)


def _size(item: Message | Gap) -> int:
    return _OVERHEAD + (len(item.data) if isinstance(item, Message) else 0)
