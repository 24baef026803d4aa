"""People who wait are told why, in words."""

import pytest

from tidegate.scaling.census import Census
from tidegate.scaling.observation import Observation, TaskCounts
from tidegate.scaling.policy import decide
from tidegate.scaling.starts import Starts
from tidegate.scaling.status import Status, differs, status_of, waiting_reason
from tidegate.spec import QueueDepth, WorkerSpec

VIDEOS = WorkerSpec(name="videos", queues=("videos",), slots=2, scale=QueueDepth(max=3))


@pytest.mark.parametrize(
    ("seen", "people", "reason"),
    [
        (Observation(at=9.0), Census(), None),
        (Observation(at=9.0, paused=True), Census(), "the queue is paused"),
        (Observation(at=9.0, ready=1), Census(), "asking for a task"),
        (
            Observation(at=9.0, ready=1, tasks=TaskCounts(starting=1)),
            Census(oldest_start=6.0),
            "task starting, 3 s",
        ),
        (Observation(at=9.0, ready=1, tasks=TaskCounts(running=1)), Census(), None),
        (
            Observation(at=9.0, ready=1, running=2, tasks=TaskCounts(running=1)),
            Census(),
            "all 2 slots of the task are busy",
        ),
        (
            Observation(at=9.0, ready=1, running=6, tasks=TaskCounts(running=3)),
            Census(),
            "all 2 slots of each of 3 tasks are busy; the maximum is reached",
        ),
    ],
)
def test_the_wait_is_explained(seen: Observation, people: Census, reason: str | None) -> None:
    assert waiting_reason(VIDEOS, seen, people, Starts()) == reason


def test_a_failing_start_is_what_the_waiting_are_told_first() -> None:
    starts = Starts().failed(8.0, "exited with status 1")
    seen = Observation(at=8.0, ready=1)
    reason = waiting_reason(VIDEOS, seen, Census(), starts)
    assert reason == "a task failed to start (exited with status 1); next try in 1 s"


def test_time_passing_is_nothing_new_and_a_changed_depth_is() -> None:
    def at(time: float, ready: int) -> Status:
        seen = Observation(at=time, ready=ready, tasks=TaskCounts(running=1), oldest_age=time)
        return status_of(VIDEOS, seen, Census(), decide(VIDEOS.scale, seen), Starts())

    assert differs(at(1.0, 1), None)
    assert not differs(at(2.0, 1), at(1.0, 1))
    assert differs(at(2.0, 2), at(1.0, 1))
