"""Which times of a schedule are fired, and what becomes of those nobody was there for."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.jobs.cron import Cron
from tidegate.jobs.schedule import ON_TIME, Misfire, due

MINUTELY = Cron("* * * * *")
NOON = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)


def fired(last: datetime, now: datetime, misfire: Misfire, limit: int = 10) -> list[str]:
    times = due(MINUTELY, last=last, now=now, misfire=misfire, limit=limit).times
    return [f"{time:%H:%M}" for time in times]


@pytest.mark.parametrize("misfire", ["skip", "once", "all"])
def test_a_time_that_has_just_come_is_fired_whatever_misfire_says(misfire: Misfire) -> None:
    assert fired(NOON - timedelta(seconds=30), NOON, misfire) == ["12:00"]


def test_nothing_is_fired_twice() -> None:
    assert fired(NOON, NOON + timedelta(seconds=5), "all") == []


def test_missed_times_are_left_out_with_skip() -> None:
    assert fired(NOON - timedelta(hours=1), NOON, "skip") == ["12:00"]


def test_missed_times_become_one_job_with_once() -> None:
    assert fired(NOON - timedelta(hours=1), NOON + timedelta(seconds=30), "once") == ["12:00"]


def test_missed_times_become_a_job_each_with_all_up_to_the_limit() -> None:
    late = NOON + timedelta(seconds=30)
    assert fired(NOON - timedelta(minutes=2), late, "all") == ["11:59", "12:00"]
    assert fired(NOON - timedelta(hours=1), late, "all", 3) == ["11:58", "11:59", "12:00"]


def test_looking_after_a_year_costs_no_more_than_the_limit_asks_for() -> None:
    every_second = Cron("* * * * * *")
    found = due(every_second, last=NOON - timedelta(days=365), now=NOON, misfire="all", limit=5)
    assert len(found.times) == 5 + ON_TIME.seconds


@given(
    away=st.integers(0, 5000),
    misfire=st.sampled_from(["skip", "once", "all"]),
    limit=st.integers(1, 8),
)
def test_what_is_fired_is_new_in_order_and_never_more_than_the_limit(
    away: int, misfire: Misfire, limit: int
) -> None:
    last = NOON - timedelta(seconds=away)
    times = due(MINUTELY, last=last, now=NOON, misfire=misfire, limit=limit).times
    assert times == sorted(set(times))
    assert all(last < time <= NOON for time in times)
    missed = [time for time in times if time <= NOON - ON_TIME]
    assert len(missed) <= {"skip": 0, "once": 1, "all": limit}[misfire]


@given(steps=st.lists(st.integers(1, 200), min_size=1, max_size=20))
def test_however_often_one_looks_every_time_is_fired_once_with_all(steps: list[int]) -> None:
    last, everything = NOON, []
    for step in steps:
        now = last + timedelta(seconds=step)
        everything += due(MINUTELY, last=last, now=now, misfire="all", limit=1000).times
        last = now
    minutes = int((last - NOON).total_seconds()) // 60
    assert everything == [NOON + timedelta(minutes=n) for n in range(1, minutes + 1)]
