"""The policy stays in its bounds, follows the depth, and says how it got there."""

import math

from hypothesis import given
from hypothesis import strategies as st

from tidegate.scaling.observation import Observation, TaskCounts
from tidegate.scaling.policy import decide, missing
from tidegate.spec import QueueDepth

counts = st.integers(0, 10**6)


@st.composite
def policies(draw: st.DrawFn) -> QueueDepth:
    highest = draw(st.integers(1, 500))
    lowest = draw(st.integers(0, highest))
    return QueueDepth(
        messages_per_task=draw(st.integers(1, 1000)),
        min=lowest,
        max=highest,
    )


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    return Observation(
        at=draw(st.floats(0, 1e10)),
        ready=draw(counts),
        running=draw(counts),
        bound=draw(counts),
        tasks=TaskCounts(
            starting=draw(st.integers(0, 600)),
            running=draw(st.integers(0, 600)),
            draining=draw(st.integers(0, 600)),
        ),
    )


def test_five_jobs_at_five_per_task_want_one_task_and_one_is_running_already() -> None:
    policy = QueueDepth(messages_per_task=5, min=1, max=10)
    seen = Observation(at=0.0, ready=4, running=1, tasks=TaskCounts(running=1))
    decision = decide(policy, seen)
    assert decision.desired == 1
    assert decision.reason == "5 jobs at 5 per task is 1"
    assert missing(decision, seen) == 0


def test_twenty_jobs_at_five_per_task_want_four_tasks() -> None:
    decision = decide(QueueDepth(messages_per_task=5), Observation(at=0.0, ready=20))
    assert decision.desired == 4


def test_the_bound_that_decided_is_named() -> None:
    policy = QueueDepth(messages_per_task=5, min=1, max=2)
    assert decide(policy, Observation(at=0.0)).reason.endswith("is 0; the minimum is 1")
    assert decide(policy, Observation(at=0.0, ready=99)).reason.endswith("is 20; the maximum is 2")


def test_jobs_bound_to_a_worker_want_no_other() -> None:
    assert decide(QueueDepth(), Observation(at=0.0, bound=50)).desired == 0


@given(policies(), observations())
def test_desired_stays_within_its_bounds(policy: QueueDepth, seen: Observation) -> None:
    assert policy.min <= decide(policy, seen).desired <= policy.max


@given(policies(), observations())
def test_desired_tasks_cover_the_depth_unless_the_maximum_forbids(
    policy: QueueDepth, seen: Observation
) -> None:
    desired = decide(policy, seen).desired
    assert desired == policy.max or desired * policy.messages_per_task >= seen.depth


@given(policies(), observations())
def test_no_task_is_wanted_that_the_depth_does_not_need(
    policy: QueueDepth, seen: Observation
) -> None:
    desired = decide(policy, seen).desired
    assert desired <= max(policy.min, math.ceil(seen.depth / policy.messages_per_task))


@given(policies(), observations(), counts)
def test_more_jobs_never_want_fewer_tasks(policy: QueueDepth, seen: Observation, more: int) -> None:
    deeper = Observation(at=seen.at, ready=seen.ready + more, running=seen.running)
    assert decide(policy, deeper).desired >= decide(policy, seen).desired


@given(policies(), observations())
def test_tasks_that_start_count_as_much_as_those_that_run(
    policy: QueueDepth, seen: Observation
) -> None:
    decision = decide(policy, seen)
    started = missing(decision, seen)
    assert started >= 0
    if started:
        assert started + seen.tasks.coming == decision.desired
