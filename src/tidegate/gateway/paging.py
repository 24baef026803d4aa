"""The command `history`: a page of a channel's log, forward or backward."""

from typing import TYPE_CHECKING, Final

import msgspec

from tidegate.channels.backend import ChannelBackend, Replay
from tidegate.channels.cursor import START, Cursor
from tidegate.channels.event import checked_name
from tidegate.gateway.protocol import (
    UNRECOVERABLE,
    HistoryRequest,
    HistoryResult,
    Reply,
    publication,
)
from tidegate.gateway.refusals import RefusedError
from tidegate.gateway.rights import require

if TYPE_CHECKING:
    from tidegate.gateway.session import Session

MAX_PAGE: Final = 1000
"""Events in one page, which has at most about 1 MiB too."""

_PAGE_BYTES: Final = 1024 * 1024


async def history(session: "Session", request: HistoryRequest) -> Reply:
    """A page of the channel's log; less than asked for where the page would be too large."""
    channel = checked_name(request.channel)
    require(session, "history", channel)
    channels = session.gateway.channels
    limit = MAX_PAGE if request.limit < 0 else min(request.limit, MAX_PAGE)
    if not limit:
        top = await channels.top(channel)
        return Reply(history=HistoryResult([], top.epoch, top.offset))
    read = _page_before if request.reverse else _page_after
    page = await read(channels, request, limit)
    publications = [publication(event) for event in page.events]
    return Reply(history=HistoryResult(publications, page.epoch, page.top))


async def _page_after(channels: ChannelBackend, request: HistoryRequest, limit: int) -> Replay:
    since = START
    if request.since is not None:
        since = Cursor(request.since.offset, request.since.epoch)
    page = await channels.replay(request.channel, since, limit=limit, max_bytes=_PAGE_BYTES)
    # Who asks from the beginning takes what is kept; who asks from a place is told of a loss.
    if not page.complete and since != START:
        raise RefusedError(UNRECOVERABLE)
    return page


async def _page_before(channels: ChannelBackend, request: HistoryRequest, limit: int) -> Replay:
    top = await channels.top(request.channel)
    last = top.offset if request.since is None else min(request.since.offset - 1, top.offset)
    first = Cursor(max(last - limit, 0), top.epoch)
    page = await channels.replay(request.channel, first, limit=limit, max_bytes=_PAGE_BYTES)
    events = [event for event in page.events if event.offset <= last]
    return msgspec.structs.replace(page, events=events[::-1])
