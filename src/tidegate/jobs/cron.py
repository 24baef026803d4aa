"""When a schedule is due: cron expressions in a time zone, daylight saving included. Pure.

Two rules hold where clocks are changed:

* An expression whose hour field begins with `*` counts elapsed time. `*/15 * * * *` is due every
  fifteen minutes, through the repeated hour too; nothing is due in a skipped hour, which takes no
  time.
* Any other names times of day. A time that is skipped is due once, at the moment of the change,
  however many were skipped; a time that is repeated is due once, the first time.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from tidegate.errors import DeclarationError

_ANY_TIME: Final = datetime(2000, 1, 1)  # noqa: DTZ001 - where a reading is tried, none matters
_FIELDS: Final = ("minute", "hour", "day-of-month", "month", "day-of-week")


class Cron:
    """A cron expression in a time zone.

    Args:
        expression: `minute hour day-of-month month day-of-week`, or six fields with seconds first.
        timezone: IANA name, such as `Europe/Lisbon`.

    Raises:
        DeclarationError: A field or the time zone cannot be read, or no such day ever comes.
    """

    def __init__(self, expression: str, timezone: str = "UTC") -> None:
        self.expression = expression
        self.zone = _zone(timezone)
        _check(expression)
        *_, hour, _, _, _ = expression.split()
        self._counts_elapsed = hour.startswith("*")
        if next(self._times(datetime(2000, 1, 1, tzinfo=self.zone)), None) is None:
            raise DeclarationError(f"cron {expression!r}: expected a day that comes, found none")

    def __repr__(self) -> str:
        return f"Cron({self.expression!r}, {self.zone.key!r})"

    def next_after(self, moment: datetime) -> datetime:
        """The first time it is due strictly after `moment`, in UTC.

        Raises:
            DeclarationError: There is none within fifty years.
        """
        local = moment.astimezone(self.zone)
        # In a repeated hour the wall shows a time again: begin at its first showing.
        for due in self._times(local.replace(fold=0)):
            if due > moment:
                return due
        raise DeclarationError(f"cron {self.expression!r} is never due after {moment:%Y-%m-%d}")

    def _times(self, start: datetime) -> Iterator[datetime]:
        if self._counts_elapsed:
            for due in CronSim(self.expression, start):
                yield due.astimezone(UTC)
            return
        for wall in CronSim(self.expression, start.replace(tzinfo=None)):
            yield self._instant(wall)

    def _instant(self, wall: datetime) -> datetime:
        """The instant at which clocks show `wall`: the first one, or that of the change."""
        local = wall.replace(tzinfo=self.zone)
        instant = local.astimezone(UTC)
        if instant.astimezone(self.zone).replace(tzinfo=None) == wall:
            return instant
        return self._change(instant - timedelta(days=1), instant)

    def _change(self, before: datetime, after: datetime) -> datetime:
        """The moment between two, a day apart at most, at which the zone's offset changes."""
        offset = before.astimezone(self.zone).utcoffset()
        while after - before > timedelta(seconds=1):
            middle = before + (after - before) / 2
            if middle.astimezone(self.zone).utcoffset() == offset:
                before = middle
            else:
                after = middle
        return after.replace(microsecond=0)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise DeclarationError(
            f"expected an IANA time zone like 'Europe/Lisbon', found {name!r}"
        ) from error


def _check(expression: str) -> None:
    fields = expression.split()
    names = _FIELDS if len(fields) == len(_FIELDS) else ("second", *_FIELDS)
    if len(fields) != len(names):
        raise DeclarationError(
            f"cron {expression!r}: expected five fields ({' '.join(_FIELDS)}), or six with "
            f"seconds first, found {len(fields)}"
        )
    for name, text in zip(names, fields, strict=True):
        _check_field(expression, name, text)
    try:
        CronSim(expression, _ANY_TIME)
    except CronSimError as error:
        raise DeclarationError(
            f"cron {expression!r}: expected a day that its months have, found none"
        ) from error


def _check_field(expression: str, name: str, text: str) -> None:
    """Try one field with all others `*`, so that the refusal names the right one."""
    alone = [text if each == name else "*" for each in ("second", *_FIELDS)]
    try:
        CronSim(" ".join(alone), _ANY_TIME)
    except CronSimError as error:
        raise DeclarationError(
            f"cron {expression!r}: cannot read {name} {text!r}; "
            "expected numbers, ranges (1-5), lists (1,3), steps (*/15) or *"
        ) from error
