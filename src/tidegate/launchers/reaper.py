"""Runs one program so that nothing it starts outlives it, or outlives whoever supervises it.

A supervisor starts `orders.command(…)` in place of the program. The reaper becomes the subreaper of
all that it starts, so processes that detach themselves come back to it, and holds a pipe to
the supervisor, whose end closes however the supervisor dies. When the program exits, when the pipe
closes, when an order says so or when memory runs out, the whole tree is ended. The reaper then
writes an exit record and exits with the program's own status (128 + n after signal n).

Orders are lines on the control pipe:

    stop REASON [SIGNAL:SECONDS[:all] …]    each step in turn, then SIGKILL to the whole tree
    signal NUMBER                           to the program alone

SIGTERM to the reaper means `stop terminated TERM:<stop timeout>`; SIGINT, SIGHUP, SIGQUIT, SIGUSR1
and SIGUSR2 are passed on. A closed pipe means `stop orphaned TERM:<orphan timeout>`.

The exit record is one JSON object on the status descriptor:

    {"code": 0, "signal": null, "reason": "exited", "detail": "", "ended": 0, "peak_bytes": 0}

`reason` is exited, signalled, exec (the program could not be started), memory, or the reason of the
order that stopped it; `ended` counts the processes the program left behind.

Standard library only, and little of it: this starts once per command that a person typed. On macOS
there is no subreaper: a process that left both the program's session and its process group stays.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
import time  # tidegate.clock would load the whole package
from collections.abc import Callable, Sequence

TYPE_CHECKING = False
if TYPE_CHECKING or __package__:
    from tidegate.launchers import tree
    from tidegate.launchers.orders import Options, Step, exit_of, parsed_arguments, parsed_step
else:  # run alone
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - as in tree
    import tree
    from orders import Options, Step, exit_of, parsed_arguments, parsed_step

LINUX = sys.platform == "linux"
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
PASSED_ON = (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
MEMORY_TICK = 0.25
LEFTOVER_GRACE = 0.25
KILL_WITHIN = 2.0
CANNOT_RUN, NOT_FOUND = 126, 127
ORDER_LIMIT = 4096


class Reaper:
    """One program, run to its end.

    Args:
        options: Where to report and listen, and the limits.
        argv: The program.
        prepare: Called in the child just before it becomes the program; its `OSError` is reported
            as the reason why the program did not start.
    """

    def __init__(
        self, options: Options, argv: Sequence[str], prepare: Callable[[], None] | None = None
    ) -> None:
        self._options = options
        self._argv = list(argv)
        self._prepare = prepare
        self._worker = 0
        self._exit: tuple[int, str | None] | None = None
        self._reason: str | None = None
        self._detail = ""
        self._steps: list[Step] | None = None
        self._deadline = 0.0
        self._outlived = 0
        self._peak = 0
        self._pending = b""

    def run(self) -> int:
        """Run the program, end all it started, report, and return the exit status to use."""
        self._complete = become_subreaper()
        self._events = self._listening()
        failure = self._started()
        while self._exit is None:
            self._turn()
        ended = 0 if failure else self._ended_leftovers()
        self._report(ended)
        return self._exit[0]

    # Starting

    def _listening(self) -> select.poll:
        self._woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) if LINUX else _pipe()
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, *PASSED_ON):
            signal.signal(number, lambda *_: None)
        events = select.poll()
        events.register(self._woken, select.POLLIN)
        for descriptor in (self._options.control, self._options.status):
            if descriptor is not None:
                os.set_inheritable(descriptor, False)  # noqa: FBT003
        if self._options.control is not None:
            events.register(self._options.control, select.POLLIN)
        return events

    def _started(self) -> bool:
        """Start the program; True if that failed, and why is then recorded."""
        failure, report = os.pipe()
        self._worker = os.fork()
        if self._worker == 0:
            self._become(report)
        os.close(report)
        with open(failure, "rb") as pipe:  # noqa: PTH123 - a descriptor
            text = pipe.read()
        if text:
            code, _, self._detail = text.decode(errors="replace").partition(" ")
            os.waitpid(self._worker, 0)
            self._exit, self._reason = (int(code), None), "exec"
        return bool(text)

    def _become(self, report: int) -> None:
        """Turn the forked child into the program; does not return."""
        try:
            os.setsid()
            _restore_signals()
            _set_death_signal()
            if self._prepare is not None:
                self._prepare()
            os.execvp(self._argv[0], self._argv)  # noqa: S606 - no shell is wanted
        except OSError as error:
            code = NOT_FOUND if error.errno == errno.ENOENT else CANNOT_RUN
            os.write(report, f"{code} cannot run {self._argv[0]!r}: {error}".encode())
        finally:
            os._exit(CANNOT_RUN)

    # Waiting

    def _turn(self) -> None:
        timeout = self._timeout()
        for descriptor, _ in self._events.poll(None if timeout is None else timeout * 1000):
            if descriptor == self._woken:
                self._signalled(os.read(descriptor, 512))
            else:
                self._ordered(os.read(descriptor, ORDER_LIMIT))
        if self._options.memory is not None:
            self._watch_memory(self._options.memory)
        if self._steps is not None and time.monotonic() >= self._deadline:
            self._take_step()

    def _timeout(self) -> float | None:
        """Seconds until something is due; None when only events matter."""
        due = [] if self._options.memory is None else [MEMORY_TICK]
        if self._steps is not None:
            due.append(max(self._deadline - time.monotonic(), 0.0))
        return min(due, default=None)

    def _signalled(self, numbers: bytes) -> None:
        for number in numbers:
            if number == signal.SIGCHLD:
                self._reap()
            elif number == signal.SIGTERM:
                self._stop("terminated", [Step(signal.SIGTERM, self._options.stop_timeout)])
            else:
                self._signal(number)

    def _ordered(self, data: bytes) -> None:
        if not data:
            self._events.unregister(self._options.control or 0)
            self._stop("orphaned", [Step(signal.SIGTERM, self._options.orphan_timeout)])
            return
        *lines, self._pending = (self._pending + data).split(b"\n")
        for line in lines:
            verb, *words = line.decode().split()
            if verb == "stop":
                self._stop(words[0], [parsed_step(word) for word in words[1:]])
            elif verb == "signal":
                self._signal(int(words[0]))

    # Stopping

    def _stop(self, reason: str, steps: list[Step]) -> None:
        """Begin `steps`; a later order replaces the steps of an earlier one, not its reason."""
        self._reason = self._reason or reason
        self._steps, self._deadline = steps, 0.0

    def _take_step(self) -> None:
        if not self._steps:
            self._end()
            return
        step = self._steps.pop(0)
        self._deadline = time.monotonic() + step.seconds
        if step.everyone:
            everyone = self._members()
            tree.send(everyone, step.number)
            # A process that ctrl-Z stopped gets its signal only once it runs again.
            tree.send(everyone, signal.SIGCONT)
        else:
            self._signal(step.number)

    def _signal(self, number: int) -> None:
        # Not reaped yet, so the id cannot have passed to another process.
        if self._exit is None:
            os.kill(self._worker, number)

    def _watch_memory(self, limit: int) -> None:
        used = tree.used_bytes(self._members(), limit)
        self._peak = max(self._peak, used)
        if used > limit and self._reason != "memory":
            self._reason = "memory"
            mib = 1024 * 1024
            self._detail = f"used {used // mib} MiB of memory; the limit is {limit // mib} MiB"
            self._end()

    def _members(self) -> list[tree.Process]:
        return tree.members(os.getpid(), None if self._complete else self._worker)

    def _end(self) -> tree.Ended:
        session = None if self._complete else self._worker
        return tree.end(os.getpid(), session=session, seconds=KILL_WITHIN, reap=self._reap)

    def _reap(self) -> bool:
        """Collect the dead; False once there is nobody left to wait for."""
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return True
                if pid == self._worker:
                    self._exit = exit_of(status)
                elif self._exit is not None:
                    self._outlived += 1
        except ChildProcessError:
            return False

    def _ended_leftovers(self) -> int:
        """End what the program left behind: SIGTERM, a moment, SIGKILL; and say how many."""
        if self._complete and not self._reap():
            return self._outlived  # no children, no descendants: orphans would have come to us
        leftovers = self._members()
        tree.send(leftovers, signal.SIGTERM)
        tree.send(leftovers, signal.SIGCONT)
        until = time.monotonic() + LEFTOVER_GRACE
        while self._reap() and time.monotonic() < until:
            time.sleep(tree.PAUSE)
        killed = self._end().count
        # Orphans die as our children, those included that a hang-up reached before we did.
        return self._outlived if self._complete else max(len(leftovers), killed)

    def _report(self, ended: int) -> None:
        if self._options.status is None or self._exit is None:
            return
        import json  # noqa: PLC0415 - slow to import, and wanted only now

        code, name = self._exit
        record = {
            "code": code,
            "signal": name,
            "reason": self._reason or ("signalled" if name else "exited"),
            "detail": self._detail,
            "ended": ended,
            "peak_bytes": self._peak,
        }
        try:
            os.write(self._options.status, json.dumps(record).encode())
        except BrokenPipeError:
            return  # the supervisor is gone; there is nobody left to tell


def _pipe() -> tuple[int, int]:
    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    os.set_blocking(writable, False)
    return readable, writable


def _prctl(option: int, value: int) -> bool:
    import ctypes  # noqa: PLC0415 - not needed, and its libc not there, on macOS

    return bool(ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0)


def become_subreaper() -> bool:
    """Have orphaned descendants come to this process; False where the kernel cannot."""
    return LINUX and _prctl(PR_SET_CHILD_SUBREAPER, 1)


def _set_death_signal() -> None:
    # Only adds to the pipe, for the case that the reaper itself is killed. Safe here, though it
    # fires when the starting thread ends: the reaper has one thread.
    if LINUX:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _restore_signals() -> None:
    # Python ignores these two, and ignored signals stay ignored across exec.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def main(arguments: Sequence[str]) -> None:
    """Run as a program: see the module's first lines."""
    options, argv, _ = parsed_arguments(arguments)
    sys.exit(Reaper(options, argv).run())


if __name__ == "__main__":
    main(sys.argv[1:])
