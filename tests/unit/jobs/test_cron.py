"""Cron expressions, and what they mean where clocks are changed."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.errors import DeclarationError
from tidegate.jobs.cron import Cron

NEW_YORK = ZoneInfo("America/New_York")


def due(cron: Cron, after: datetime, count: int) -> list[str]:
    """The next times, as a wall clock in the cron's zone shows them."""
    shown = []
    for _ in range(count):
        after = cron.next_after(after)
        shown.append(after.astimezone(cron.zone).strftime("%m-%d %H:%M%z"))
    return shown


def test_five_fields_are_minute_hour_day_month_weekday() -> None:
    weekdays = Cron("30 9 * * MON-FRI")
    friday = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
    assert due(weekdays, friday, 2) == ["11-23 09:30+0000", "11-24 09:30+0000"]


def test_six_fields_begin_with_seconds() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert Cron("*/20 * * * * *").next_after(start) == start + timedelta(seconds=20)


def test_times_are_those_of_the_zone() -> None:
    noon = Cron("0 12 * * *", "America/New_York")
    assert noon.next_after(datetime(2026, 7, 1, tzinfo=UTC)) == datetime(
        2026, 7, 1, 16, 0, tzinfo=UTC
    )


def test_a_skipped_time_is_due_at_the_moment_of_the_change() -> None:
    # On 29 March 2026 clocks in Lisbon go from 01:00 to 02:00.
    at_half_past_one = Cron("30 1 * * *", "Europe/Lisbon")
    before = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
    assert due(at_half_past_one, before, 2) == ["03-29 02:00+0100", "03-30 01:30+0100"]


def test_several_skipped_times_are_due_once() -> None:
    quarters = Cron("*/15 1 * * *", "Europe/Lisbon")
    before = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
    assert due(quarters, before, 2) == ["03-29 02:00+0100", "03-30 01:00+0100"]


def test_a_skipped_midnight_is_due_at_the_moment_of_the_change() -> None:
    # In Havana clocks go from 00:00 to 01:00, on 8 March 2026.
    midnight = Cron("0 0 * * *", "America/Havana")
    before = datetime(2026, 3, 7, 12, 0, tzinfo=UTC)
    assert due(midnight, before, 2) == ["03-08 01:00-0400", "03-09 00:00-0400"]


def test_a_repeated_time_is_due_the_first_time_only() -> None:
    # On 25 October 2026 clocks in Lisbon go from 02:00 to 01:00.
    at_half_past_one = Cron("30 1 * * *", "Europe/Lisbon")
    before = datetime(2026, 10, 24, 12, 0, tzinfo=UTC)
    assert due(at_half_past_one, before, 2) == ["10-25 01:30+0100", "10-26 01:30+0000"]


def test_inside_the_repeated_hour_the_next_is_the_day_after() -> None:
    at_half_past_one = Cron("30 1 * * *", "Europe/Lisbon")
    second_ten_past = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)
    assert due(at_half_past_one, second_ten_past, 1) == ["10-26 01:30+0000"]


def test_an_interval_goes_on_through_the_repeated_hour() -> None:
    quarters = Cron("*/30 * * * *", "Europe/Lisbon")
    start = datetime(2026, 10, 25, 0, 15, tzinfo=UTC)
    assert due(quarters, start, 4) == [
        "10-25 01:30+0100",
        "10-25 01:00+0000",
        "10-25 01:30+0000",
        "10-25 02:00+0000",
    ]


def test_an_interval_goes_on_over_the_skipped_hour() -> None:
    halves = Cron("*/30 * * * *", "Europe/Lisbon")
    start = datetime(2026, 3, 29, 0, 15, tzinfo=UTC)
    assert due(halves, start, 3) == ["03-29 00:30+0000", "03-29 02:00+0100", "03-29 02:30+0100"]


@given(
    after=st.integers(946684800, 2051222400).map(lambda s: datetime.fromtimestamp(s, UTC)),
    expression=st.sampled_from(
        ["30 1 * * *", "0 0 * * *", "*/15 * * * *", "*/20 2 * * *", "0 3 * * SUN", "5 */2 1 * *"]
    ),
    zone=st.sampled_from(
        ["UTC", "Europe/Lisbon", "America/New_York", "America/Havana", "Australia/Lord_Howe"]
    ),
)
def test_the_next_time_is_later_and_nothing_lies_between(
    after: datetime, expression: str, zone: str
) -> None:
    cron = Cron(expression, zone)
    next_time = cron.next_after(after)
    assert next_time > after
    assert cron.next_after(next_time - timedelta(microseconds=1)) == next_time
    halfway = after + (next_time - after) / 2
    assert cron.next_after(halfway) == next_time


@given(day=st.dates(date(2020, 1, 1), date(2035, 1, 1)))
def test_a_time_of_day_comes_once_every_day_whatever_the_clocks_do(day: date) -> None:
    cron = Cron("30 2 * * *", "America/New_York")
    start = datetime(day.year, day.month, day.day, tzinfo=NEW_YORK)
    end = start + timedelta(days=1)
    found = []
    after = start - timedelta(seconds=1)
    while (after := cron.next_after(after)) < end:
        found.append(after)
    assert len(found) == 1


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("61 * * * *", "minute '61'"),
        ("* 24 * * *", "hour '24'"),
        ("* * 0 * *", "day-of-month '0'"),
        ("* * * 13 *", "month '13'"),
        ("* * * * FRY", "day-of-week 'FRY'"),
        ("60 * * * * *", "second '60'"),
        ("* * *", "found 3"),
        ("", "found 0"),
        ("0 0 31 2 *", "a day that its months have"),
    ],
)
def test_a_refusal_names_the_field_that_cannot_be_read(expression: str, named: str) -> None:
    with pytest.raises(DeclarationError, match=named):
        Cron(expression)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "UTC\0"])
def test_an_unknown_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(DeclarationError, match="IANA time zone"):
        Cron("* * * * *", zone)
