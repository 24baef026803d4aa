"""Where a reader stands, in one channel or in several, and the text form of it. Pure.

The text is what SSE carries as `Last-Event-ID`. Channels of one epoch share its name, so that it
stays short: `chat:7=412,job:01J9=3@1-3fa2b1c0;notes=8@1-3fa2b1c0.2`.
"""

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from tidegate.channels.event import checked_name
from tidegate.errors import ChannelError

_EPOCH: Final = re.compile(r"[A-Za-z0-9_.-]{0,64}")
_OFFSET: Final = re.compile(r"[0-9]{1,15}")
_LONGEST: Final = 64 * 1024


class Cursor(Struct, frozen=True):
    """The last event a reader has seen.

    Attributes:
        offset: 0 before the first.
        epoch: The generation the offset counts in; empty before anything is known.
    """

    offset: int = 0
    epoch: str = ""


START: Final = Cursor()


def cursor_text(cursors: Mapping[str, Cursor]) -> str:
    """The text form of several channels' cursors; empty for none.

    Equal cursors give equal text, whatever order they came in.
    """
    groups: dict[str, list[str]] = {}
    for channel in sorted(cursors):
        cursor = cursors[channel]
        groups.setdefault(cursor.epoch, []).append(f"{channel}={cursor.offset}")
    return ";".join(f"{','.join(groups[epoch])}@{epoch}" for epoch in sorted(groups))


def parsed_cursors(text: str) -> dict[str, Cursor]:
    """The cursors a text names; none for an empty text.

    Spaces around parts and empty parts are passed over, and a missing `@epoch` is the empty one,
    so that a person may type `notes=0`. Of a channel named twice the last counts.

    Raises:
        ChannelError: The text is of another shape, or longer than 64 KiB.
    """
    if len(text) > _LONGEST:
        raise ChannelError(f"expected a cursor of at most {_LONGEST} characters, found {len(text)}")
    cursors: dict[str, Cursor] = {}
    for group in filter(None, map(str.strip, text.split(";"))):
        places, _, epoch = group.partition("@")
        if not _EPOCH.fullmatch(epoch := epoch.strip()):
            raise _malformed(f"epoch {epoch[:80]!r}")
        for place in filter(None, map(str.strip, places.split(","))):
            name, offset = _parsed_place(place)
            cursors[name] = Cursor(offset, epoch)
    return cursors


def _parsed_place(place: str) -> tuple[str, int]:
    name, _, offset = map(str.strip, place.partition("="))
    if not _OFFSET.fullmatch(offset):
        raise _malformed(f"{place[:80]!r}")
    return checked_name(name), int(offset)


def _malformed(found: str) -> ChannelError:
    return ChannelError(
        f"expected a cursor like 'channel=12,other=3@epoch', found {found}; "
        "send back what the stream gave, or nothing to start anew"
    )
