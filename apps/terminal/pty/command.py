"""One command line, run in a pseudo-terminal and a sandbox, from its start to its last process."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

from msgspec import DecodeError, json

from apps.terminal.pty.carry import CAPTURE_BYTES, Carried, carried
from apps.terminal.pty.exit import Exit, Record
from apps.terminal.pty.shell import report_descriptor, report_file, shell_line
from apps.terminal.pty.spec import CommandSpec
from apps.terminal.pty.tty import Tty
from apps.terminal.sandbox import Sandbox
from apps.terminal.sandbox.disk import DiskWatch
from apps.terminal.sandbox.entry import Entry
from tidegate.launchers import orders

KILL_WITHIN = 2.0
# INT as ctrl-C would, TERM for what ignores it, and KILL at the latest after a second: then a
# second remains to find whatever fled.
KILL_STEPS = (
    orders.Step(signal.SIGINT, 0.5, everyone=True),
    orders.Step(signal.SIGTERM, 0.5, everyone=True),
)


class PtyCommand:
    """A command that runs. Made by `start`; everything it began has ended when that is left.

    Attributes:
        discarded: Bytes of output beyond the limit, read and thrown away so far.
    """

    def __init__(self, spec: CommandSpec, sandbox: Sandbox, tty: Tty, entry: Entry) -> None:
        self.discarded = 0
        self._spec = spec
        self._sandbox = sandbox
        self._workspace = str(spec.workspace.resolve())
        self._tty = tty
        self._entry = entry
        self._passed = 0
        self._reason: str | None = None
        self._detail = ""
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._exit: asyncio.Future[Exit] = self._loop.create_future()

    @classmethod
    @contextlib.asynccontextmanager
    async def start(cls, sandbox: Sandbox, spec: CommandSpec) -> AsyncIterator[Self]:
        """Run `spec`; on leaving, end what still runs of it.

        Raises:
            OSError: No terminal, process or descriptor is to be had.
        """
        with contextlib.ExitStack() as undo:
            tty = Tty.open(spec.cols, spec.rows, spec.identity.uid)
            undo.callback(tty.close)
            run = cls(spec, sandbox, tty, undo.enter_context(_entry(sandbox, spec)))
            run._spawn(undo)
            async with run._watched():
                # A ctrl-C typed at a terminal that nobody holds yet would be lost.
                await readable(run._ready, run._loop)
                yield run

    # For the one who started it

    async def output(self) -> AsyncIterator[bytes]:
        """What it prints, as it comes, until it has ended; for one consumer.

        While the consumer takes nothing the command stands still once 64 KiB wait. Beyond the
        limit a marker comes once and the rest is discarded, so that the command can go on.
        """
        while data := await self._tty.read():
            if allowed := self._allowed(data):
                yield allowed

    async def write(self, data: bytes) -> None:
        """Type `data`; dropped once the command has ended.

        Raises:
            InputFullError: 64 KiB wait already and the command has not read for five seconds.
        """
        await self._tty.write(data)

    def resize(self, cols: int, rows: int) -> None:
        """Give its terminal this size."""
        if not self._exit.done():
            self._tty.resize(cols, rows)

    def signal(self, name: str) -> None:
        """Signal what runs in the foreground: INT, TERM, KILL, …; nothing once it has ended."""
        if not self._exit.done():
            self._tty.signal(getattr(signal, f"SIG{name}"))

    async def kill(self, reason: str = "killed") -> Exit:
        """End all that the command started within two seconds: INT, TERM, KILL. Safe to repeat.

        Args:
            reason: One word, for `Exit.reason`; the first one given stays.
        """
        self._stop(reason)
        return await self.wait()

    async def wait(self) -> Exit:
        """How it ended, once it has; for any number of callers. Cancelling it changes nothing."""
        return await asyncio.shield(self._exit)

    # Starting

    def _spawn(self, undo: contextlib.ExitStack) -> None:
        self._status, status = os.pipe()
        undo.callback(os.close, self._status)
        self._ready, ready = os.pipe()
        undo.callback(os.close, self._ready)
        control, self._control = os.pipe()
        undo.callback(os.close, self._control)
        self._report = report_file()
        undo.callback(os.close, self._report)
        shell = self._sandbox.shell
        argv = self._entry.command(
            shell_line(shell, self._spec.command),
            status,
            control,
            ready=ready,
            keep={self._report: report_descriptor(shell)},
        )
        try:
            self._guard = subprocess.Popen(  # noqa: S603 - our own guard; the command is its matter
                argv,
                env={},
                cwd="/",
                stdin=self._tty.far,
                stdout=self._tty.far,
                stderr=self._tty.far,
                pass_fds=(*self._entry.descriptors, self._report, status, control, ready),
                start_new_session=True,
            )
        finally:
            for descriptor in (status, control, ready):
                os.close(descriptor)

    @contextlib.asynccontextmanager
    async def _watched(self) -> AsyncIterator[None]:
        """Own the tasks that follow the command; leaving ends the command first."""
        timeout = self._loop.call_later(self._spec.limits.timeout, self._time_is_up)
        disk = asyncio.create_task(self._watch_disk(), name="disk")
        ending = asyncio.create_task(self._follow(), name="ending")
        try:
            yield
        finally:
            timeout.cancel()
            disk.cancel()
            self._stop("abandoned")
            # Should this be cancelled again, the closed control pipe ends the command all the same.
            await asyncio.wait([disk, ending])

    async def _watch_disk(self) -> None:
        folders = (self._spec.workspace, self._spec.identity.scratch)
        watch = DiskWatch(folders, self._spec.limits.disk_bytes)
        detail = await watch.until_spent()
        self._stop("disk", detail)

    def _time_is_up(self) -> None:
        self._stop("timeout", f"ran for {self._spec.limits.timeout:g} s, its limit")

    # Ending

    def _stop(self, reason: str, detail: str = "") -> None:
        if self._exit.done() or self._reason:
            return
        self._reason, self._detail = reason, detail
        with contextlib.suppress(BrokenPipeError):
            os.write(self._control, orders.stop_order(reason, *KILL_STEPS))

    async def _follow(self) -> None:
        record = await self._record()
        await asyncio.to_thread(self._collect, record)
        self._tty.finish()
        self._exit.set_result(self._ended(record))

    async def _record(self) -> Record:
        """The guard's record; a default one if the guard died before or while it wrote one."""
        data = bytearray()
        await readable(self._status, self._loop)
        while piece := os.read(self._status, 64 * 1024):
            data += piece
            await readable(self._status, self._loop)
        try:
            return json.decode(data, type=Record)
        except DecodeError:
            return Record()

    def _collect(self, record: Record) -> None:
        self._guard.wait()
        if record.reason == "lost" and self._entry.cgroup is not None:
            # Without its guard the tree is scattered; its cgroup still names every process.
            self._entry.cgroup.end()

    def _ended(self, record: Record) -> Exit:
        starved = self._entry.cgroup is not None and self._entry.cgroup.out_of_memory()
        # A command may go on, and well, after the kernel has ended one of its processes.
        reason = self._reason or ("memory" if starved and record.code else record.own_reason)
        return Exit(
            code=record.code,
            signal=record.signal,
            reason=reason,
            detail=self._detail or record.detail or (self._memory_detail() if starved else ""),
            duration=self._loop.time() - self._started,
            ended=record.ended,
            carried=self._carried(),
        )

    def _memory_detail(self) -> str:
        limit = self._spec.limits.memory_bytes // (1024 * 1024)
        return f"a process was ended for want of memory; the limit is {limit} MiB"

    def _carried(self) -> Carried:
        new = self._sandbox.environment(self._spec.identity, self._spec.workspace)
        written = os.pread(self._report, CAPTURE_BYTES, 0)
        return carried(written, new, self._workspace) or self._spec.carried

    def _allowed(self, data: bytes) -> bytes:
        """As much of `data` as may be passed on, with the marker where the rest is cut off."""
        limit = self._spec.limits.output_bytes
        room = max(limit - self._passed, 0)
        was_cut = self.discarded > 0
        self._passed += len(data[:room])
        self.discarded += len(data[room:])
        marker = b"" if was_cut or len(data) <= room else _marker(limit)
        return data[:room] + marker


async def readable(descriptor: int, loop: asyncio.AbstractEventLoop) -> None:
    """Wait until `descriptor` has something to read, or has closed."""
    event = asyncio.Event()
    loop.add_reader(descriptor, event.set)
    try:
        await event.wait()
    finally:
        loop.remove_reader(descriptor)


def _entry(sandbox: Sandbox, spec: CommandSpec) -> Entry:
    workspace = str(spec.workspace.resolve())
    return sandbox.entry(
        spec.identity,
        spec.limits,
        home=Path(workspace),
        cwd=spec.carried.folder_in(workspace),
        exported=spec.carried.exported_in(workspace),
    )


def _marker(limit: int) -> bytes:
    return f"\r\n[tidegate: output beyond {limit // 1024} KiB is not shown]\r\n".encode()
