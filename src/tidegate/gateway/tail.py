"""The last few events of a channel, kept so that a short absence costs no read of the log. Pure."""

from collections import deque
from typing import Final

from tidegate.channels.cursor import Cursor
from tidegate.channels.event import Event

_MOST_BYTES: Final = 256 * 1024
_MOST_EVENTS: Final = 1000


class Tail:
    """A run of consecutive events of one epoch that ends at the channel's newest.

    Holds at most 256 KiB and 1,000 events (but always the newest); the oldest are dropped, and
    who stands before them reads the log.
    """

    __slots__ = ("_bytes", "_events", "epoch")

    def __init__(self) -> None:
        self.epoch = ""
        self._events: deque[Event] = deque()
        self._bytes = 0

    def extend(self, epoch: str, events: list[Event]) -> None:
        """Add events that follow on; those of another epoch replace what is held."""
        if epoch != self.epoch:
            self.clear()
            self.epoch = epoch
        self._events.extend(events)
        self._bytes += sum(len(event.data) for event in events)
        while len(self._events) > 1 and self._is_over():
            self._bytes -= len(self._events.popleft().data)

    def clear(self) -> None:
        """Forget all of it."""
        self._events.clear()
        self._bytes = 0

    def after(self, cursor: Cursor) -> list[Event] | None:
        """What follows `cursor`; None where it stands before what is held, or elsewhere."""
        events = self._events
        if not events or cursor.epoch != self.epoch:
            return None
        held = cursor.offset - events[0].offset + 1
        if not 0 <= held <= len(events):
            return None
        return [events[index] for index in range(held, len(events))]

    @property
    def newest(self) -> Event | None:
        """The last event; None where none is held."""
        return self._events[-1] if self._events else None

    def _is_over(self) -> bool:
        return self._bytes > _MOST_BYTES or len(self._events) > _MOST_EVENTS
