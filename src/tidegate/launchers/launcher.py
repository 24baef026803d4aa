"""What every launcher promises. `tidegate.testing.launcher` holds the suite that checks it."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from tidegate.spec import WorkerSpec


class Phase(StrEnum):
    """Where a task is in its life, in ECS's own order."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"


class Task(Struct, frozen=True, kw_only=True):
    """One ECS task, or the process that stands for one.

    Attributes:
        id: Unique for ever.
        worker: The worker declaration it runs.
        release: The release it was started from.
        leaves: Whether it leaves by itself when it finds nothing to do.
        started_at: Seconds since the epoch, when it was asked for.
        stopped_at: Seconds since the epoch; None while it has not.
        stop_reason: Why it stopped, in words; empty while it has not.
        exit_code: Of its main process; None while it runs or when it was killed before starting.
        pid: On a laptop, the process that stands for it; 0 elsewhere.
    """

    id: str
    worker: str
    phase: Phase
    started_at: float
    release: str = ""
    leaves: bool = True
    stopped_at: float | None = None
    stop_reason: str = ""
    exit_code: int | None = None
    pid: int = 0


class Launcher(Protocol):
    """Starts and stops tasks."""

    async def start(self, worker: WorkerSpec, count: int, *, leaves: bool) -> list[Task]:
        """Ask for `count` tasks; those accepted, in phase `starting` or further.

        Fewer than asked means the launcher is at a limit or closing; ask again later. With
        `leaves` they leave by themselves after the worker's idle timeout without a job.

        Raises:
            TidegateError: It cannot start any, and why.
        """
        ...

    async def tasks(self) -> Sequence[Task]:
        """Every task not stopped, and those stopped within the last few minutes."""
        ...

    async def stop(self, task: str, reason: str) -> None:
        """SIGTERM, then SIGKILL after the task's stop timeout. Stopping a stopped one is fine."""
        ...

    async def changed(self, seconds: float) -> None:
        """Return when a task has changed since this last returned, or after `seconds`.

        For one caller, the orchestrator.
        """
        ...
