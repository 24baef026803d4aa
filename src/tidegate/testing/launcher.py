"""What every launcher promises, as tests. A launcher is finished when it passes.

class TestMyLauncher(LauncherContract):
    @pytest.fixture
    async def launcher(self) -> AsyncIterator[LauncherUnderTest]:
        yield MyLauncherUnderTest()
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from tidegate.launchers.launcher import Launcher, Phase, Task
from tidegate.spec import WorkerSpec

WORKER = WorkerSpec(name="videos", queues=("videos",), stop_timeout=2.0, drain=1.0)
_WITHIN = 20.0


class LauncherUnderTest(Protocol):
    """A launcher of its own for each test, and the powers the suite needs over its tasks.

    Its tasks run until they are told otherwise.
    """

    launcher: Launcher

    async def crash(self, task: str) -> None:
        """Have the program of a task exit with status 3."""
        ...

    async def leave(self, task: str) -> None:
        """Have the program of a task exit with status 0."""
        ...

    async def ignore_sigterm(self, task: str) -> None:
        """Have the program of a task ignore SIGTERM; returns once it does."""
        ...


class LauncherContract:
    """What every launcher promises; subclasses provide `launcher`."""

    async def test_a_started_task_is_listed_until_after_it_has_stopped(
        self, launcher: LauncherUnderTest
    ) -> None:
        (task,) = await launcher.launcher.start(WORKER, 1, leaves=True)
        assert [each.id for each in await launcher.launcher.tasks()] == [task.id]
        await launcher.leave(task.id)
        stopped = await until(launcher.launcher, task, lambda it: it.phase is Phase.STOPPED)
        assert stopped.exit_code == 0
        assert stopped.stopped_at is not None
        assert stopped.stop_reason

    async def test_as_many_tasks_start_as_were_asked_for_each_with_an_id_of_its_own(
        self, launcher: LauncherUnderTest
    ) -> None:
        tasks = await launcher.launcher.start(WORKER, 3, leaves=False)
        assert len({task.id for task in tasks}) == 3
        assert {task.worker for task in tasks} == {WORKER.name}
        assert not any(task.leaves for task in tasks)

    async def test_a_crash_is_told_with_its_status(self, launcher: LauncherUnderTest) -> None:
        (task,) = await launcher.launcher.start(WORKER, 1, leaves=True)
        await launcher.crash(task.id)
        stopped = await until(launcher.launcher, task, lambda it: it.phase is Phase.STOPPED)
        assert stopped.exit_code == 3
        assert "3" in stopped.stop_reason

    async def test_a_stopped_task_says_who_stopped_it(self, launcher: LauncherUnderTest) -> None:
        (task,) = await launcher.launcher.start(WORKER, 1, leaves=True)
        await launcher.launcher.stop(task.id, "no longer wanted")
        stopped = await until(launcher.launcher, task, lambda it: it.phase is Phase.STOPPED)
        assert stopped.stop_reason.startswith("no longer wanted")

    async def test_a_task_that_ignores_sigterm_is_killed_after_its_stop_timeout(
        self, launcher: LauncherUnderTest
    ) -> None:
        (task,) = await launcher.launcher.start(WORKER, 1, leaves=True)
        await launcher.ignore_sigterm(task.id)
        await launcher.launcher.stop(task.id, "no longer wanted")
        stopping = await until(launcher.launcher, task, lambda it: it.phase is not Phase.RUNNING)
        assert stopping.phase is Phase.STOPPING
        stopped = await until(launcher.launcher, task, lambda it: it.phase is Phase.STOPPED)
        assert stopped.exit_code == 137

    async def test_stopping_a_task_again_or_one_that_never_was_is_fine(
        self, launcher: LauncherUnderTest
    ) -> None:
        (task,) = await launcher.launcher.start(WORKER, 1, leaves=True)
        await launcher.launcher.stop(task.id, "no longer wanted")
        await launcher.launcher.stop(task.id, "really")
        await launcher.launcher.stop("never-was", "no longer wanted")
        await until(launcher.launcher, task, lambda it: it.phase is Phase.STOPPED)
        await launcher.launcher.stop(task.id, "again")

    async def test_a_change_is_told_at_once(self, launcher: LauncherUnderTest) -> None:
        (task,) = await launcher.launcher.start(WORKER, 1, leaves=True)
        await launcher.launcher.changed(_WITHIN)
        waiting = asyncio.create_task(launcher.launcher.changed(_WITHIN))
        await launcher.crash(task.id)
        async with asyncio.timeout(_WITHIN / 2):
            await waiting

    async def test_waiting_for_a_change_ends_without_one(self, launcher: LauncherUnderTest) -> None:
        await launcher.launcher.changed(0.01)


async def until(launcher: Launcher, task: Task, wanted: Callable[[Task], bool]) -> Task:
    """The task as it is listed once it is as wanted.

    Raises:
        TimeoutError: It was not within 20 s.
    """
    async with asyncio.timeout(_WITHIN):
        while True:
            found = next((it for it in await launcher.tasks() if it.id == task.id), None)
            if found is not None and wanted(found):
                return found
            await launcher.changed(0.1)
