"""What every channel backend promises; `tidegate.testing.channel` holds the suite checking it.

**Epochs.** Offsets count 1, 2, 3 within a channel and go on counting over a restart of the server.
A restart may have lost the last writes, so the channel moves to a new epoch at its first use after
it, and remembers at which offset each of its last eight epochs ended. A reader of such an earlier
epoch that stands at or before that end has seen nothing but what is still there, and reads on; one
that stands beyond it has seen events that are lost, and is told (`Replay.complete` is False). A
channel that ends and begins again under the same name starts at 1 in an epoch of its own. An epoch
and an offset together therefore never name two events.
"""

from collections.abc import Callable, Sequence
from typing import Final, Literal, Protocol

from msgspec import Struct

from tidegate.channels.cursor import Cursor
from tidegate.channels.event import Event
from tidegate.errors import ChannelError

MAX_EVENTS: Final = 1000
"""Events one append takes: while Valkey writes them, 3 ms or so, it does nothing else."""

MAX_EVENT_BYTES: Final = 1024 * 1024

Slow = Literal["resume", "conflate", "cut"]


class ChannelSettings(Struct, frozen=True, kw_only=True):
    """Bounds of the channels a pattern names.

    Attributes:
        pattern: Channel names it is for; `*` stands for one segment. The most exact one wins.
        hot_bytes: Bytes kept in the log before the older part spills to objects.
        hot_events: Events kept in the log likewise.
        keep_bytes: Bytes kept in all, spilled included; older ones are dropped, and readers told.
        ttl: Seconds after the last event at which the channel ends; its segments go with it.
        slow: What becomes of a client that does not keep up: `resume` holds it back and goes
            on from the log at its own pace, `conflate` keeps only the newest event for it, `cut`
            disconnects.
        replay: Whether new subscribers may start before the present. Where they may not, the older
            part is dropped rather than spilled.
    """

    pattern: str
    hot_bytes: int = 4 * 1024 * 1024
    hot_events: int = 20_000
    keep_bytes: int = 256 * 1024 * 1024
    ttl: float = 24 * 3600.0
    slow: Slow = "resume"
    replay: bool = True


class Writer(Struct, frozen=True):
    """The attempt that writes; an append of one whose lease has passed is refused."""

    job: str
    fence: int


class Published(Struct, frozen=True):
    """Where the last of the published events now is.

    Attributes:
        created: False where the idempotency key was known and nothing was appended.
    """

    offset: int
    epoch: str
    created: bool = True


class Replay(Struct, frozen=True, kw_only=True):
    """A stretch of a channel's log, in order and without gap.

    Attributes:
        events: What follows the asked cursor, at most as many and as large as asked, but at least
            one where there is one. Where `complete` is False they start at the oldest kept, or,
            where the cursor's epoch is known, at the first event it cannot have seen.
        top: The channel's newest offset when this was read.
        epoch: The epoch of the events; another than the cursor's after a restart of the server.
        first: The oldest offset still kept, hot or spilled (1 + dropped).
        complete: Whether `events` follows on from the asked cursor without loss: False where
            events the reader has seen are lost, or what it has not seen has been dropped.
    """

    events: list[Event]
    top: int
    epoch: str
    first: int = 1
    complete: bool = True


OnEvents = Callable[[str, str, list[Event]], None]
"""`on_events(channel, epoch, events)`: one append, in order of arrival."""

OnCut = Callable[[str], None]
"""`on_cut(channel)`: the connection was cut and is back; what came meanwhile was missed."""


class ChannelBackend(Protocol):
    """Channels, as one store keeps them."""

    def settings(self, channel: str) -> ChannelSettings:
        """The bounds in force for a channel."""
        ...

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
        """Append events and tell subscribers, in one call.

        With a `key`, the same key within `window` seconds appends nothing and answers what the
        first call answered: repeating a call whose answer was lost is safe. `forget` names an
        earlier key that will not be asked again, and need not be kept.

        Waits while the log holds twice its bounds and the older part cannot be spilled.
        Cancelling it then appends nothing.

        Raises:
            ChannelError: No channel name, no events, more than 1,000, one above 1 MiB, or
                100,000 keys within their windows already.
            StaleAttemptError: `writer`'s lease has passed.
            BackendUnavailableError: No answer; without a key the events may have been appended.
        """
        ...

    async def replay(
        self,
        channel: str,
        since: Cursor,
        *,
        limit: int = 1000,
        max_bytes: int = 8 * 1024 * 1024,
    ) -> Replay:
        """Events after `since`, oldest first, from segments and log alike.

        `complete` with fewer events than `top - since.offset` means there are more: ask again.
        An unknown channel answers no events, top 0 and the epoch it would have.

        Raises:
            ObjectError: A segment is damaged.
            BackendUnavailableError: Valkey or the object store did not answer.
        """
        ...

    async def top(self, channel: str) -> Cursor:
        """The cursor of the channel's newest event."""
        ...

    async def subscribe(self, channel: str, on_events: OnEvents, on_cut: OnCut) -> None:
        """Call `on_events` for what is published from the moment this returns.

        One subscription per channel and process; the hub above shares it. While the server is
        away this returns at once and `on_cut` follows when it is back.
        """
        ...

    def unsubscribe(self, channel: str) -> None:
        """Stop the calls; one already on its way may still come."""
        ...

    async def sweep(self, *, limit: int = 100) -> int:
        """End up to `limit` channels whose ttl has passed, their segments too; how many ended.

        Safe to run from any number of processes at once. Segments that cannot be deleted now are
        left to a later sweep.

        Raises:
            BackendUnavailableError: Valkey did not answer.
        """
        ...


def checked_events(events: Sequence[bytes]) -> Sequence[bytes]:
    """The events themselves, where one append takes them.

    Raises:
        ChannelError: There are none, too many, or one is too large.
    """
    if not 0 < len(events) <= MAX_EVENTS:
        raise ChannelError(f"expected 1 to {MAX_EVENTS} events in one append, found {len(events)}")
    largest = max(map(len, events))
    if largest > MAX_EVENT_BYTES:
        raise ChannelError(
            f"expected events of at most {MAX_EVENT_BYTES} bytes, found one of {largest}; "
            "put it into an object and publish its key"
        )
    return events
