"""The channels of an app as its code sees them; read first.

`publish` appends an event, `writer` a stream of them, `subscribe` reads. What a channel is bounded
by is in `ChannelSettings`, what it promises in `backend.py`.
"""

from collections.abc import Iterable, Mapping
from typing import Self

from tidegate.channels.backend import ChannelBackend, Published, Writer
from tidegate.channels.cursor import Cursor, parsed_cursors
from tidegate.channels.hub import Hub
from tidegate.channels.subscription import BUFFER_BYTES, Subscription
from tidegate.channels.writer import ChannelWriter
from tidegate.serde import encoded


class Channels:
    """All channels of one app, from one process. Used as an async context manager."""

    def __init__(self, backend: ChannelBackend) -> None:
        self.backend = backend
        self.hub = Hub(backend)

    async def __aenter__(self) -> Self:
        await self.hub.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.hub.__aexit__()

    async def publish(
        self, channel: str, data: object, *, key: str | None = None, window: float = 300.0
    ) -> Published:
        """Append `data` as one event, and say where it is; returns once it is stored.

        With a `key`, repeating the call within `window` seconds appends nothing more.

        Raises:
            ChannelError: No channel name, or more than 1 MiB of JSON.
            PayloadError: JSON has no form for `data`.
            BackendUnavailableError: No answer; without a key it may have been appended.
        """
        return await self.backend.append(channel, [encoded(data)], key=key, window=window)

    def writer(self, channel: str, *, writer: Writer | None = None) -> ChannelWriter:
        """A writer of many events to one channel; close it, or use it as a context manager."""
        return ChannelWriter(self.backend, channel, writer=writer)

    def subscribe(
        self,
        channels: Iterable[str],
        cursor: str | Cursor | Mapping[str, Cursor] | None = None,
        *,
        buffer: int = BUFFER_BYTES,
    ) -> Subscription:
        """The messages of `channels` behind `cursor`, then those to come.

        Args:
            channels: Names, each once.
            cursor: What `Subscription.cursor` gave, or a cursor per channel, or `Cursor()` for
                the beginning of each. A channel it does not name starts at the present.
            buffer: Bytes that may wait for the reader.

        Raises:
            ChannelError: A name or a cursor is malformed.
        """
        return Subscription(self.hub, _places(channels, cursor), buffer=buffer)


def _places(
    channels: Iterable[str], cursor: str | Cursor | Mapping[str, Cursor] | None
) -> dict[str, Cursor | None]:
    if isinstance(cursor, Cursor):
        return dict.fromkeys(channels, cursor)
    known = parsed_cursors(cursor) if isinstance(cursor, str) else (cursor or {})
    return {channel: known.get(channel) for channel in channels}
