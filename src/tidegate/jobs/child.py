"""The child process of an isolated handler: `python -m tidegate.jobs.child`, one attempt each.

It reads one request from standard input, calls the handler, and writes one answer to the file
descriptor it was given. Standard input stays open as long as the worker lives: at its end the
child ends too, so that a killed worker leaves nothing behind. What the handler prints goes where
the worker's output goes.
"""

import importlib
import importlib.util
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from tidegate.errors import PayloadError
from tidegate.jobs.context import Interrupted, Snooze

if TYPE_CHECKING:
    from tidegate.handler import Job

MEMORY_STATUS: Final = 137


class Request(Struct, frozen=True):
    """What the child is to do.

    Attributes:
        path: `sys.path` of the worker.
        module: The handler's module.
        file: That module's file, for one that has no importable name.
        name: The job's name.
        payload: JSON text.
    """

    path: list[str]
    module: str
    file: str
    name: str
    payload: str


class Answer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How it went: `result` is JSON; the rest is about an exception.

    Attributes:
        verdict: What the exception asks for.
        delay: Seconds, of a snooze.
    """

    verdict: str = "returned"
    result: msgspec.Raw = msgspec.Raw(b"null")
    type: str = ""
    message: str = ""
    traceback: str = ""
    is_worth_retrying: bool = True
    delay: float = 0.0


def exit_in_words(status: int) -> str:
    """Why a child that did not answer ended, from its exit status (negative: a signal)."""
    if status in (-signal.SIGKILL, MEMORY_STATUS):
        return f"its process was killed (status {MEMORY_STATUS}), most likely for want of memory"
    if status < 0:
        return f"its process was ended by {signal.Signals(-status).name}"
    return f"its process exited with status {status} before the handler returned"


def main() -> None:
    """Serve one request, as the module's docstring says."""
    line = sys.stdin.buffer.readline()
    threading.Thread(target=_end_with_worker, name="worker-watch", daemon=True).start()
    answer = _answered(msgspec.json.decode(line, type=Request))
    with os.fdopen(int(sys.argv[1]), "wb") as out:
        out.write(msgspec.json.encode(answer))
    sys.stdout.flush()


def _end_with_worker() -> None:
    sys.stdin.buffer.read()
    os._exit(MEMORY_STATUS)


def _answered(request: Request) -> Answer:
    from tidegate.serde import encoded  # noqa: PLC0415 - keeps the module light for its importers

    job: Job[..., Any] | None = None
    try:
        job = _job(request)
        result = encoded(job.call(*job.payload.unpack(request.payload.encode())))
    except BaseException as error:  # noqa: BLE001 - reported to the worker, which decides
        return _raised(error, job)
    return Answer(result=msgspec.Raw(result))


def _raised(error: BaseException, job: "Job[..., Any] | None") -> Answer:
    return Answer(
        verdict=_verdict(error),
        type=type(error).__name__,
        message=str(error),
        traceback="".join(traceback.format_exception(error)),
        is_worth_retrying=job is None or job.retry.is_worth(error),
        delay=error.delay if isinstance(error, Snooze) else 0.0,
    )


def _verdict(error: BaseException) -> str:
    match error:
        case Snooze():
            return "snoozed"
        case Interrupted():
            return "interrupted"
        case _:
            return "raised"


def _job(request: Request) -> "Job[..., Any]":
    sys.path[:] = request.path
    module = _imported(request)
    from tidegate.handler import Job  # noqa: PLC0415

    for value in vars(module).values():
        if isinstance(value, Job) and value.name == request.name:
            return value
    raise PayloadError(
        f"expected job {request.name!r} at the top of module {request.module!r}, found none; "
        "an isolated handler keeps the name its decorator gave it"
    )


def _imported(request: Request) -> Any:
    try:
        return importlib.import_module(request.module)
    except ModuleNotFoundError as error:
        if error.name != request.module or not Path(request.file).is_file():
            raise
    # An app given as a file has a name that nothing can be imported by.
    spec = importlib.util.spec_from_file_location(request.module, request.file)
    if spec is None or spec.loader is None:
        raise PayloadError(f"cannot import {request.file}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[request.module] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
