"""The worker's side of an isolated handler: start its child, hear its answer, end its tree."""

import asyncio
import inspect
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import msgspec

from tidegate.jobs.attempt import ChildError, Crashed, Outcome, Raised, Returned
from tidegate.jobs.calling import stopped
from tidegate.jobs.child import Answer, Request, exit_in_words
from tidegate.jobs.context import Interrupted, Snooze
from tidegate.jobs.lease import Held

LARGEST_ANSWER: Final = 16 * 1024 * 1024


async def in_child(held: Held, handler: Callable[..., Any], name: str, payload: bytes) -> Outcome:
    """Run an attempt in a process of its own, killed with all it started when it is to stop."""
    answers, answering = os.pipe()
    try:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tidegate.jobs.child",
            str(answering),
            stdin=asyncio.subprocess.PIPE,
            pass_fds=(answering,),
            start_new_session=True,
        )
    except BaseException:
        os.close(answers)
        raise
    finally:
        os.close(answering)
    held.interrupt = lambda: _kill_tree(child.pid)
    try:
        if held.stop is not None:
            _kill_tree(child.pid)
        answer = await _asked(child, answers, _request(handler, name, payload))
        status = await child.wait()
    finally:
        held.interrupt = None
        _kill_tree(child.pid)
        if child.stdin is not None:
            child.stdin.close()
    outcome = _understood(answer, status)
    return outcome if held.stop is None else stopped(held, outcome)


def _request(handler: Callable[..., Any], name: str, payload: bytes) -> bytes:
    request = Request(
        path=sys.path,
        module=handler.__module__,
        file=inspect.getsourcefile(handler) or "",
        name=name,
        payload=payload.decode(),
    )
    return msgspec.json.encode(request) + b"\n"


async def _asked(child: asyncio.subprocess.Process, answers: int, request: bytes) -> bytes:
    """The child's whole answer; empty where it ended without one."""
    reader = asyncio.StreamReader(limit=LARGEST_ANSWER)
    pipe = os.fdopen(answers, "rb", 0)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        with suppress(BrokenPipeError, ConnectionResetError):
            if child.stdin is not None:
                child.stdin.write(request)
                await child.stdin.drain()
        return await reader.read()
    finally:
        transport.close()


def _understood(answer: bytes, status: int) -> Outcome:
    try:
        said = msgspec.json.decode(answer, type=Answer)
    except msgspec.MsgspecError:
        return Crashed(exit_in_words(status))
    match said.verdict:
        case "returned":
            result = bytes(said.result)
            return Returned(None if result == b"null" else result)
        case "snoozed":
            return Raised(Snooze(said.delay))
        case "interrupted":
            return Raised(Interrupted(said.message))
        case _:
            return Raised(
                ChildError(
                    said.type,
                    said.message,
                    said.traceback,
                    is_worth_retrying=said.is_worth_retrying,
                )
            )


def _kill_tree(pid: int) -> None:
    # The child leads its own group, so this takes what it started along; a process that left the
    # group is the task's reaper's business.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
