"""How a run of events is written down: in a publication, and in a segment. Pure.

A run is a line `epoch first length length ...` and then the events' bytes one after the other;
offsets count up from `first`. The server-side library writes publications in the same form.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate

from tidegate.channels.event import Event
from tidegate.errors import ChannelError


def packed_run(epoch: str, first: int, events: Sequence[bytes]) -> bytes:
    """The run's bytes."""
    head = f"{epoch} {first} {' '.join(str(len(data)) for data in events)}\n"
    return b"".join((head.encode(), *events))


def unpacked_run(run: bytes) -> tuple[str, list[Event]]:
    """The epoch and the events of a run.

    Raises:
        ChannelError: These bytes are not a whole run.
    """
    head, _, data = run.partition(b"\n")
    try:
        epoch, first, *lengths = head.split(b" ")
        if len(lengths) == 1 and int(lengths[0]) == len(data):
            return epoch.decode(), [Event(int(first), data)]
        return epoch.decode(), list(_cut(data, int(first), list(map(int, lengths))))
    except ValueError as error:
        raise ChannelError(
            f"expected a run of events, found {head[:40]!r} and {len(data)} bytes: {error}"
        ) from error


def _cut(data: bytes, first: int, lengths: Sequence[int]) -> Iterator[Event]:
    ends = list(accumulate(lengths))
    if not ends or ends[-1] != len(data):
        raise ValueError("lengths and bytes disagree")
    start = 0
    for offset, end in enumerate(ends, first):
        yield Event(offset, data[start:end])
        start = end
