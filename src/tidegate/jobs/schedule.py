"""Which times of a schedule are to be fired now, and how late ones are treated. Pure."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Final, Literal

from msgspec import Struct

from tidegate.jobs.cron import Cron

Misfire = Literal["skip", "once", "all"]

ON_TIME: Final = timedelta(seconds=10)
_FIRST_WINDOW: Final = timedelta(minutes=1)


class Due(Struct, frozen=True):
    """What to fire.

    Attributes:
        times: In ascending order; each is one job.
        has_missed: Whether times passed while no scheduler ran.
    """

    times: list[datetime]
    has_missed: bool = False


def due(cron: Cron, *, last: datetime, now: datetime, misfire: Misfire, limit: int) -> Due:
    """The times in (`last`, `now`] that are to be fired.

    A time less than ten seconds ago is on time and always fired. An earlier one was missed, and
    `misfire` decides: none of them, the latest for all of them, or the latest `limit` of them.
    The cost does not depend on how long nobody looked.
    """
    horizon = max(last, now - ON_TIME)
    on_time = list(_between(cron, horizon, now))
    has_missed = last < horizon and cron.next_after(last) <= horizon
    if not has_missed or misfire == "skip":
        return Due(on_time, has_missed)
    missed = _latest(cron, last, horizon, 1 if misfire == "once" else limit)
    return Due([*missed, *on_time], has_missed)


def _latest(cron: Cron, last: datetime, until: datetime, count: int) -> list[datetime]:
    """The latest `count` times in (`last`, `until`], found by looking back further and further."""
    window = _FIRST_WINDOW
    while True:
        since = max(last, until - window)
        found = list(_between(cron, since, until))
        if len(found) >= count or since == last:
            return found[-count:]
        window *= 2


def _between(cron: Cron, since: datetime, until: datetime) -> Iterator[datetime]:
    return takewhile(lambda time: time <= until, _after(cron, since))


def _after(cron: Cron, since: datetime) -> Iterator[datetime]:
    while True:
        since = cron.next_after(since)
        yield since
