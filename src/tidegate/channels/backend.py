"""What every channel backend promises; `tidegate.testing.channel` holds the suite checking it."""

from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from tidegate.channels.cursor import Cursor
from tidegate.channels.event import Event


class ChannelSettings(Struct, frozen=True, kw_only=True):
    """Bounds of the channels a pattern names.

    Attributes:
        pattern: Channel names it is for; `*` stands for one segment. The most exact one wins.
        hot_bytes: Bytes kept in the log before the older part spills to objects.
        hot_events: Events kept in the log likewise.
        keep_bytes: Bytes kept in all, spilled included; older ones are dropped, and readers told.
        ttl: Seconds after the last event at which the channel ends; its segments go with it.
        slow: What becomes of a client that does not keep up: `resume` cuts it and lets it come
            back where it stood, `conflate` keeps only the newest event for it, `cut` disconnects.
        replay: Whether new subscribers may start before the present.
    """

    pattern: str
    hot_bytes: int = 4 * 1024 * 1024
    hot_events: int = 20_000
    keep_bytes: int = 256 * 1024 * 1024
    ttl: float = 24 * 3600.0
    slow: str = "resume"
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
        events: From the asked offset on, at most as many and as large as asked.
        top: The channel's newest offset when this was read.
        epoch: The channel's epoch.
        first: The oldest offset still kept, hot or spilled (1 + dropped).
        complete: Whether `events` follows on from the asked cursor without loss: False where the
            epoch differs, or what is missing has been dropped.
    """

    events: list[Event]
    top: int
    epoch: str
    first: int = 1
    complete: bool = True


class ChannelBackend(Protocol):
    """Channels, as one store keeps them."""

    async def append(
        self,
        channel: str,
        events: Sequence[bytes],
        *,
        writer: Writer | None = None,
        key: str | None = None,
        window: float = 300.0,
    ) -> Published:
        """Append events and tell subscribers, in one call.

        With a `key`, the same key within `window` seconds appends nothing and answers what the
        first call answered: repeating a call whose answer was lost is safe.

        Raises:
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
        """
        ...

    async def top(self, channel: str) -> Cursor:
        """The cursor of the channel's newest event."""
        ...

    async def subscribe(
        self,
        channel: str,
        on_events: Callable[[str, str, list[Event]], None],
    ) -> None:
        """Call `on_events(channel, epoch, events)` for what is published from now on.

        One subscription per channel and process; the hub above shares it.
        """
        ...

    def unsubscribe(self, channel: str) -> None:
        """Stop the calls; one already on its way may still come."""
        ...
