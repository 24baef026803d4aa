"""One process's share of live channels: each is subscribed to once and handed to all who listen.

Nothing is buffered for listeners here: each keeps a bounded buffer of its own, and reads what it
had no room for from the log.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Final, Protocol, Self

from tidegate.channels.backend import ChannelBackend, Replay
from tidegate.channels.cursor import Cursor
from tidegate.channels.event import Event
from tidegate.channels.message import Gap
from tidegate.errors import BackendUnavailableError, ObjectError
from tidegate.observability.logs import Logger

log = Logger("tidegate.channels")

_LATE_AT_MOST: Final = 256
_FIRST_DELAY: Final = 0.02
_LONGEST_DELAY: Final = 1.0


class Listener(Protocol):
    """Who is told of a channel's events. Neither method may block, await or raise."""

    def deliver(self, channel: str, epoch: str, events: list[Event]) -> None:
        """Take events that follow on from the last ones; the list is shared and not to be changed.

        After a restart of the server the epoch may differ from the last call's without a loss.
        """
        ...

    def gap(self, gap: Gap) -> None:
        """Take notice that events are lost; the next ones follow `gap.until`."""
        ...


class _Feed:
    """A channel, how far it has been handed out, and to whom.

    While it is not live, what comes in is kept in `late`, at most 256 publications; the oldest
    are dropped then, because the log that is about to be read has them.
    """

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.listeners: dict[Listener, None] = {}
        self.arriving = 0
        self.offset = 0
        self.epoch = ""
        self.is_live = False
        self.is_cut = False
        self.late: deque[tuple[str, list[Event]]] = deque(maxlen=_LATE_AT_MOST)
        self.task: asyncio.Task[None] | None = None

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.offset, self.epoch)

    def take(self, epoch: str, events: list[Event]) -> bool:
        """Hand out what is new of `events`; False where they do not follow on."""
        first = events[0].offset
        following = self.offset + 1
        if epoch != self.epoch or first > following:
            return False
        if first == following:
            self.hand_out(epoch, events)
        elif events[-1].offset >= following:
            self.hand_out(epoch, events[following - first :])
        return True

    def hand_out(self, epoch: str, events: list[Event]) -> None:
        self.offset = events[-1].offset
        channel = self.channel
        for listener in tuple(self.listeners):
            listener.deliver(channel, epoch, events)

    def lose(self, until: Cursor) -> None:
        gap = Gap(self.channel, self.cursor, until)
        self.offset, self.epoch = until.offset, until.epoch
        for listener in tuple(self.listeners):
            listener.gap(gap)

    def read(self, page: Replay) -> None:
        """Hand out a stretch of the log that was read from where this feed stands."""
        if not page.complete:
            before = page.events[0].offset - 1 if page.events else page.top
            self.lose(Cursor(before, page.epoch))
        self.epoch = page.epoch
        if page.events:
            self.hand_out(page.epoch, page.events)

    def drain(self) -> bool:
        """Hand out what came late; False where the log has to be read first."""
        late, is_cut = list(self.late), self.is_cut
        self.late.clear()
        self.is_cut = False
        self.is_live = not is_cut and all(self.take(*publication) for publication in late)
        return self.is_live


class Hub:
    """The live channels of one process, over one subscription each.

    Used as an async context manager; leaving it stops all feeds.
    """

    def __init__(self, backend: ChannelBackend) -> None:
        self.backend = backend
        self._feeds: dict[str, _Feed] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        feeds, self._feeds = self._feeds, {}
        tasks = [feed.task for feed in feeds.values() if feed.task is not None]
        for channel in feeds:
            self.backend.unsubscribe(channel)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def attach(self, channel: str, listener: Listener) -> Cursor:
        """Deliver to `listener` all that comes after the returned cursor, in order.

        A listener is attached to a channel once; again changes nothing.

        Raises:
            ChannelError: No channel name.
            BackendUnavailableError: Valkey did not answer.
        """
        feed = self._feeds.get(channel)
        if feed is None:
            feed = self._feeds[channel] = _Feed(channel)
            self._start(feed, self._open(feed))
        feed.arriving += 1
        try:
            if feed.task is not None and not feed.epoch:
                await asyncio.shield(feed.task)
            feed.listeners[listener] = None
        finally:
            feed.arriving -= 1
            self._close_unheard(feed)
        return feed.cursor

    def detach(self, channel: str, listener: Listener) -> None:
        """Stop delivering; detaching again does nothing."""
        feed = self._feeds.get(channel)
        if feed is not None:
            feed.listeners.pop(listener, None)
            self._close_unheard(feed)

    def position(self, channel: str) -> Cursor:
        """How far an attached channel has been handed out."""
        return self._feeds[channel].cursor

    def _close_unheard(self, feed: _Feed) -> None:
        if feed.listeners or feed.arriving or self._feeds.get(feed.channel) is not feed:
            return
        del self._feeds[feed.channel]
        self.backend.unsubscribe(feed.channel)
        if feed.task is not None:
            feed.task.cancel()

    def _start(self, feed: _Feed, work: Coroutine[None, None, None]) -> None:
        feed.is_live = False
        feed.task = asyncio.create_task(work, name=f"channel-{feed.channel}")

    async def _open(self, feed: _Feed) -> None:
        await self.backend.subscribe(feed.channel, self._received, self._cut)
        top = await self.backend.top(feed.channel)
        feed.offset, feed.epoch = top.offset, top.epoch
        await self._settle(feed)

    def _received(self, channel: str, epoch: str, events: list[Event]) -> None:
        feed = self._feeds.get(channel)
        if feed is None:
            return
        if not feed.is_live:
            feed.late.append((epoch, events))
        elif not feed.take(epoch, events):
            self._repair(feed)

    def _cut(self, channel: str) -> None:
        feed = self._feeds.get(channel)
        if feed is None:
            return
        feed.is_cut = True
        if feed.is_live:
            self._repair(feed)

    def _repair(self, feed: _Feed) -> None:
        feed.is_cut = True
        self._start(feed, self._settle(feed))

    async def _settle(self, feed: _Feed) -> None:
        while not feed.drain():
            await self._catch_up(feed)

    async def _catch_up(self, feed: _Feed) -> None:
        while True:
            page = await self._page(feed)
            feed.read(page)
            if feed.offset >= page.top:
                return

    async def _page(self, feed: _Feed) -> Replay:
        delay = _FIRST_DELAY
        while True:
            try:
                return await self._read(feed)
            except BackendUnavailableError:
                await asyncio.sleep(delay)
                delay = min(delay * 2, _LONGEST_DELAY)

    async def _read(self, feed: _Feed) -> Replay:
        try:
            return await self.backend.replay(feed.channel, feed.cursor)
        except ObjectError as error:
            # Waiting would stop the channel for good; its listeners are told of the gap instead.
            log.warning("segment_unreadable", channel=feed.channel, error=str(error))
            top = await self.backend.top(feed.channel)
            return Replay(events=[], top=top.offset, epoch=top.epoch, complete=False)
