"""One program under a reaper, as its supervisor holds it: started, stopped, waited for.

The pipe to the reaper is held by this process alone, so however this process dies the program and
all it started are ended.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from signal import SIGTERM
from typing import Final

import msgspec
from msgspec import Struct

from tidegate.launchers.orders import Step, command, signal_order, stop_order

HURRY: Final = 0.5
_STARTED_BY_PYTHON: Final = ("-X", "frozen_modules=on")
_ORPHAN_TIMEOUT: Final = 5.0


class Exit(Struct, frozen=True, kw_only=True):
    """How a program ended, as its reaper says.

    Attributes:
        code: Its exit status; 128 + n after signal n.
        signal: The name of the signal that killed it, without SIG; None if none did.
        reason: exited, signalled, exec, memory, orphaned, lost, or why it was stopped.
        detail: More about it, for exec and memory.
        ended: Processes it had left behind, which were ended.
        peak_bytes: The most memory the tree was seen to hold; 0 where it was not watched.
    """

    code: int
    signal: str | None = None
    reason: str = "exited"
    detail: str = ""
    ended: int = 0
    peak_bytes: int = 0

    @property
    def in_words(self) -> str:
        """A sentence's end: `exited with status 1`."""
        if self.reason == "memory":
            return f"ran out of memory: {self.detail}"
        if self.reason in {"exec", "lost"}:
            return self.detail
        if self.signal is not None:
            return f"was killed by SIG{self.signal}"
        return f"exited with status {self.code}"


class Child:
    """One program under a reaper.

    Args:
        argv: The program and its arguments.
        env: The whole of its environment.
        log: File that its output is appended to.
        cwd: Where it runs; here by default.
        stop_timeout: Seconds from SIGTERM to SIGKILL.
        memory_bytes: What its process tree may hold together; None for no limit.
        keep: Inheritable descriptors the program is given, under the same numbers.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path,
        cwd: Path | None = None,
        stop_timeout: float = 30.0,
        memory_bytes: int | None = None,
        keep: Sequence[int] = (),
    ) -> None:
        self._argv = list(argv)
        self._env = dict(env)
        self._log = log
        self._cwd = cwd
        self._stop_timeout = stop_timeout
        self._memory_bytes = memory_bytes
        self._keep = tuple(keep)
        self._report = b""
        self._process: subprocess.Popen[bytes] | None = None
        self._control = -1
        self._ended: asyncio.Future[Exit] | None = None

    @property
    def pid(self) -> int:
        """The process id of the reaper; 0 before the start."""
        return self._process.pid if self._process is not None else 0

    @property
    def has_ended(self) -> bool:
        """Whether the program and all it started are gone."""
        return self._ended is not None and self._ended.done()

    def start(self) -> None:
        """Start the program; call it from the event loop that will wait for its end."""
        status, theirs = os.pipe()
        orders, self._control = os.pipe()
        try:
            self._process = self._spawned(theirs, orders)
        except BaseException:
            os.close(status)
            os.close(self._control)
            raise
        finally:
            os.close(theirs)
            os.close(orders)
        os.set_blocking(status, False)
        loop = asyncio.get_running_loop()
        self._ended = loop.create_future()
        loop.add_reader(status, self._reported, status)

    def _spawned(self, status: int, orders: int) -> subprocess.Popen[bytes]:
        argv = command(
            self._argv,
            status=status,
            control=orders,
            stop_timeout=self._stop_timeout,
            orphan_timeout=_ORPHAN_TIMEOUT,
            memory_bytes=self._memory_bytes,
        )
        with self._log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - what the app declares is what we run
                argv,
                env=self._env,
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(status, orders, *self._keep),
                # ctrl-C in the terminal is for the supervisor, which stops its children in order.
                start_new_session=True,
            )

    def stop(self, reason: str = "stopped", *, timeout: float | None = None) -> None:
        """Send SIGTERM, and SIGKILL to all of it after `timeout` (default: its stop timeout).

        `reason` is one word. Stopping again with a shorter timeout hurries.
        """
        seconds = self._stop_timeout if timeout is None else timeout
        self._order(stop_order(reason, Step(SIGTERM, seconds)))

    def signal(self, number: int) -> None:
        """Send a signal to the program alone."""
        self._order(signal_order(number))

    async def wait(self) -> Exit:
        """How it ended, once it and all it started have; cancelling only stops the waiting."""
        if self._ended is None:
            raise RuntimeError("wait() before start()")
        return await asyncio.shield(self._ended)

    def _order(self, order: bytes) -> None:
        if self._control >= 0:
            with suppress(BrokenPipeError):  # it has ended, and the loop has yet to notice
                os.write(self._control, order)

    def _reported(self, status: int) -> None:
        data = os.read(status, 65536)
        if data:
            self._report += data
            return
        asyncio.get_running_loop().remove_reader(status)
        os.close(status)
        os.close(self._control)
        self._control = -1
        self._settle()

    def _settle(self) -> None:
        process, ended = self._process, self._ended
        if process is None or ended is None:
            return
        # The reaper closed its last descriptor by exiting, so this does not wait.
        code = process.wait()
        ended.set_result(_exit(self._report, code))


def _exit(report: bytes, code: int) -> Exit:
    if report:
        return msgspec.json.decode(report, type=Exit)
    return Exit(code=code, reason="lost", detail=f"its reaper ended without a word (status {code})")


def python(*arguments: str) -> list[str]:
    """The command line of a Python program of ours."""
    return [sys.executable, *_STARTED_BY_PYTHON, *arguments]
