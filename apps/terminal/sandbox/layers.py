"""The layers between a command and the worker: found by trying, reported as found."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from apps.terminal.sandbox import cgroup, landlock, seccomp
from apps.terminal.sandbox.entry import Entry, Means
from apps.terminal.sandbox.identity import Identity
from apps.terminal.sandbox.limits import Limits

TRIAL_TIMEOUT = 10.0


class Layer(Struct, frozen=True):
    """One layer, as it is on this machine.

    Attributes:
        layer: Its name.
        active: Whether it holds here.
        detail: What it does, or why it does not, in words for the person who runs the worker.
    """

    layer: str
    active: bool
    detail: str


def found(uids: Sequence[int], hidden: Sequence[Path], scratch: Path) -> Means:
    """What this machine offers, each tried by running a program behind it.

    Takes about 0.1 s, several trials more where a layer turns out not to work.
    """
    hidden = [path.resolve() for path in hidden]
    offered = Means(
        # Elsewhere a thread cannot take another user's file rights, which workspaces need.
        uids=tuple(uids) if os.geteuid() == 0 and sys.platform == "linux" else (),
        filter_program=_filter_program(),
        landlock=_landlock_version(),
        readable=_readable(hidden),
        writable=tuple(landlock.writable(hidden)),
        cgroups={name: str(path) for name, path in cgroup.parents().items()},
    )
    return offered if works(offered, scratch) else _without_what_fails(offered, scratch)


def _readable(hidden: Sequence[Path]) -> tuple[str, ...]:
    if not hidden:
        return ()
    kept = landlock.programs(os.environ.get("PATH", ""), Path.home())
    return tuple(map(str, (*landlock.beside(hidden), *kept)))


def works(means: Means, scratch: Path) -> bool:
    """Whether a program starts behind all of `means`."""
    identity = Identity(means.uids[0] if means.uids else None, scratch)
    status, control = os.pipe(), os.pipe()
    try:
        with Entry(means, identity, Limits(), home=Path("/"), cwd="/", environment={}) as entry:
            argv = entry.command([shutil.which("true") or "true"], status[1], control[0], tty=False)
            descriptors = (*entry.descriptors, status[1], control[0])
            return _succeeds(argv, descriptors)
    except OSError:
        return False
    finally:
        for descriptor in (*status, *control):
            os.close(descriptor)


def _succeeds(argv: Sequence[str], descriptors: Sequence[int]) -> bool:
    ran = subprocess.run(  # noqa: S603 - our own guard
        argv,
        env={},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        pass_fds=descriptors,
        timeout=TRIAL_TIMEOUT,
        check=False,
    )
    return ran.returncode == 0


def _without_what_fails(offered: Means, scratch: Path) -> Means:
    """`offered`, less each layer that does not work by itself."""
    alone: Sequence[Mapping[str, object]] = (
        {"uids": offered.uids},
        {"filter_program": offered.filter_program},
        {
            "landlock": offered.landlock,
            "readable": offered.readable,
            "writable": offered.writable,
        },
        {"cgroups": offered.cgroups},
    )
    kept: dict[str, object] = {}
    for layer in alone:
        if works(replace(Means(), **layer), scratch):
            kept |= layer
    return replace(Means(), **kept)


def _filter_program() -> bytes:
    try:
        return seccomp.program() if sys.platform == "linux" else b""
    except (ImportError, OSError, RuntimeError):
        return b""


def _landlock_version() -> int:
    version = landlock.version()
    return version if version >= landlock.OLDEST_USEFUL else 0


def report(means: Means) -> tuple[Layer, ...]:
    """`means` in words, for the page and for the log of the worker."""
    linux = sys.platform == "linux"
    return (
        _user(means),
        Layer("environment", active=True, detail="from an allow-list, nothing of the worker's"),
        Layer("limits", active=True, detail=_limits(means)),
        Layer("privileges", active=linux, detail=_privileges(linux=linux)),
        _filter(means),
        _files(means),
        _cgroup(means),
        Layer("process tree", active=linux, detail=_tree(linux=linux)),
    )  # fmt: skip


def _user(means: Means) -> Layer:
    if means.uids:
        detail = f"each project runs as a user of its own, one of {len(means.uids)}"
        return Layer("user", active=True, detail=detail)
    detail = (
        "commands run as the user of the worker and can reach that user's files and processes; "
        "start the worker as root, on Linux, to separate them"
    )
    return Layer("user", active=False, detail=detail)


def _limits(means: Means) -> str:
    processes = ", processes" if means.uids else ""
    return f"processor time, open files, file size{processes}, wall clock, disk (watched), output"


def _privileges(*, linux: bool) -> str:
    return "none can be gained, no capability is left" if linux else "needs Linux"


def _filter(means: Means) -> Layer:
    if means.filter_program:
        detail = "mounts, namespaces, tracing, modules and keys are refused"
        return Layer("system calls", active=True, detail=detail)
    return Layer("system calls", active=False, detail="needs Linux, libseccomp and pyseccomp")


def _files(means: Means) -> Layer:
    if not means.landlock:
        detail = "needs a kernel with Landlock; file permissions alone decide"
        return Layer("files", active=False, detail=detail)
    hidden = "; the worker's files cannot be read" if means.readable else ""
    detail = f"only the workspace and temporary folders can be written{hidden}"
    return Layer("files", active=True, detail=detail)


def _cgroup(means: Means) -> Layer:
    if means.cgroups:
        detail = "the kernel holds each command to its memory and processes"
        return Layer("cgroup", active=True, detail=detail)
    return Layer("cgroup", active=False, detail="cannot be made here; memory is watched instead")


def _tree(*, linux: bool) -> str:
    if linux:
        return "all that a command starts ends with it, detached processes included"
    return "what a command starts ends with it, unless it leaves its session; needs Linux for all"
