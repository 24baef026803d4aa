"""What becomes of a job after each way an attempt can end."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate import App, Fatal, Interrupted, Retry, Snooze
from tidegate.errors import PayloadError, UnknownHandlerError
from tidegate.jobs.attempt import (
    LARGEST_TRACEBACK,
    UNROUTABLE_GRACE,
    ChildError,
    Crashed,
    Detached,
    Outcome,
    Raised,
    Returned,
    Stop,
    Stopped,
    Unroutable,
    end_event,
    error_record,
    judged,
    prepared,
    returned,
)
from tidegate.jobs.backend import Cancelled, Complete, Crash, Fail, Release
from tidegate.jobs.job import Claim, JobPolicy, State
from tidegate.jobs.plan import Plan, plans
from tidegate.observability.metrics import Recorder

JOB = "01M81YB2GQ7V47673N3EXPGZT7"


def a_claim(**changes: Any) -> Claim:
    values: dict[str, Any] = {
        "id": JOB,
        "queue": "q",
        "name": "test.work",
        "payload": b"3",
        "fence": 7,
        "attempt": 1,
        "crashes": 0,
        "deliveries": 1,
        "policy": JobPolicy(),
        "enqueued_at": 0.0,
        "ready_at": 0.0,
    }
    return Claim(**{**values, **changes})


def a_plan(retry: Retry | None = None) -> Plan:
    app = App("test")
    queue = app.queue("q")

    @queue.job(retry=retry)
    async def work(number: int) -> None: ...

    return plans(app, Recorder())["test.work"]


def becomes(outcome: Outcome, plan: Plan | None = None, **claim: Any) -> object:
    return judged(a_claim(**claim), plan or a_plan(), outcome, chance=0.5, now=100.0)


def test_a_claim_is_prepared_with_its_arguments() -> None:
    assert prepared(a_claim(), b"3", {"test.work": a_plan()}).args == (3,)


def test_a_claim_nobody_knows_or_can_read_is_refused() -> None:
    with pytest.raises(UnknownHandlerError):
        prepared(a_claim(), b"3", {})
    with pytest.raises(PayloadError, match="Expected `int`"):
        prepared(a_claim(), b'"three"', {"test.work": a_plan()})


def test_returning_completes() -> None:
    assert becomes(Returned(b"42")) == Complete(
        id=JOB,
        fence=7,
        result=b"42",
        end=f'{{"type":"end","job":"{JOB}","state":"succeeded"}}'.encode(),
    )


def test_raising_fails_with_the_next_attempt_in_a_while() -> None:
    settled = becomes(Raised(ValueError("no")), a_plan(Retry(base=4, jitter="none")))
    assert isinstance(settled, Fail)
    assert (settled.retry_in, settled.end) == (4.0, None)
    error = msgspec.json.decode(settled.error)
    assert (error["type"], error["message"], error["at"]) == ("ValueError", "no", 100.0)


@pytest.mark.parametrize(
    ("error", "attempt"),
    [
        (ValueError("no"), 5),
        (Fatal("no"), 1),
        (ChildError("E", "no", "", is_worth_retrying=False), 1),
    ],
)
def test_what_is_not_worth_another_attempt_is_dead(error: Exception, attempt: int) -> None:
    settled = becomes(Raised(error), attempt=attempt)
    assert isinstance(settled, Fail)
    assert settled.retry_in is None
    assert msgspec.json.decode(settled.end or b"")["state"] == "dead"


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Raised(Interrupted()), Release(id=JOB, fence=7, reason="interrupted")),
        (Raised(Snooze(9)), Release(id=JOB, fence=7, delay=9, reason="snooze")),
        (Stopped(Stop.DRAIN, ""), Release(id=JOB, fence=7, reason="drain")),
        (Crashed("it died"), Crash(id=JOB, fence=7, reason="it died")),
        (Stopped(Stop.LOST, ""), None),
        (Detached(), None),
    ],
)
def test_other_ends_use_up_no_attempt(outcome: Outcome, expected: object) -> None:
    assert becomes(outcome, attempt=5) == expected


def test_being_cancelled_says_why() -> None:
    settled = becomes(Stopped(Stop.CANCEL, "not needed"))
    assert isinstance(settled, Cancelled)
    assert settled.reason == "not needed"
    assert b'"state":"cancelled","reason":"not needed"' in (settled.end or b"")


def test_a_timeout_is_a_failure_that_may_be_repeated() -> None:
    settled = becomes(Stopped(Stop.TIMEOUT, "ran too long"))
    assert isinstance(settled, Fail)
    assert settled.retry_in is not None
    assert msgspec.json.decode(settled.error)["type"] == "TimeoutError"


@pytest.mark.parametrize(("age", "is_parked"), [(0.0, True), (UNROUTABLE_GRACE + 1, False)])
def test_what_no_release_comes_to_know_is_dead_after_a_grace(
    age: float, *, is_parked: bool
) -> None:
    unknown = UnknownHandlerError("test.work", "q", [])
    settled = judged(a_claim(), None, Unroutable(unknown, age), chance=0.5, now=1.0)
    assert isinstance(settled, Release if is_parked else Fail)


def test_a_result_json_cannot_hold_is_a_failure_for_good() -> None:
    outcome = returned(object())
    assert isinstance(outcome, Raised)
    assert isinstance(outcome.error, Fatal)


texts = st.text(max_size=20)
objects = st.dictionaries(texts, st.none() | st.integers(-9, 9) | texts, max_size=4)


@given(template=objects, result=st.none() | objects | st.lists(st.integers(), max_size=3))
def test_an_end_event_always_says_which_job_ended_how(template: Any, result: Any) -> None:
    policy = JobPolicy(end=msgspec.json.encode({**template, "type": "exit"}).decode())
    encoded = None if result is None else msgspec.json.encode(result)
    event = msgspec.json.decode(end_event(a_claim(policy=policy), State.SUCCEEDED, result=encoded))
    laid_over = result if isinstance(result, dict) else {}
    expected = {**template, **laid_over, "type": "exit", "job": JOB, "state": "succeeded"}
    assert event == expected


@given(message=st.text(max_size=5000), depth=st.integers(0, 3))
def test_an_error_is_recorded_at_a_readable_size(message: str, depth: int) -> None:
    error: BaseException = ValueError(message)
    for _ in range(depth):
        error.__cause__ = RuntimeError("x" * 9000)
    record = msgspec.json.decode(error_record(error, attempt=2, now=1.0))
    assert len(record["message"]) <= 2000
    assert len(record["traceback"]) <= LARGEST_TRACEBACK
