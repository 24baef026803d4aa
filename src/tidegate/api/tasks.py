"""Tasks over HTTP: what runs, what its worker last said, what it logged."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Final

from msgspec import Struct
from starlette.responses import Response, StreamingResponse

from tidegate.api.call import Call
from tidegate.api.refusal import NotFoundError
from tidegate.clock import at
from tidegate.jobs.backend import WorkerReport
from tidegate.launchers.launcher import Phase, Task

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LOOK_EVERY: Final = 0.25
_CHUNK: Final = 64 * 1024
_LONGEST_TAIL: Final = 1024 * 1024


class WorkerBody(Struct):
    """What a worker said of itself with its last renewal."""

    worker: str
    queues: list[str]
    slots: int
    busy: int
    draining: bool
    host: str
    pid: int


class TaskBody(Struct):
    """A task, and the workers in it that have reported."""

    task: str
    worker: str
    phase: Phase
    release: str
    started_at: datetime
    stopped_at: datetime | None
    stop_reason: str
    exit_code: int | None
    workers: list[WorkerBody]


class TasksBody(Struct):
    """Tasks not stopped, and those stopped a few minutes ago; and workers that are in none."""

    tasks: list[TaskBody]
    workers: list[WorkerBody]


class LogsQuery(Struct, forbid_unknown_fields=True):
    """How many of the last lines to show, and whether to go on as more come."""

    tail: int = 100
    follow: bool = False


async def browse(call: Call) -> TasksBody:
    """Tasks that run or lately did, and what their workers say."""
    tasks, reports = await asyncio.gather(call.service.tasks(), call.client.workers())
    inside: dict[str, list[WorkerBody]] = {task.id: [] for task in tasks}
    outside: list[WorkerBody] = []
    for report in reports:
        inside.get(report.task, outside).append(_worker(report))
    return TasksBody([_task(task, inside[task.id]) for task in tasks], outside)


async def logs(call: Call) -> Response:
    """What a task has logged, as text."""
    query: LogsQuery = call.query
    path = _log(call.service.task_logs, call.path["task"])
    text = _last_lines(path, max(query.tail, 0))
    if not query.follow:
        return Response(text, media_type="text/plain")
    return StreamingResponse(_followed(path, text), media_type="text/plain")


def _log(folder: Path | None, task: str) -> Path:
    path = folder / f"{task}.log" if folder and _ID.fullmatch(task) else None
    if path is None or not path.is_file():
        raise NotFoundError(f"no log of task {task[:80]!r} is kept here")
    return path


def _last_lines(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - _LONGEST_TAIL, 0))
        lines = file.read().splitlines(keepends=True)
    return b"".join(lines[-count:]) if count else b""


async def _followed(path: Path, text: bytes) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        yield text
        while True:
            if file.tell() > os.fstat(file.fileno()).st_size:
                file.seek(0)  # it was rotated
            more = file.read(_CHUNK)
            if more:
                yield more
            else:
                # A file says nothing when it grows; this costs one read of nothing.
                await asyncio.sleep(_LOOK_EVERY)


def _worker(report: WorkerReport) -> WorkerBody:
    return WorkerBody(
        worker=report.worker,
        queues=report.queues,
        slots=report.slots,
        busy=report.busy,
        draining=report.draining,
        host=report.host,
        pid=report.pid,
    )


def _task(task: Task, workers: list[WorkerBody]) -> TaskBody:
    return TaskBody(
        task=task.id,
        worker=task.worker,
        phase=task.phase,
        release=task.release,
        started_at=at(task.started_at),
        stopped_at=None if task.stopped_at is None else at(task.stopped_at),
        stop_reason=task.stop_reason,
        exit_code=task.exit_code,
        workers=workers,
    )
