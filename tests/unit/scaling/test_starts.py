"""Starts that fail are tried again ever later, one at a time, and people are told."""

from hypothesis import given
from hypothesis import strategies as st

from tidegate.scaling.starts import LONGEST_PAUSE, OPENS_AFTER, Starts


def failing(times: int) -> tuple[Starts, float]:
    starts, now = Starts(), 0.0
    for _ in range(times):
        now = max(now, starts.retry_at)
        starts = starts.failed(now, "exited with status 1")
    return starts, now


def test_without_a_failure_all_that_is_wanted_is_started() -> None:
    assert Starts().allowed(7, at=0.0) == 7
    assert not Starts().in_words(0.0)


def test_after_a_failure_nothing_starts_until_the_pause_is_over_and_then_one() -> None:
    starts, now = failing(1)
    assert starts.allowed(7, at=now) == 0
    assert starts.allowed(7, at=starts.retry_at) == 1


def test_tasks_started_together_that_all_fail_count_as_one_failure() -> None:
    starts, now = failing(1)
    assert starts.failed(now, "exited with status 1").failures == 1


def test_the_reason_and_the_next_try_are_told() -> None:
    starts, now = failing(2)
    assert starts.in_words(now) == "a task failed to start (exited with status 1); next try in 2 s"


def test_the_breaker_opens_after_five_failures_and_says_so() -> None:
    starts, now = failing(OPENS_AFTER)
    assert starts.retry_at - now == LONGEST_PAUSE
    assert starts.in_words(now).startswith("tasks failed to start 5 times in a row")


@given(st.integers(1, 60))
def test_pauses_never_shrink_and_never_pass_the_longest(times: int) -> None:
    earlier, earlier_at = failing(times)
    later, later_at = failing(times + 1)
    assert earlier.retry_at - earlier_at <= later.retry_at - later_at <= LONGEST_PAUSE
