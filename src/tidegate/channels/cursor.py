"""Where a reader stands in a channel. Pure."""

from msgspec import Struct


class Cursor(Struct, frozen=True):
    """The last event a reader has seen.

    Attributes:
        offset: 0 before the first.
        epoch: The generation the offset counts in; empty before anything is known.
    """

    offset: int = 0
    epoch: str = ""
