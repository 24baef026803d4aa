"""What a job may be, and become."""

from collections.abc import Iterable

import msgspec
import pytest

from tidegate.jobs.job import (
    REDRIVABLE,
    TERMINAL,
    TRANSITIONS,
    WAITING,
    JobPolicy,
    JobRecord,
    State,
)


def reachable(start: State) -> set[State]:
    """Every state that some history leads to."""
    found: set[State] = set()
    ahead = [start]
    while ahead:
        state = ahead.pop()
        if state not in found:
            found.add(state)
            ahead += TRANSITIONS[state]
    return found


def into(states: Iterable[State]) -> set[State]:
    """The states from which one of `states` can be entered."""
    return {before for before, after in TRANSITIONS.items() if after & frozenset(states)}


def test_every_state_is_waiting_running_or_ended() -> None:
    assert WAITING | {State.RUNNING} | TERMINAL == set(State)
    assert not WAITING & TERMINAL
    assert set(TRANSITIONS) == set(State)


@pytest.mark.parametrize("start", sorted(WAITING))
def test_every_other_state_can_be_reached_from_where_a_job_begins(start: State) -> None:
    assert reachable(start) == set(State)


def test_a_job_that_succeeded_has_ended_for_ever() -> None:
    assert TRANSITIONS[State.SUCCEEDED] == frozenset()


@pytest.mark.parametrize("state", sorted(REDRIVABLE))
def test_other_ended_jobs_can_only_be_redriven(state: State) -> None:
    assert TRANSITIONS[state] == {State.READY, State.PENDING}


def test_a_job_runs_only_when_it_was_ready() -> None:
    assert into({State.RUNNING}) == {State.READY}


def test_only_a_running_job_can_succeed_die_or_be_quarantined() -> None:
    assert into({State.SUCCEEDED, State.DEAD, State.QUARANTINED}) == {State.RUNNING}


def test_a_running_job_never_expires() -> None:
    assert into({State.EXPIRED}) == WAITING


def test_cancelling_is_possible_until_a_job_has_ended() -> None:
    assert into({State.CANCELLED}) == WAITING | {State.RUNNING}


def test_a_policy_of_defaults_takes_no_room_in_a_record() -> None:
    assert msgspec.json.encode(JobPolicy()) == b"{}"


def test_a_policy_survives_its_encoding() -> None:
    policy = JobPolicy(attempts=9, crashes=1, on_crash="fail", timeout=0.5, keep=0.0, end="{}")
    assert msgspec.json.decode(msgspec.json.encode(policy), type=JobPolicy) == policy


def test_a_policy_of_a_newer_release_can_be_read() -> None:
    assert msgspec.json.decode(b'{"attempts":2,"later":1}', type=JobPolicy) == JobPolicy(attempts=2)


def test_a_record_tells_only_what_there_is() -> None:
    record = JobRecord(
        id="a",
        queue="q",
        name="n",
        state=State.READY,
        attempt=0,
        crashes=0,
        deliveries=0,
        enqueued_at=1.0,
        channel="job:a",
    )
    told = msgspec.json.decode(msgspec.json.encode(record))
    assert set(told) == {
        "id",
        "queue",
        "name",
        "state",
        "attempt",
        "crashes",
        "deliveries",
        "enqueued_at",
        "channel",
    }
