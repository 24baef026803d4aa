"""The processes below one process: found, frozen, ended.

Used by the reaper, which runs without site packages and must start in a few milliseconds: this
module imports nothing but the standard library, and of that only what is cheap.

On Linux the tree is read from /proc and is complete for a root that is a child subreaper, because
orphans come back to it. Elsewhere it is read from `ps`: a process that detached itself with a
double fork is found only while it keeps the session or process group it was started in.
"""

# ruff: noqa: PTH112, PTH116, PTH123, PTH208 - pathlib takes longer to import than all of this

from __future__ import annotations

import os
import signal
import time  # the reaper cannot import tidegate.clock, which would load the whole package
from collections.abc import Callable, Iterable, Mapping

DEAD = frozenset("ZX")
PAGE = os.sysconf("SC_PAGE_SIZE")
PAUSE = 0.005


class Process:
    """One line of the process table.

    Attributes:
        pid: Its id.
        parent: The id of its parent now; orphans have been given a new one.
        group: Its process group.
        session: Its session; where `ps` shows none, its process group.
        state: One letter as in ps(1): R, S, D, T, Z and so on.
        resident: Bytes in memory, pages shared with others counted in full.
    """

    __slots__ = ("group", "parent", "pid", "resident", "session", "state")

    def __init__(
        self, pid: int, *, parent: int, group: int, session: int, state: str, resident: int
    ) -> None:
        self.pid = pid
        self.parent = parent
        self.group = group
        self.session = session
        self.state = state
        self.resident = resident


class Ended:
    """What became of a tree: the processes that were ended, and those that would not go."""

    __slots__ = ("count", "left")

    def __init__(self, count: int, left: tuple[int, ...]) -> None:
        self.count = count
        self.left = left


Find = Callable[[], list[Process]]


# -- deciding -------------------------------------------------------------------------------


def parsed_stat(line: bytes) -> Process:
    """The process that a line of /proc/PID/stat describes."""
    # The name is in parentheses and may itself hold spaces and parentheses.
    name_end = line.rindex(b")")
    fields = line[name_end + 2 :].split()
    return Process(
        int(line[: line.index(b" ")]),
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        state=fields[0].decode(),
        resident=int(fields[21]) * PAGE,
    )


def parsed_ps(line: bytes) -> Process:
    """The process that a line of `ps -axo pid=,ppid=,pgid=,stat=,rss=` describes."""
    pid, parent, group, state, resident = line.split()[:5]
    return Process(
        int(pid),
        parent=int(parent),
        group=int(group),
        session=int(group),
        state=state.decode()[0],
        resident=int(resident) * 1024,
    )


def below(processes: Mapping[int, Process], root: int) -> list[Process]:
    """Every living process that descends from `root`, itself excluded, parents first."""
    children: dict[int, list[Process]] = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    queue, seen = [root], {root}
    while queue:
        for child in children.get(queue.pop(), ()):
            if child.pid not in seen:
                seen.add(child.pid)
                queue.append(child.pid)
                found.append(child)
    return [process for process in found if process.state not in DEAD]


def in_session(processes: Mapping[int, Process], session: int) -> list[Process]:
    """Every living process that still belongs to `session` or to its first process group."""
    return [
        process
        for process in processes.values()
        if session in (process.session, process.group) and process.state not in DEAD
    ]


# -- acting ---------------------------------------------------------------------------------


def snapshot() -> dict[int, Process]:
    """The process table now, by pid; processes that vanish while it is read are left out."""
    return _from_proc() if os.path.isdir("/proc/self") else _from_ps()


def _from_proc() -> dict[int, Process]:
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb", buffering=0) as stat:
                    found[int(name)] = parsed_stat(stat.read(4096))
            except OSError:
                continue
    return found


def _from_ps() -> dict[int, Process]:
    # os.popen would need a shell; this is the only other way without importing subprocess.
    readable, writable = os.pipe()
    listing = ["ps", "-axo", "pid=,ppid=,pgid=,stat=,rss="]
    redirect = [(os.POSIX_SPAWN_DUP2, writable, 1)]
    child = os.posix_spawnp("ps", listing, os.environ, file_actions=redirect)
    os.close(writable)
    with open(readable, "rb") as pipe:
        lines = pipe.read().splitlines()
    os.waitpid(child, 0)
    return {process.pid: process for process in map(parsed_ps, lines) if process.pid != child}


def members(root: int, session: int | None = None) -> list[Process]:
    """The living tree of `root` now, itself excluded.

    Args:
        root: A process; on Linux best a child subreaper, whose tree is complete.
        session: Processes of this session count as well, wherever they hang.
    """
    processes = snapshot()
    found = {process.pid: process for process in below(processes, root)}
    if session is not None:
        found.update((process.pid, process) for process in in_session(processes, session))
    found.pop(root, None)
    found.pop(os.getpid(), None)
    return list(found.values())


def of_user(uid: int) -> list[Process]:
    """The living processes that run as user `uid`; Linux only, elsewhere none."""
    return [
        process
        for process in (_from_proc() if os.path.isdir("/proc/self") else {}).values()
        if process.state not in DEAD and _owner(process.pid) == uid
    ]


def _owner(pid: int) -> int | None:
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return None


def send(processes: Iterable[Process], number: int) -> None:
    """Signal each of `processes`; those already gone, or not ours, are passed over."""
    for process in processes:
        try:
            os.kill(process.pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def frozen(find: Find, until: float) -> list[Process]:
    """All that `find` finds, stopped: a process that is stopped can neither fork nor flee.

    Stops everyone and looks again until nobody new is found, so a fork bomb loses the race: each
    round leaves it fewer processes that can still fork.
    """
    stopped: dict[int, Process] = {}
    while True:
        fresh = [process for process in find() if process.pid not in stopped]
        if not fresh:
            return list(stopped.values())
        send(fresh, signal.SIGSTOP)
        stopped.update((process.pid, process) for process in fresh)
        if time.monotonic() > until:
            return list(stopped.values())


def end(
    root: int,
    *,
    session: int | None = None,
    seconds: float = 2.0,
    reap: Callable[[], object] = lambda: None,
) -> Ended:
    """Kill every process below `root`, and say how many there were. Safe to repeat.

    Args:
        root: The process whose descendants are ended; it is itself left alone.
        session: Processes of this session are ended as well.
        seconds: How long to keep looking. A process in uninterruptible sleep may outlast it; it is
            then named in `left`, its SIGKILL pending.
        reap: Called between rounds, to collect the dead if `root` is the calling process.
    """
    return _end(lambda: members(root, session), seconds, reap)


def end_user(uid: int, *, seconds: float = 2.0) -> Ended:
    """Kill every process that runs as user `uid`, as `end` does; Linux only, elsewhere none."""
    return _end(lambda: of_user(uid), seconds, lambda: None)


def _end(find: Find, seconds: float, reap: Callable[[], object]) -> Ended:
    until = time.monotonic() + seconds
    ended: set[int] = set()
    while True:
        found = frozen(find, until)
        send(found, signal.SIGKILL)
        ended.update(process.pid for process in found)
        reap()
        if not found:
            return Ended(len(ended), ())
        if time.monotonic() > until:
            return Ended(len(ended), tuple(process.pid for process in found))
        time.sleep(PAUSE)


def used_bytes(processes: Iterable[Process], limit: int) -> int:
    """Memory that `processes` hold together.

    Resident sizes count a shared page once per process; where they seem to pass `limit`, the
    kernel's proportional sizes, which are exact and slow to read, decide.
    """
    processes = list(processes)
    resident = sum(process.resident for process in processes)
    if resident <= limit:
        return resident
    return sum(_proportional(process) for process in processes)


def _proportional(process: Process) -> int:
    try:
        with open(f"/proc/{process.pid}/smaps_rollup", "rb") as rollup:
            for line in rollup:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        return process.resident
    return process.resident
