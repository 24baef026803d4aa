"""The `processes` launcher, and the same one behind its desk, keep the contract."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from tidegate.launchers.desk import Desk, RemoteLauncher
from tidegate.launchers.launcher import Launcher, Phase
from tidegate.launchers.processes import ProcessLauncher
from tidegate.settings import Settings
from tidegate.spec import Size, WorkerSpec
from tidegate.testing.launcher import WORKER, LauncherContract, LauncherUnderTest, until

PROGRAM = """
import signal, sys

def deaf(*_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("deaf", flush=True)

signal.signal(signal.SIGUSR1, lambda *_: sys.exit(3))
signal.signal(signal.SIGUSR2, lambda *_: sys.exit(0))
signal.signal(signal.SIGALRM, deaf)
print("up", flush=True)
while True:
    signal.pause()
"""


class Launched(ProcessLauncher):
    """Starts a small program of the test's instead of a worker."""

    program = PROGRAM

    def _command(self, worker: WorkerSpec, *, leaves: bool) -> list[str]:
        return [sys.executable, "-c", self.program]


class Processes:
    """Steers the programs by signals."""

    def __init__(self, local: Launched, launcher: Launcher) -> None:
        self.local = local
        self.launcher = launcher

    async def crash(self, task: str) -> None:
        await self.signal(task, signal.SIGUSR1)

    async def leave(self, task: str) -> None:
        await self.signal(task, signal.SIGUSR2)

    async def ignore_sigterm(self, task: str) -> None:
        await self.signal(task, signal.SIGALRM)
        await self.said(task, "deaf")

    async def signal(self, task: str, number: int) -> None:
        await self.said(task, "up")
        (found,) = [each for each in await self.local.tasks() if each.id == task]
        os.kill(psutil.Process(found.pid).children()[0].pid, number)

    async def said(self, task: str, word: str) -> None:
        while word not in self.local.log(task).read_text():  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # a log tells nobody that it has grown


@pytest.fixture
async def processes(tmp_path: Path) -> AsyncIterator[Processes]:
    local = Launched("app", Settings(), logs=tmp_path / "logs")
    yield Processes(local, local)
    closing = asyncio.create_task(local.close())
    local.hurry(0.1)
    await closing


class TestProcesses(LauncherContract):
    @pytest.fixture
    async def launcher(self, processes: Processes) -> LauncherUnderTest:
        return processes


class TestProcessesBehindADesk(LauncherContract):
    @pytest.fixture
    async def launcher(
        self, processes: Processes, tmp_path: Path
    ) -> AsyncIterator[LauncherUnderTest]:
        async with Desk(processes.local, tmp_path / "desk.sock"):
            yield Processes(processes.local, RemoteLauncher(tmp_path / "desk.sock"))


async def test_a_task_that_holds_more_memory_than_declared_is_ended_and_says_so(
    processes: Processes,
) -> None:
    processes.local.program = "data = b'x' * (900 << 20); import signal; signal.pause()"
    worker = WorkerSpec(name="videos", queues=(), size=Size(cpu=256, memory=512))
    (task,) = await processes.launcher.start(worker, 1, leaves=True)
    stopped = await until(processes.launcher, task, lambda it: it.phase is Phase.STOPPED)
    assert stopped.exit_code == 137
    assert stopped.stop_reason.startswith("ran out of memory: used")


async def test_no_task_starts_beyond_the_limit_of_the_machine(tmp_path: Path) -> None:
    local = Launched("app", Settings(), logs=tmp_path / "logs", limit=2)
    assert len(await local.start(WORKER, 5, leaves=True)) == 2
    assert await local.start(WORKER, 1, leaves=True) == []
    await local.close()


async def test_no_task_starts_once_the_launcher_closes(processes: Processes) -> None:
    await processes.local.close()
    assert await processes.launcher.start(WORKER, 1, leaves=True) == []


async def test_a_program_that_cannot_be_started_says_why(processes: Processes) -> None:
    class Missing(Launched):
        def _command(self, worker: WorkerSpec, *, leaves: bool) -> list[str]:
            return ["no-such-program"]

    local = Missing("app", Settings(), logs=processes.local.log("x").parent)
    (task,) = await local.start(WORKER, 1, leaves=True)
    stopped = await until(local, task, lambda it: it.phase is Phase.STOPPED)
    assert stopped.exit_code == 127
    assert "cannot run 'no-such-program'" in stopped.stop_reason


def test_a_tasks_environment_is_what_ecs_would_set_and_the_app_declares(tmp_path: Path) -> None:
    outside = {"PATH": "/bin", "HOME": "/root", "TOKEN": "t", "EDITOR": "vi", "LANG": "de_DE"}
    launcher = ProcessLauncher("app", Settings(secret_key="k"), logs=tmp_path, environ=outside)
    worker = WorkerSpec(
        name="videos", queues=("videos",), env={"MODE": "fast"}, secrets=("TOKEN", "ABSENT")
    )
    found = launcher.environment(worker, "t1")
    assert {name: text for name, text in found.items() if not name.startswith("TIDEGATE_")} == {
        "PATH": "/bin",
        "HOME": "/root",
        "LANG": "de_DE",
        "MODE": "fast",
        "TOKEN": "t",
    }
    assert found["TIDEGATE_TASK"] == "t1"
    assert found["TIDEGATE_SECRET_KEY"] == "k"
