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
        started_at: Seconds since the epoch, when it was asked for.
        stop_reason: Why it stopped, in words; empty while it has not.
        exit_code: Of its main process; None while it runs or when it was killed before starting.
    """

    id: str
    worker: str
    phase: Phase
    started_at: float
    release: str = ""
    stopped_at: float | None = None
    stop_reason: str = ""
    exit_code: int | None = None


class Launcher(Protocol):
    """Starts and stops tasks."""

    async def start(self, worker: WorkerSpec, count: int) -> list[Task]:
        """Ask for `count` tasks; those accepted, in phase `starting`.

        Fewer than asked means the launcher is at a limit; ask again later.
        """
        ...

    async def tasks(self) -> Sequence[Task]:
        """Every task not stopped, and those stopped within the last few minutes."""
        ...

    async def stop(self, task: str, reason: str) -> None:
        """SIGTERM, then SIGKILL after the task's stop timeout. Stopping a stopped one is fine."""
        ...
