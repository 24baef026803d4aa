"""Channels over HTTP: read the log, append to it."""

from msgspec import Raw, Struct

from tidegate.api.call import Call
from tidegate.channels.cursor import Cursor


class EventBody(Struct):
    """One event of a channel."""

    offset: int
    data: Raw


class EventsBody(Struct):
    """A stretch of a channel's log.

    Attributes:
        offset: Where the reader stands after these events; ask again from there.
        top: The channel's newest offset.
        first: The oldest offset still kept.
        complete: Whether nothing is missing between where it was asked from and these events.
    """

    channel: str
    events: list[EventBody]
    offset: int
    epoch: str
    top: int
    first: int
    complete: bool


class EventsQuery(Struct, forbid_unknown_fields=True):
    """Where to read from: after `offset` in `epoch`; from the beginning by default."""

    offset: int = 0
    epoch: str = ""
    limit: int = 1000


class NewEventBody(Struct, forbid_unknown_fields=True):
    """An event to append; the same `key` within `window` seconds appends once."""

    data: Raw
    key: str | None = None
    window: float = 300.0


class PlaceBody(Struct):
    """Where an event is. `created` is false where its key was known and nothing was appended."""

    offset: int
    epoch: str
    created: bool


async def replay(call: Call) -> EventsBody:
    """A stretch of a channel's log, oldest first."""
    query: EventsQuery = call.query
    channel = call.path["channel"]
    page = await call.client.replay(
        channel, Cursor(query.offset, query.epoch), limit=max(1, min(query.limit, 10_000))
    )
    events = [EventBody(event.offset, Raw(event.data)) for event in page.events]
    return EventsBody(
        channel=channel,
        events=events,
        offset=events[-1].offset if events else min(query.offset, page.top),
        epoch=page.epoch,
        top=page.top,
        first=page.first,
        complete=page.complete,
    )


async def append(call: Call) -> PlaceBody:
    """Append an event to a channel."""
    body: NewEventBody = call.body
    published = await call.client.publish(
        call.path["channel"], body.data, key=body.key, window=body.window
    )
    return PlaceBody(published.offset, published.epoch, published.created)
