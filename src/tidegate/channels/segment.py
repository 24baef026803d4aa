"""Segments: the older part of a channel's log, as objects. Pure.

A segment is the line `tidegate-segment 1 CRC` (version, CRC-32 of the rest in hexadecimal) and then
a run of events as `framing.py` has it. It lies at `channels/{app}/{channel}/{epoch}/{first}-{last}`
and never changes; the channel's index in Valkey names it as `{epoch}/{first}-{last}/{bytes}`, the
bytes being those of its events.
"""

from collections.abc import Sequence
from typing import Final, Self
from zlib import crc32

from msgspec import Struct

from tidegate.channels.event import Event
from tidegate.channels.framing import packed_run, unpacked_run
from tidegate.errors import ChannelError, ObjectError

_MAGIC: Final = "tidegate-segment"
_VERSION: Final = "1"


class Segment(Struct, frozen=True):
    """Which part of a log a segment holds.

    Attributes:
        payload_bytes: Bytes of its events, without framing.
    """

    epoch: str
    first: int
    last: int
    payload_bytes: int

    @classmethod
    def named(cls, entry: str) -> Self:
        """The segment that an entry of a channel's index names."""
        epoch, offsets, payload_bytes = entry.split("/")
        first, last = offsets.split("-")
        return cls(epoch, int(first), int(last), int(payload_bytes))

    def key(self, app: str, channel: str) -> str:
        """Where its object lies."""
        return f"{channel_folder(app, channel)}/{self.epoch}/{self.first}-{self.last}"


def channel_folder(app: str, channel: str) -> str:
    """What the keys of all segments of a channel begin with."""
    return f"channels/{app}/{channel}"


def packed_segment(epoch: str, first: int, events: Sequence[bytes]) -> bytes:
    """The object's bytes; equal for equal events, so that several writers may store the same."""
    run = packed_run(epoch, first, events)
    return f"{_MAGIC} {_VERSION} {crc32(run):08x}\n".encode() + run


def unpacked_segment(data: bytes) -> list[Event]:
    """The events of a segment.

    Raises:
        ObjectError: It is damaged, or of a version this release does not know.
    """
    line, _, run = data.partition(b"\n")
    magic, _, rest = line.decode("ascii", "replace").partition(" ")
    version, _, checksum = rest.partition(" ")
    if magic != _MAGIC or version != _VERSION:
        raise ObjectError(
            f"expected a segment of version {_VERSION}, found {line[:40]!r}; "
            "read it with the release that wrote it"
        )
    if checksum != f"{crc32(run):08x}":
        raise ObjectError(f"expected a segment with checksum {checksum}, found {crc32(run):08x}")
    try:
        return unpacked_run(run)[1]
    except ChannelError as error:
        raise ObjectError(f"a segment is damaged: {error}") from error
