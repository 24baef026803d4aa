"""A reaper whose program is locked in before it starts.

Runs alone, as `orders.command(…, entry="guard")` spells it, with the worker's rights and an empty
environment: whatever the command's environment holds, LD_PRELOAD included, takes effect only in the
command itself. Options beyond the reaper's:

    --tty=0             make standard input the controlling terminal
    --uid=N             user and group to become
    --limit=NAME:N      a resource limit, as in `resource.RLIMIT_NAME`; may be repeated
    --join=FILE         a cgroup's member list to enter
    --seccomp=FD        filter program to load
    --landlock=N        the kernel's version, with --own=PATH, --write=PATH and --read=PATH,
                        repeated; without --read, everything may be read
    --env=FD            the command's environment, entries ended by NUL
    --keep=FD:AS        a descriptor the command gets, and its number there
    --cwd=PATH          where it starts; the home folder if that is gone
    --ready=FD          gets a byte once the command can be typed to and signalled

The order matters: limits and cgroups while this is still root, then the user, then what a user may
do to itself, the system call filter last because it refuses some of the calls before it.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import resource
import sys
import termios
from collections.abc import Callable, Mapping, Sequence

TYPE_CHECKING = False
if TYPE_CHECKING or __package__:
    from tidegate.launchers import orders, reaper
else:  # run alone
    import orders
    import reaper

PR_SET_PDEATHSIG, PR_CAPBSET_READ, PR_CAPBSET_DROP = 1, 23, 24
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 22, 38, 47
SECCOMP_MODE_FILTER, PR_CAP_AMBIENT_CLEAR_ALL = 2, 4
SIGKILL = 9
INSTRUCTION_BYTES = 8
ENVIRONMENT_LIMIT = 1024 * 1024
OOM_FIRST = 500

LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
EXECUTE, WRITE_FILE, READ_FILE = 1 << 0, 1 << 1, 1 << 2
TREE_WRITES = sum(1 << bit for bit in range(4, 13))  # make and remove, of every kind
REFER, TRUNCATE = 1 << 13, 1 << 14
REFER_SINCE, TRUNCATE_SINCE = 2, 3

Given = Mapping[str, Sequence[str]]


class FilterProgram(ctypes.Structure):
    """The kernel's `struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


class Ruleset(ctypes.Structure):
    """The kernel's `struct landlock_ruleset_attr`, as far as files go."""

    _fields_ = (("handled", ctypes.c_uint64),)


class PathRule(ctypes.Structure):
    """The kernel's `struct landlock_path_beneath_attr`."""

    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def entering(given: Given) -> Callable[[], None]:
    """What the forked child does before it becomes the command.

    All that is read or opened is read here, in the parent: once the child has changed user, it may
    not even be able to reach the files of its own Python.
    """
    environment = _environment(given)
    filter_program = _read_whole(int(given["seccomp"][0])) if "seccomp" in given else b""
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

    def enter() -> None:
        if "tty" in given:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        # Before the limit on descriptors, which theirs may be above.
        _keep(given.get("keep", ()))
        _join(given.get("join", ()))
        _limit(given.get("limit", ()))
        os.umask(0o022)
        if libc is not None:
            _lock_in(Kernel(libc), given, filter_program)
        elif "uid" in given:
            _change_user(int(given["uid"][0]))
        _start_in(given["cwd"][0], environment["HOME"])
        os.environ.clear()
        os.environ.update(environment)
        for ready in given.get("ready", ()):
            os.write(int(ready), b"1")

    return enter


class Kernel:
    """Calls that Python has no name for; each raises OSError if refused."""

    def __init__(self, libc: ctypes.CDLL) -> None:
        self._libc = libc

    def prctl(self, option: int, *arguments: object) -> int:
        """`prctl`, missing arguments zero."""
        padded = [*arguments, 0, 0, 0, 0][:4]
        return self._checked("prctl", option, *map(_word, padded))

    def call(self, number: int, *arguments: object) -> int:
        """A system call by number."""
        return self._checked("syscall", ctypes.c_long(number), *arguments)

    def _checked(self, name: str, *arguments: object) -> int:
        answer: int = getattr(self._libc, name)(*arguments)
        if answer < 0:
            code = ctypes.get_errno()
            raise OSError(code, f"{os.strerror(code)} ({name} {arguments[0]})")
        return answer


def _word(value: object) -> object:
    return ctypes.c_ulong(value) if isinstance(value, int) else value


def _lock_in(kernel: Kernel, given: Given, filter_program: bytes) -> None:
    ruleset = _ruleset(kernel, given) if "landlock" in given else None
    if "uid" in given:
        _drop_bounds(kernel)
        _change_user(int(given["uid"][0]))
    kernel.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    # Changing user has cleared it.
    kernel.prctl(PR_SET_PDEATHSIG, SIGKILL)
    kernel.prctl(PR_SET_NO_NEW_PRIVS, 1)
    if ruleset is not None:
        kernel.call(LANDLOCK_RESTRICT, ruleset, 0)
        os.close(ruleset)
    if filter_program:
        length = len(filter_program) // INSTRUCTION_BYTES
        loaded = FilterProgram(length, filter_program)
        kernel.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(loaded))


def _drop_bounds(kernel: Kernel) -> None:
    """Make every capability unreachable, also for programs that carry some of their own.

    Only adds to no_new_privs, which comes later, so a container that may not do it goes on.
    """
    with open("/proc/sys/kernel/cap_last_cap", "rb") as file:  # noqa: PTH123 - pathlib is slow
        last = int(file.read())
    with contextlib.suppress(PermissionError):
        for capability in range(last + 1):
            if kernel.prctl(PR_CAPBSET_READ, capability):
                kernel.prctl(PR_CAPBSET_DROP, capability)


def _change_user(uid: int) -> None:
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)


def _ruleset(kernel: Kernel, given: Given) -> int:
    version = int(given["landlock"][0])
    writes = WRITE_FILE | TREE_WRITES | (REFER if version >= REFER_SINCE else 0)
    writes |= TRUNCATE if version >= TRUNCATE_SINCE else 0
    reads = READ_FILE | EXECUTE if "read" in given else 0
    attributes = Ruleset(writes | reads)
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    ruleset = kernel.call(LANDLOCK_CREATE, ctypes.byref(attributes), size, 0)
    for path in given.get("read", ()):
        _allow(kernel, ruleset, path, reads)
    for path in given.get("write", ()):
        _allow(kernel, ruleset, path, writes)
    for path in given.get("own", ()):
        _allow(kernel, ruleset, path, reads | writes)
    return ruleset


def _allow(kernel: Kernel, ruleset: int, path: str, access: int) -> None:
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # gone, or out of reach anyway
    try:
        if not os.path.isdir(path):  # noqa: PTH112 - pathlib is slow
            access &= EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
        rule = PathRule(access, parent)
        kernel.call(LANDLOCK_ADD, ruleset, 1, ctypes.byref(rule), 0)
    finally:
        os.close(parent)


def _join(member_lists: Sequence[str]) -> None:
    for path in member_lists:
        with open(path, "wb", buffering=0) as file:  # noqa: PTH123 - pathlib is slow
            file.write(b"%d" % os.getpid())
    if sys.platform == "linux":
        # When memory runs out, the command goes before the worker does.
        with open("/proc/self/oom_score_adj", "wb", buffering=0) as file:  # noqa: PTH123
            file.write(b"%d" % OOM_FIRST)


def _limit(limits: Sequence[str]) -> None:
    for limit in limits:
        name, _, wanted = limit.partition(":")
        which = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(which)[1]
        value = int(wanted) if hard == resource.RLIM_INFINITY else min(int(wanted), hard)
        # At the soft limit of processor time a program is told why; at the hard one it is killed.
        soft = value - 1 if name == "CPU" else value
        resource.setrlimit(which, (soft, value))


def _start_in(cwd: str, home: str) -> None:
    try:
        os.chdir(cwd)
    except OSError:
        os.chdir(home)


def _keep(kept: Sequence[str]) -> None:
    for pair in kept:
        given, wanted = map(int, pair.split(":"))
        os.dup2(given, wanted)
        os.set_inheritable(wanted, True)  # noqa: FBT003 - dup2 onto itself would change nothing


def _environment(given: Given) -> dict[str, str]:
    entries = _read_whole(int(given["env"][0])).split(b"\0")
    pairs = (os.fsdecode(entry).partition("=") for entry in entries if entry)
    return {name: value for name, _, value in pairs}


def _read_whole(descriptor: int) -> bytes:
    data = os.pread(descriptor, ENVIRONMENT_LIMIT, 0)
    os.set_inheritable(descriptor, False)  # noqa: FBT003 - takes no keywords
    return data


def main(arguments: Sequence[str]) -> None:
    """Run as a program: see the module's first lines."""
    options, argv, given = orders.parsed_arguments(arguments)
    for descriptor in (*given.get("keep", ()), *given.get("ready", ())):
        os.set_inheritable(int(descriptor.partition(":")[0]), False)  # noqa: FBT003
    sys.exit(reaper.Reaper(options, argv, entering(given)).run())
