"""One channel within a gateway: who is subscribed, and the one encoding that all of them get."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from msgspec import Struct

from tidegate.channels.cursor import Cursor
from tidegate.channels.event import Event
from tidegate.channels.hub import Hub
from tidegate.channels.message import Gap
from tidegate.gateway.frame import text_frame
from tidegate.gateway.outbox import is_cut
from tidegate.gateway.protocol import (
    INSUFFICIENT_STATE,
    SLOW,
    Disconnect,
    Unsubscribe,
    publications_push,
)
from tidegate.gateway.tail import Tail

RECOVERY_BYTES: Final = 8 * 1024 * 1024
"""How much of a log a subscriber is sent again; beyond it pages through the history."""

_PAGE_EVENTS: Final = 10_000
_ON_ITS_WAY: Final = 5.0
# What an event costs beside its data; bounds a recovery of tiny events too.
_OVERHEAD: Final = 100


class Member(Protocol):
    """A subscriber, as a topic knows it. It is told nothing while it is held back."""

    write: Callable[[bytes], None]

    def unsubscribed(self, channel: str, why: Unsubscribe) -> None:
        """Take notice that the topic has ended the subscription."""
        ...

    def disconnect(self, why: Disconnect) -> None:
        """End the connection."""
        ...


class Recovery(Struct, frozen=True):
    """What a subscriber missed.

    Attributes:
        events: What follows the place it asked from, in order.
        at: Where it stands after them.
        is_complete: Whether nothing is missing between that place and them.
        is_current: Whether they reach up to what the topic has told the others.
    """

    events: list[Event]
    at: Cursor
    is_complete: bool = True
    is_current: bool = True


class Topic:
    """A channel with its subscribers.

    Invariant: whoever is among the members has been sent, or is about to be sent in this turn of
    the loop, all up to `position` and nothing beyond. Members that do not keep up are held back.
    """

    def __init__(self, channel: str, hub: Hub, delivered: Callable[[int], None]) -> None:
        self.channel = channel
        self.slow = hub.backend.settings(channel).slow
        self.replays = hub.backend.settings(channel).replay
        self.users = 0
        self.tail = Tail()
        self._hub = hub
        self._delivered = delivered
        self._loop = asyncio.get_running_loop()
        self._members: dict[Member, None] = {}
        self._held_back: dict[Member, None] = {}
        self._writes: tuple[Callable[[bytes], None], ...] | None = ()
        self._waiting: list[Event] = []
        self._reaching: list[asyncio.Future[None]] = []
        self._epoch = ""

    async def open(self) -> None:
        """Begin to follow the channel.

        Raises:
            BackendUnavailableError: Valkey did not answer.
        """
        cursor = await self._hub.attach(self.channel, self)
        # Members that are here already know the epoch of the time they came.
        self._epoch = self._epoch or cursor.epoch

    def close(self) -> None:
        """Stop following it."""
        self._hub.detach(self.channel, self)

    @property
    def position(self) -> Cursor:
        """What the members have been told up to."""
        return self._hub.position(self.channel)

    def current(self) -> Cursor:
        """`position`, when the members have been sent all up to it."""
        self.flush()
        return self.position

    def join(self, member: Member) -> None:
        """Send `member` what comes after `position`; the caller sees to what came before."""
        self.leave(member)
        self._members[member] = None

    def hold_back(self, member: Member) -> Cursor:
        """Send `member` nothing more; where it stands."""
        self.leave(member)
        self._held_back[member] = None
        return self.position

    def leave(self, member: Member) -> None:
        """Forget `member`; again does nothing."""
        self.flush()
        self._held_back.pop(member, None)
        self._members.pop(member, None)
        self._writes = None

    async def recover(self, since: Cursor, *, max_bytes: int = RECOVERY_BYTES) -> Recovery:
        """What follows `since`, up to `position` or to a little over `max_bytes`.

        Raises:
            BackendUnavailableError: Valkey or the object store did not answer.
            ObjectError: A segment of the log is damaged.
        """
        events: list[Event] = []
        left = max_bytes
        while True:
            self.flush()
            if since == self.position:
                return Recovery(events, since)
            if (rest := self.tail.after(since)) is not None:
                return Recovery(events + rest, self.position)
            if left <= 0:
                return Recovery(events, since, is_current=False)
            page = await self._hub.backend.replay(
                self.channel, since, limit=_PAGE_EVENTS, max_bytes=left
            )
            if not page.complete:
                return Recovery(events, since, is_complete=False)
            # What lies beyond the position is about to reach every member, this one too.
            top = self.position.offset
            known = [event for event in page.events if event.offset <= top]
            events += known
            left -= sum(len(event.data) + _OVERHEAD for event in known)
            since = Cursor(known[-1].offset if known else since.offset, page.epoch)
            if since.offset > top:
                await self._reach(since.offset)
            elif since.offset == top:
                return Recovery(events, since)
            elif not known:
                # The log ends before what was told: it has lost writes, and the hub will learn so.
                return Recovery(events, since, is_complete=False)

    async def _reach(self, offset: int) -> None:
        # The asker has seen what is still on its way here, from another gateway; if it joined
        # before that has come, it would be sent it twice.
        async with asyncio.timeout(_ON_ITS_WAY):
            while self.position.offset < offset:
                news = self._loop.create_future()
                self._reaching.append(news)
                await news

    def _tell_reaching(self) -> None:
        reaching, self._reaching = self._reaching, []
        for news in reaching:
            if not news.done():
                news.set_result(None)

    def deliver(self, _channel: str, epoch: str, events: list[Event]) -> None:
        """Called by the hub: take events that follow on."""
        if epoch != self._epoch:
            # Clients learn an epoch only from an answer, so they have to ask once more.
            self._restart(epoch)
        self.tail.extend(epoch, events)
        if self._reaching:
            self._tell_reaching()
        if self._held_back and is_cut(self.slow):
            for member in tuple(self._held_back):
                member.disconnect(SLOW)
        if not self._members:
            return
        if not self._waiting:
            self._loop.call_soon(self.flush)
        self._waiting += events

    def gap(self, gap: Gap) -> None:
        """Called by the hub: events are lost; subscribers are made to find out how many."""
        self._restart(gap.until.epoch)
        self.tail.clear()
        self._tell_reaching()

    def restart(self) -> None:
        """Make every subscriber subscribe again, from where it stands."""
        self._restart(self._epoch)

    def flush(self) -> None:
        """Send the members what came in this turn of the loop, as one frame."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        frame = text_frame(publications_push(self.channel, waiting))
        writes = self._writes
        if writes is None:
            writes = self._writes = tuple(member.write for member in self._members)
        for write in writes:
            try:
                write(frame)
            except RuntimeError:
                # uvloop's answer of a transport that is closed; its session is about to be told.
                # The others still have to get the event.
                continue
        self._delivered(len(waiting) * len(writes))

    def _restart(self, epoch: str) -> None:
        self.flush()
        self._epoch = epoch
        for member in (*self._members, *self._held_back):
            member.unsubscribed(self.channel, INSUFFICIENT_STATE)
        self._members.clear()
        self._held_back.clear()
        self._writes = ()


class Topics:
    """The topics of a gateway, each there as long as somebody uses it."""

    def __init__(self, hub: Hub, delivered: Callable[[int], None]) -> None:
        self._hub = hub
        self._delivered = delivered
        self._topics: dict[str, Topic] = {}

    async def acquire(self, channel: str) -> Topic:
        """The topic of a channel, to be released once for each time it was acquired.

        Raises:
            BackendUnavailableError: Valkey did not answer.
        """
        topic = self._topics.get(channel)
        if topic is None:
            topic = self._topics[channel] = Topic(channel, self._hub, self._delivered)
        topic.users += 1
        try:
            await topic.open()
        except BaseException:
            self.release(topic)
            raise
        return topic

    def release(self, topic: Topic) -> None:
        """Let go of a topic; the last one to do so closes it."""
        topic.users -= 1
        if not topic.users:
            del self._topics[topic.channel]
            topic.close()

    def __len__(self) -> int:
        return len(self._topics)
