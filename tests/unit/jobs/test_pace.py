"""How many jobs a worker asks for."""

from hypothesis import given
from hypothesis import strategies as st

from tidegate.jobs.pace import LARGEST_BATCH, LARGEST_BUFFER, Pace, room


def steady(jobs_per_second: float, exchanges: int = 50) -> Pace:
    pace, now = Pace(), 0.0
    for _ in range(exchanges):
        now += 10 / jobs_per_second
        pace.finished(10, now)
    return pace


def test_a_worker_that_has_finished_nothing_asks_for_its_slots_only() -> None:
    assert Pace().buffer == 0
    assert room(slots=10, buffer=0, held=4) == 6


def test_jobs_that_take_long_are_never_hoarded() -> None:
    assert steady(jobs_per_second=100).buffer == 0


def test_short_jobs_are_asked_for_ahead() -> None:
    assert 100 < steady(jobs_per_second=30_000).buffer <= LARGEST_BUFFER


def test_after_a_rest_it_begins_anew() -> None:
    pace = steady(jobs_per_second=30_000)
    pace.rested()
    assert pace.buffer == 0


@given(
    counts=st.lists(st.tuples(st.integers(0, 1000), st.floats(1e-6, 10)), max_size=50),
    slots=st.integers(1, 100),
    held=st.integers(0, 1000),
)
def test_what_it_asks_for_is_bounded_whatever_happened(
    counts: list[tuple[int, float]], slots: int, held: int
) -> None:
    pace, now = Pace(), 0.0
    for count, seconds in counts:
        now += seconds
        pace.finished(count, now)
    assert 0 <= pace.buffer <= LARGEST_BUFFER
    assert 1 <= pace.batch <= LARGEST_BATCH
    assert 0 <= room(slots, pace.buffer, held) <= slots + LARGEST_BUFFER
