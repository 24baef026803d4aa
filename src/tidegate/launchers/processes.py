"""Tasks as processes of this machine: what `tidegate up` runs its workers with.

A task is a reaper and, under it, `tidegate worker`. It is given what an ECS task is given, and no
more: an environment of its own, its declared memory (the reaper ends the tree that holds more),
SIGTERM and a stop timeout before SIGKILL. CPU is shared with the machine and not capped: half a
vCPU of a laptop would make starting Python the longest part of a job.
"""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from tidegate.clock import SYSTEM, Clock
from tidegate.ids import new_id
from tidegate.launchers.child import Child, Exit, python
from tidegate.launchers.launcher import Phase, Task
from tidegate.settings import Settings
from tidegate.spec import WorkerSpec

KEPT_STOPPED: Final = 300.0
_INHERITED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")
_MIB: Final = 1024 * 1024
_LIVE: Final = (Phase.STARTING, Phase.RUNNING)


class ProcessLauncher:
    """Starts tasks as processes that end with this one.

    Args:
        target: The app, as `tidegate worker` is told it.
        settings: Handed to every task.
        logs: Folder of the tasks' logs, `{id}.log` each.
        environ: Where inherited variables and secrets come from; this process's by default.
        keep: Inheritable descriptors that mark what belongs to the data folder.
        limit: Tasks at once, of every worker together; more are refused until some have stopped.
        on_end: Called with each task that has stopped.
    """

    def __init__(
        self,
        target: str,
        settings: Settings,
        *,
        logs: Path,
        environ: Mapping[str, str] | None = None,
        keep: Sequence[int] = (),
        limit: int = 100,
        on_end: Callable[[Task], None] = lambda _: None,
        clock: Clock = SYSTEM,
    ) -> None:
        self.target = target
        self._settings = settings
        self._logs = logs
        self._environ = os.environ if environ is None else environ
        self._keep = tuple(keep)
        self._limit = limit
        self._on_end = on_end
        self._clock = clock
        self._tasks: dict[str, Task] = {}
        self._children: dict[str, Child] = {}
        self._watchers: set[asyncio.Task[None]] = set()
        self._change = asyncio.Event()
        self._closing = False

    async def start(self, worker: WorkerSpec, count: int, *, leaves: bool) -> list[Task]:
        """Start `count` tasks, fewer at the limit, none once closing; see `Launcher.start`."""
        if self._closing:
            return []
        self._logs.mkdir(parents=True, exist_ok=True)
        room = max(self._limit - len(self._children), 0)
        return [self._started(worker, leaves=leaves) for _ in range(min(count, room))]

    async def tasks(self) -> Sequence[Task]:
        """Every task not stopped, and those stopped within the last five minutes."""
        self._forget_old()
        return list(self._tasks.values())

    async def stop(self, task: str, reason: str) -> None:
        """SIGTERM, then SIGKILL after the stop timeout; see `Launcher.stop`."""
        child = self._children.get(task)
        if child is None:
            return
        self._update(task, phase=Phase.STOPPING, stop_reason=reason)
        child.stop()

    async def changed(self, seconds: float) -> None:
        """Return when a task has changed since this last returned, or after `seconds`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._change.wait()
                self._change.clear()

    def drain(self, reason: str) -> None:
        """Stop every task there is now; others may be started meanwhile."""
        for task, child in list(self._children.items()):
            if self._tasks[task].phase in _LIVE:
                self._update(task, phase=Phase.STOPPING, stop_reason=reason)
                child.stop()

    async def close(self, reason: str = "the launcher closed") -> None:
        """Start no more, stop every task and return when all are gone; cancelling waits no more.

        `hurry` shortens what is left of the stop timeouts.
        """
        self._closing = True
        self.drain(reason)
        while self._watchers:
            await asyncio.wait(self._watchers)

    def hurry(self, seconds: float) -> None:
        """Give the tasks that are stopping only `seconds` more."""
        for child in self._children.values():
            child.stop(timeout=seconds)

    @property
    def count(self) -> int:
        """Tasks that have not stopped."""
        return len(self._children)

    def forget_failures(self) -> bool:
        """Forget the tasks that failed; whether there were any."""
        failed = [task.id for task in self._tasks.values() if task.exit_code]
        for task in failed:
            del self._tasks[task]
        return bool(failed)

    def log(self, task: str) -> Path:
        """Where what a task writes is kept."""
        return self._logs / f"{task}.log"

    def _started(self, worker: WorkerSpec, *, leaves: bool) -> Task:
        task = Task(
            id=new_id(),
            worker=worker.name,
            phase=Phase.RUNNING,
            started_at=self._clock.now(),
            release=self._settings.release,
            leaves=leaves,
        )
        child = Child(
            self._command(worker, leaves=leaves),
            env=self.environment(worker, task.id),
            log=self.log(task.id),
            stop_timeout=worker.stop_timeout,
            memory_bytes=worker.size.memory * _MIB,
            keep=self._keep,
        )
        child.start()
        task = msgspec.structs.replace(task, pid=child.pid)
        self._tasks[task.id], self._children[task.id] = task, child
        watcher = asyncio.create_task(self._watch(task.id, child), name=f"task-{task.id}")
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)
        self._change.set()
        return task

    def _command(self, worker: WorkerSpec, *, leaves: bool) -> list[str]:
        idle = [f"--exit-when-idle={worker.idle_timeout:g}"] if leaves else []
        return python("-m", "tidegate", "worker", self.target, worker.name, *idle)

    def environment(self, worker: WorkerSpec, task: str) -> dict[str, str]:
        """What a task's processes see: the little that ECS sets, what the app declares, our own.

        A declared secret that is not set here is left out, as it is on a laptop without one.
        """
        inherited = {name: self._environ[name] for name in _INHERITED if name in self._environ}
        secrets = {name: self._environ[name] for name in worker.secrets if name in self._environ}
        ours = {**self._settings.environment(), "TIDEGATE_TASK": task}
        return {"LANG": "C.UTF-8", **inherited, **worker.env, **secrets, **ours}

    async def _watch(self, task: str, child: Child) -> None:
        ended = await child.wait()
        del self._children[task]
        self._update(
            task,
            phase=Phase.STOPPED,
            stopped_at=self._clock.now(),
            exit_code=ended.code,
            stop_reason=_reason(self._tasks[task], ended),
        )
        self._on_end(self._tasks[task])

    def _update(self, task: str, **changes: object) -> None:
        self._tasks[task] = msgspec.structs.replace(self._tasks[task], **changes)
        self._change.set()

    def _forget_old(self) -> None:
        before = self._clock.now() - KEPT_STOPPED
        for task in list(self._tasks.values()):
            if task.stopped_at is not None and task.stopped_at < before:
                del self._tasks[task.id]


def _reason(task: Task, ended: Exit) -> str:
    if task.stop_reason and ended.code == 0:
        return task.stop_reason
    if task.stop_reason:
        return f"{task.stop_reason}; it {ended.in_words}"
    if ended.reason == "exited" and ended.code == 0:
        return "left: there was nothing to do" if task.leaves else "exited with status 0"
    return ended.in_words
