"""Who counts as starting, running, draining, overdue or silent."""

from tidegate.jobs.backend import WorkerReport
from tidegate.jobs.job import JobPolicy, JobRecord, State
from tidegate.launchers.launcher import Phase, Task
from tidegate.scaling.census import (
    CRASHED_WITHIN,
    RUNAWAY_GRACE,
    START_TIMEOUT,
    failed_starts,
    is_runaway,
    taken,
)
from tidegate.scaling.observation import TaskCounts
from tidegate.spec import WorkerSpec

VIDEOS = WorkerSpec(name="videos", queues=("videos",))


def task(number: int, phase: Phase = Phase.RUNNING, **more: object) -> Task:
    fields: dict[str, object] = {"started_at": 100.0, **more}
    return Task(id=f"t{number}", worker="videos", phase=phase, **fields)  # type: ignore[arg-type]


def report(task: str, *, draining: bool = False) -> WorkerReport:
    return WorkerReport(
        worker=f"w-{task}", task=task, queues=["videos"], slots=5, busy=0, draining=draining
    )


def test_a_task_is_starting_until_its_worker_is_heard_of() -> None:
    found = taken(VIDEOS, [task(1), task(2)], [report("t2")], heard=(), at=103.0)
    assert found.counts == TaskCounts(starting=1, running=1)
    assert found.oldest_start == 100.0


def test_a_task_that_leaves_or_is_stopped_is_draining() -> None:
    tasks = [task(1), task(2, Phase.STOPPING)]
    found = taken(VIDEOS, tasks, [report("t1", draining=True)], heard=(), at=103.0)
    assert found.counts == TaskCounts(draining=2)


def test_a_stopped_task_counts_for_nothing_though_its_last_report_is_still_there() -> None:
    found = taken(VIDEOS, [task(1, Phase.STOPPED)], [report("t1")], heard=(), at=103.0)
    assert found.counts == TaskCounts()


def test_a_worker_started_by_hand_counts_as_running() -> None:
    assert taken(VIDEOS, [], [report("")], heard=(), at=0.0).counts == TaskCounts(running=1)


def test_the_reports_of_tasks_no_launcher_knows_are_those_of_the_dead() -> None:
    assert taken(VIDEOS, [], [report("t9")], heard=(), at=0.0).counts == TaskCounts()


def test_a_task_never_heard_of_is_overdue_in_the_end() -> None:
    soon = taken(VIDEOS, [task(1)], [], heard=(), at=100.0 + START_TIMEOUT)
    late = taken(VIDEOS, [task(1)], [], heard=(), at=101.0 + START_TIMEOUT)
    assert (soon.overdue, late.overdue) == ((), ("t1",))


def test_a_task_whose_reports_have_stopped_is_silent_and_no_longer_runs() -> None:
    found = taken(VIDEOS, [task(1)], [], heard={"t1"}, at=200.0)
    assert found.silent == ("t1",)
    assert found.counts == TaskCounts()


def test_tasks_of_other_workers_are_not_counted() -> None:
    other = Task(id="t1", worker="images", phase=Phase.RUNNING, started_at=0.0)
    assert taken(VIDEOS, [other], [], heard=(), at=0.0).counts == TaskCounts()


def test_only_tasks_that_do_not_leave_by_themselves_stay() -> None:
    tasks = [task(1, leaves=False), task(2, leaves=True)]
    assert taken(VIDEOS, tasks, [], heard=(), at=0.0).staying == 1


def test_a_start_failed_if_it_ended_unheard_or_soon_with_an_error() -> None:
    unheard = task(1, Phase.STOPPED, stopped_at=160.0, exit_code=1)
    soon = task(2, Phase.STOPPED, stopped_at=100.0 + CRASHED_WITHIN / 2, exit_code=137)
    later = task(3, Phase.STOPPED, stopped_at=100.0 + CRASHED_WITHIN * 2, exit_code=137)
    left = task(4, Phase.STOPPED, stopped_at=101.0, exit_code=0)
    failed = failed_starts([unheard, soon, later, left], "videos", heard={"t2", "t3"})
    assert [each.id for each in failed] == ["t1", "t2"]


def test_a_job_is_a_runaway_only_long_after_its_timeout() -> None:
    def running(timeout: float | None) -> JobRecord:
        return JobRecord(
            id="j1",
            queue="videos",
            name="captions.transcribe",
            state=State.RUNNING,
            attempt=1,
            crashes=0,
            deliveries=1,
            enqueued_at=0.0,
            started_at=100.0,
            channel="job:j1",
            policy=JobPolicy(timeout=timeout),
        )

    assert not is_runaway(running(10.0), 110.0 + RUNAWAY_GRACE)
    assert is_runaway(running(10.0), 111.0 + RUNAWAY_GRACE)
    assert not is_runaway(running(None), 1e9)
