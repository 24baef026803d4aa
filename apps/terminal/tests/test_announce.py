"""When old commits are removed."""

from hypothesis import given
from hypothesis import strategies as st

from apps.terminal.announce import TIDY_EVERY, is_tidying_due


@given(steps=st.lists(st.integers(0, 250), max_size=40))
def test_however_commits_are_shared_out_tidying_comes_after_a_hundred_at_the_latest(
    steps: list[int],
) -> None:
    commit = untidied = 0
    for step in steps:
        due = is_tidying_due(commit, commit + step)
        commit, untidied = commit + step, 0 if due else untidied + step
        assert untidied < TIDY_EVERY
