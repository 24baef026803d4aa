"""What a client has not taken yet, and what happens when that is too much. Pure.

The bytes themselves wait in the socket's write buffer. It is full at 1 MiB and takes more again
once it is down to 256 KiB; in between, every channel of the client is held back:

* `resume`: the client's place in the log is kept, and it reads on from there at its own pace;
* `conflate`: it is given only the newest event;
* `cut`: the next event ends its connection.

A frozen client therefore costs 1 MiB and one cursor a channel, and the others nothing. Its missing
pongs end it.
"""

from enum import Enum
from typing import Final

from tidegate.channels.backend import Slow
from tidegate.channels.cursor import Cursor

FULL_BYTES: Final = 1024 * 1024
DRAINED_BYTES: Final = 256 * 1024
CATCH_UP_BYTES: Final = 512 * 1024
"""What a client that lags is given of the log at a time."""


class Next(Enum):
    """What a client that had been held back is given when it has taken what it was sent."""

    LIVE = "live"  # it missed nothing
    NEWEST = "newest"
    LOG = "log"


def after_drain(slow: Slow, stood: Cursor, now: Cursor) -> Next:
    """What comes next for a client that was held back at `stood`, on a channel that is at `now`."""
    if stood == now:
        return Next.LIVE
    return Next.NEWEST if slow == "conflate" else Next.LOG


def is_cut(slow: Slow) -> bool:
    """Whether an event for a client that is held back ends its connection."""
    return slow == "cut"
