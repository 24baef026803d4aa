"""How long until the next attempt, and when there is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate import Fatal, Retry
from tidegate.errors import DeclarationError

chances = st.floats(0, 1, exclude_max=True)
attempts = st.integers(1, 10_000)


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 1.0), (2, 2.0), (3, 4.0), (10, 512.0), (11, 900.0), (999, 900.0)]
)
def test_waits_double_up_to_the_cap(attempt: int, seconds: float) -> None:
    assert Retry(jitter="none").delay(attempt, 0.5) == seconds


@given(attempt=attempts, chance=chances)
def test_full_jitter_lies_between_nothing_and_the_wait(attempt: int, chance: float) -> None:
    wait = Retry(jitter="none").delay(attempt, 0)
    assert 0 <= Retry(jitter="full").delay(attempt, chance) <= wait


@given(attempt=attempts, chance=chances)
def test_additive_jitter_adds_at_most_a_quarter(attempt: int, chance: float) -> None:
    wait = Retry(jitter="none").delay(attempt, 0)
    assert wait <= Retry(jitter="additive").delay(attempt, chance) <= wait * 1.25


@given(count=st.integers(1, 50), attempt=st.integers(1, 100))
def test_the_last_attempt_is_not_repeated(count: int, attempt: int) -> None:
    retry = Retry(attempts=count)
    assert (retry.after(ValueError(), attempt, 0.5) is None) == (attempt >= count)


def test_only_what_is_worth_it_is_repeated() -> None:
    retry = Retry(retry_on=(ConnectionError,))
    assert retry.after(ConnectionResetError(), 1, 0.5) is not None
    assert retry.after(ValueError(), 1, 0.5) is None
    assert Retry().after(Fatal(), 1, 0.5) is None
    assert Retry().after(SystemExit(), 1, 0.5) is None


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"base": -1.0}, {"base": 2.0, "cap": 1.0}])
def test_impossible_values_are_refused_where_they_are_written(wrong: dict[str, float]) -> None:
    with pytest.raises(DeclarationError, match="expected"):
        Retry(**wrong)  # type: ignore[arg-type]
