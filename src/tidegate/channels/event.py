"""An event of a channel, and the names channels may have. Pure."""

import re
from typing import Final

from msgspec import Struct

from tidegate.errors import ChannelError

_NAME: Final = re.compile(r"[A-Za-z0-9_-]+(:[A-Za-z0-9_-]+)*")
_LONGEST_NAME: Final = 255


class Event(Struct, frozen=True):
    """One entry of a channel's log.

    Attributes:
        offset: 1 for the first event of an epoch, then one more each.
        data: The event itself, as JSON bytes, never decoded on its way.
    """

    offset: int
    data: bytes


def checked_name(name: str) -> str:
    """The name itself, where it is one: `[A-Za-z0-9_-]+` segments split by `:`.

    Raises:
        ChannelError: It is not.
    """
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
        raise ChannelError(
            "expected a channel name of [A-Za-z0-9_-]+ segments split by ':', at most "
            f"{_LONGEST_NAME} characters, found {name[:80]!r}"
        )
    return name


def job_channel(job: str) -> str:
    """The channel of a job that shares none."""
    return f"job:{job}"
