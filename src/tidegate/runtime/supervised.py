"""One program that `tidegate up` keeps running: started, awaited, restarted with back-off."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from tidegate.clock import SYSTEM, Clock
from tidegate.launchers.child import HURRY, Child, Exit
from tidegate.launchers.logs import last_lines
from tidegate.runtime.listener import Listener
from tidegate.runtime.programs import Program

_FIRST_DELAY: Final = 0.25
_LONGEST_DELAY: Final = 10.0
_SETTLED_AFTER: Final = 10.0
_LAST_WORDS: Final = 12


class Supervised:
    """A program that is to run for as long as `up` does.

    Args:
        program: What to run.
        log: The file its output goes to.
        listener: Told when it is ready and when it ends.
        keep: Descriptors every child is given.
        retry_first: Whether to try again where it ends before it was ever ready; otherwise it is
            given up, and `failure` says why.
    """

    def __init__(
        self,
        program: Program,
        *,
        log: Path,
        listener: Listener,
        keep: Sequence[int] = (),
        retry_first: bool = True,
        clock: Clock = SYSTEM,
    ) -> None:
        self.program = program
        self.log = log
        self.failure: str | None = None
        self.is_ready = asyncio.Event()
        self._listener = listener
        self._keep = tuple(keep)
        self._retry_first = retry_first
        self._clock = clock
        self._child: Child | None = None
        self._stopping = asyncio.Event()
        self._again = asyncio.Event()
        self._delay = _FIRST_DELAY

    @property
    def name(self) -> str:
        """What people know it by."""
        return self.program.name

    async def run(self) -> None:
        """Keep it running until `stop`; returns once it has ended.

        Cancelling leaves it to its reaper, which ends it together with this process.
        """
        while not self._stopping.is_set():
            ended = await self._once()
            if self._stopping.is_set():
                return
            if self._again.is_set():
                self._begin_anew()
            elif not self._retry_first and not self.is_ready.is_set():
                self._give_up(ended)
                return
            else:
                await self._back_off(ended)

    def restart(self, *, timeout: float) -> None:
        """End it, within `timeout` seconds, and start it again at once."""
        self._again.set()
        if self._child is not None:
            self._child.stop("reload", timeout=timeout)

    def stop(self) -> None:
        """End it, within its stop timeout; `run` then returns. Stopping again does nothing."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._again.set()
            if self._child is not None:
                self._child.stop()

    def hurry(self) -> None:
        """End it now, if it is stopping."""
        if self._child is not None and self._stopping.is_set():
            self._child.stop("hurried", timeout=HURRY)

    async def _once(self) -> Exit:
        started = self._clock.monotonic()
        program = self.program
        child = self._child = Child(
            program.argv,
            env=program.env,
            log=self.log,
            stop_timeout=program.stop_timeout,
            keep=(*program.keep, *self._keep),
        )
        child.start()
        announcing = asyncio.create_task(self._announce(started), name=f"ready-{self.name}")
        try:
            return await child.wait()
        finally:
            announcing.cancel()
            with suppress(asyncio.CancelledError):
                await announcing
            if self._clock.monotonic() - started > _SETTLED_AFTER:
                self._delay = _FIRST_DELAY

    async def _announce(self, started: float) -> None:
        note = await self.program.ready()
        self._listener.ready(self.name, self._clock.monotonic() - started, note)
        self.is_ready.set()

    def _begin_anew(self) -> None:
        self._again.clear()
        self._delay = _FIRST_DELAY

    def _give_up(self, ended: Exit) -> None:
        self.failure = f"{self.name} {ended.in_words}"
        self._listener.ended(
            self.name, ended.in_words, last=last_lines(self.log, _LAST_WORDS), retry_in=None
        )

    async def _back_off(self, ended: Exit) -> None:
        last = last_lines(self.log, _LAST_WORDS)
        self._listener.ended(self.name, ended.in_words, last=last, retry_in=self._delay)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._delay):
                await self._again.wait()
        self._again.clear()
        self._delay = min(self._delay * 2, _LONGEST_DELAY)
