"""What a reader of channels is handed: events with their place, and notices of loss. Pure."""

from msgspec import Struct

from tidegate.channels.cursor import Cursor


class Message(Struct, frozen=True):
    """One event, and where it stands.

    Attributes:
        data: The event as JSON bytes, as it was published.
    """

    channel: str
    offset: int
    epoch: str
    data: bytes

    @property
    def cursor(self) -> Cursor:
        """Where a reader of this message stands."""
        return Cursor(self.offset, self.epoch)


class Gap(Struct, frozen=True):
    """This reader cannot be told what stood between two places; it goes on behind the second.

    Attributes:
        since: The last event the reader has had.
        until: The event before the next one it gets. Of the same epoch and a higher offset, events
            in between were dropped; of another epoch, the server lost what it had written and
            began anew, so events already read may not be in the log either.
    """

    channel: str
    since: Cursor
    until: Cursor
