"""How a handler is called: on the event loop, in a thread, or in a child process.

Each way answers an `Outcome` and lets the attempt be stopped through its `Held`. Which exceptions
mean what is decided later, in `attempt.judged`.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, Final

from tidegate.jobs.attempt import Outcome, Raised, Returned, Stop, Stopped, returned
from tidegate.jobs.lease import Held

THREAD_GRACE: Final = 1.0


class InOwnContext:
    """Awaits a coroutine in a copy of the current context.

    A slot runs many jobs in one task; this keeps the context variables that one handler sets from
    the next, at a quarter of what a task for each job costs.
    """

    __slots__ = ("_coroutine",)

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        run = copy_context().run
        send, throw = self._coroutine.send, self._coroutine.throw
        try:
            step = run(send, None)
            while True:
                try:
                    value = yield step
                except BaseException as error:  # noqa: BLE001 - handed on to whoever awaits
                    step = run(throw, error)
                else:
                    step = run(send, value)
        except StopIteration as finished:
            return finished.value


async def on_loop(
    held: Held, task: "asyncio.Task[Any]", function: Callable[..., Any], args: tuple[object, ...]
) -> Outcome:
    """Await a coroutine function's handler in `task`, the caller's own, which stops by cancelling.

    Cancelling the task for another reason than the attempt's ends the caller too.
    """
    held.interrupt = task.cancel
    try:
        outcome: Outcome = returned(await InOwnContext(function(*args)))
    except asyncio.CancelledError as error:
        if held.stop is None and task.cancelling():
            raise
        outcome = Raised(error)  # unless stopped: the handler awaited something that was cancelled
    except BaseException as error:  # noqa: BLE001 - sys.exit in a handler is the handler's failure
        outcome = Raised(error)
    finally:
        held.interrupt = None
    if held.stop is None:
        return outcome
    while task.cancelling():
        task.uncancel()
    return stopped(held, outcome)


def stopped(held: Held, outcome: Outcome | None) -> Outcome:
    """The outcome of an attempt that was asked to stop: what it returned in time still counts."""
    if held.stop is None:
        raise AssertionError("expected an attempt that was asked to stop")
    if isinstance(outcome, Returned) and held.stop is not Stop.LOST:
        return outcome
    return Stopped(held.stop, held.reason)


class Threads:
    """Threads for handlers that are plain functions, as many as the worker has slots.

    A thread cannot be killed. An attempt that is stopped has `THREAD_GRACE` seconds to notice
    (`job.cancel_reason`), then its outcome is decided without it; its slot stays taken until the
    function returns (`Held.straggler`).
    """

    def __init__(self, slots: int) -> None:
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="handler")

    async def call(
        self, held: Held, function: Callable[..., Any], args: tuple[object, ...]
    ) -> Outcome:
        """Call the function in a thread."""
        loop = asyncio.get_running_loop()
        asked = asyncio.Event()
        held.interrupt = asked.set
        running = loop.run_in_executor(self._pool, copy_context().run, _outcome, function, args)
        asking = asyncio.ensure_future(asked.wait())
        try:
            await asyncio.wait((running, asking), return_when=asyncio.FIRST_COMPLETED)
            if held.stop is not None and held.stop is not Stop.LOST:
                await asyncio.wait((running,), timeout=THREAD_GRACE)
        finally:
            asking.cancel()
            held.interrupt = None
        if held.stop is None:
            return running.result()
        if running.done():
            return stopped(held, running.result())
        held.straggler = running
        return stopped(held, None)

    def close(self) -> None:
        """Take no more; threads that still run are left to end with the process."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _outcome(function: Callable[..., Any], args: tuple[object, ...]) -> Outcome:
    try:
        return returned(function(*args))
    except BaseException as error:  # noqa: BLE001 - the handler's failure, whatever it is
        return Raised(error)
